internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import TapeCodec
package import TapeProtocol

// How readers of one stream share a consumer.
//
//     own consumer, until nearly all that is stored is read
//         -> shared consumer of the stream -> each packet to the readers whose filters pass it
//         -> own consumer again, when the reader cannot follow or something is in doubt
//
// A consumer costs the server a wake-up for each packet that it might deliver, and heartbeats. A
// watermark has one packet for all partitions of a stream: it comes once through a shared consumer,
// not once for each partition.
//
// The reader of a shared consumer stands among `readers`; it is raw, it has no owner, and nobody
// holds it, so that a slow partition does not hold up the others. A partition that cannot take its
// packets keeps `waitingMax` of them at most. Then it leaves, and the rest stays on the tape.
// When anything is in doubt, all readers leave and prove their positions through consumers of their
// own.
extension TapeReaders {
    /// The state of a shared consumer.
    struct Share {
        /// The readers to which its packets are handed, while they are `shared`.
        var members: [Int] = []
        /// The number of readers for which the consumer was made.
        var size = 0
        /// When the consumer was made, and until when none is made after failures; monotonic.
        var openedAt = MonotonicTime.distantPast
        var retryAt = MonotonicTime.distantPast
        /// The number of failures in a row.
        var failures: Int64 = 0
    }

    /// When readers are looked for that can share a consumer: the most often that a shared consumer
    /// is made anew.
    struct SharePace {
        let nanoseconds: Int64
        /// Monotonic.
        var at = MonotonicTime.distantPast
    }

    /// The longest wait after failures. A consumer that was shared for longer has not failed.
    private static let shareRetryNanosecondsMax: Int64 = 60_000_000_000
    /// The most messages, and bytes of messages, that wait in one reader for a shared consumer:
    /// what its own pulls would bring.
    private static let waitingMax = ReaderLane.pullsMax * ReaderLane.pullMessages
    private var waitingBytesMax: Int { ReaderLane.pullsMax * pullBytes }

    /// How many readers shared a consumer when that was last looked at.
    package var sharing: Int { metrics.sharingShown }

    /// Returns how near the tape's end the reader is. One that is held is behind it.
    package func nearness(_ reader: Int) -> ReaderLane.Nearness {
        readers[reader].isHeld ? .behind : readers[reader].machine.nearness
    }

    // MARK: packets

    /// Hands a packet of a shared consumer to its readers.
    func shareOut(
        _ message: NatsMessage, _ header: PacketHeader, at sequence: UInt64, of share: Int,
        _ take: Take
    ) {
        let members = readers[share].share?.members ?? []
        message.withSubject { subject in
            for member in members {
                guard readers[member].input.passes(subject), readers[member].machine.isShared,
                    !readers[member].isOverfull
                else { continue }
                if mayTake(member) {
                    takeShared(message, header, at: sequence, member, take)
                } else {
                    wait(message, member)
                }
            }
        }
    }

    /// Hands a packet to its reader's machine, and to the owner if it is accepted.
    func takeShared(
        _ message: NatsMessage, _ header: PacketHeader, at sequence: UInt64, _ reader: Int,
        _ take: Take
    ) {
        let verdict = readers[reader].machine.sharedPacket(
            readers[reader].input.counted(header), at: sequence, now: clock.monotonic(),
            into: &effects)
        carryOut(reader)
        guard verdict == .deliver else { return }
        metrics.packets.add()
        take(reader, header, message)
    }

    /// Keeps a message for a reader that is held. When there are too many, the reader leaves after
    /// them.
    private func wait(_ message: NatsMessage, _ reader: Int) {
        readers[reader].waiting.append(message)
        let waiting = readers[reader].waiting
        readers[reader].isOverfull =
            waiting.count >= Self.waitingMax
            || waiting.reduce(0) { $0 + $1.payloadByteCount } >= waitingBytesMax
    }

    /// Lets a reader make a consumer of its own again.
    func leaveShare(_ reader: Int) {
        readers[reader].isOverfull = false
        readers[reader].machine.leave(now: clock.monotonic(), into: &effects)
        carryOut(reader)
    }

    // MARK: consumers

    /// Makes shared consumers for readers that can share one, and anew for those that are left.
    /// `timePassed` calls it.
    func shareConsumers(now: MonotonicTime) {
        guard now >= sharePace.at else { return }
        sharePace.at = now + sharePace.nanoseconds
        var lanes: [String: [Int]] = [:]
        for reader in readers.indices {
            let it = readers[reader]
            guard it.input.sharesConsumer, !it.isHeld, it.waiting.isEmpty,
                it.machine.sharableAfter != nil
            else { continue }
            lanes[it.input.stream, default: []].append(reader)
        }
        for stream in lanes.keys.sorted()
        where !readers.contains(where: { $0.share != nil && $0.input.stream == stream }) {
            let partition = readers[lanes[stream]?.first ?? 0].input.partition
            var reader = Reader(input: Input(partition: partition, stream: stream, filters: []))
            reader.share = Share()
            readers.append(reader)
        }
        var count = 0
        for share in readers.indices where readers[share].share != nil {
            gather(lanes[readers[share].input.stream] ?? [], share, now: now)
            count += readers[share].share?.members.count ?? 0
        }
        metrics.sharing.add(Double(count - metrics.sharingShown))
        metrics.sharingShown = count
    }

    /// Makes a shared consumer anew, if readers can join it or have left it. One reader alone keeps
    /// its own.
    private func gather(_ candidates: [Int], _ share: Int, now: MonotonicTime) {
        guard let state = readers[share].share, now >= state.retryAt else { return }
        let members = state.members.filter {
            readers[$0].machine.isShared && !readers[$0].isOverfull
        }
        readers[share].share?.members = members
        let isOpen = readers[share].machine.isReading
        if isOpen, members.isEmpty { readers[share].machine.close() }
        // All of them read the same stream, so one of another creation is in doubt soon.
        guard let first = members.first ?? candidates.first else { return }
        let created = readers[first].machine.streamCreated
        let joining = candidates.filter { readers[$0].machine.streamCreated == created }
        guard
            members.isEmpty
                ? joining.count > 1 : !joining.isEmpty || members.count < state.size
        else { return }
        var after = members.isEmpty ? UInt64.max : readers[share].machine.streamSequence
        for reader in joining {
            after = min(after, readers[reader].machine.sharableAfter ?? after)
        }
        open(share, after: after, created: created, joining, now: now)
    }

    /// Makes the consumer for the present members and the joining readers, after a sequence up to
    /// which all of them have their messages.
    private func open(
        _ share: Int, after sequence: UInt64, created: Timestamp, _ joining: [Int],
        now: MonotonicTime
    ) {
        let members = readers[share].share?.members ?? []
        let filters = Set((members + joining).flatMap { readers[$0].input.filters })
        readers[share].input = Input(
            partition: readers[share].input.partition, stream: readers[share].input.stream,
            filters: filters.sorted())
        readers[share].share?.size = members.count + joining.count
        readers[share].share?.openedAt = now
        readers[share].machine.close()
        readers[share].machine.openShared(
            after: sequence, streamCreated: created, into: &effects)
        carryOut(share)
        guard readers[share].machine.isReading else {
            // Trouble has dissolved it already.
            if readers[share].share?.size != 0 { dissolve(share, nil) }
            return
        }
        for reader in joining { readers[reader].machine.share() }
        readers[share].share?.members += joining
    }

    /// Gives a shared consumer up. Its readers make consumers of their own, each at its position.
    func dissolve(_ share: Int, _ trouble: ReaderLane.Effect?) {
        guard let state = readers[share].share else { return }
        // Why it stopped, its readers find themselves.
        if case .doubted(let doubt)? = trouble {
            client.telemetry.emit(.readerDoubted(reader: name(share), doubt: doubt))
        }
        let now = clock.monotonic()
        let isNew = now - state.openedAt < Self.shareRetryNanosecondsMax
        let failures = isNew ? min(state.failures + 1, 16) : 1
        let wait = min(Self.shareRetryNanosecondsMax, sharePace.nanoseconds << (failures - 1))
        readers[share].machine.close()
        readers[share].share = Share(
            openedAt: state.openedAt, retryAt: now + wait, failures: failures)
        for member in state.members where !readers[member].isOverfull { leaveShare(member) }
    }

    /// Gives all shared consumers up after a reconnect, which each reader handles itself.
    func closeShares() {
        for share in readers.indices where readers[share].share != nil {
            readers[share].machine.close()
            readers[share].share = Share()
        }
    }
}

extension ReaderLane.Effect {
    /// Whether a shared consumer is given up because of it.
    var isTrouble: Bool {
        switch self {
        case .doubted, .stopped: true
        case .readStream, .createConsumer, .pull, .hole, .letGo: false
        }
    }
}
