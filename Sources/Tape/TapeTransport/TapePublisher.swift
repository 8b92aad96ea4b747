package import MarketModel
package import NatsTransport
package import Primitives
internal import ServiceRuntime
package import TapeCodec
package import TapeProtocol

/// Publishes on many subjects of the tape: carries out what each subject's `PublisherLane` decides.
/// A gateway's tenure has one for its source, an operator's worker one for its partitions.
///
/// One thread owns it. Answers come to that thread's mailbox as `TapeEvent.answer` and are handed
/// to `handle`. No call waits for the server: a subject's last packet, which is read only at the
/// start and after trouble, is requested, and the answer comes in the same way. A stream that does
/// not answer delays no other stream.
///
/// A *lane* is one subject, named by its index. Ticks *wait* while they are in the builder, which
/// collects the lane's next packet. A packet is *in flight* from its publishing to its answer.
package final class TapePublisher {
    /// The state of a subject besides its machine.
    struct Lane {
        let subject: String
        /// The index of its stream.
        let stream: Int
        /// The subject and its answers' prefix as NATS needs them; `nil` before the first packet.
        var route: PublishRoute?
        var machine: PublisherLane
        var builder: PacketBuilder
        /// Packets that were full before they could leave, in order (`close`).
        var closed: [SealedPacket] = []
        /// The packet that was acknowledged last, whose buffer is reused for the next one.
        var spare: SealedPacket?
        /// The monotonic time of the last publish, as are the times below.
        var publishedAt = MonotonicTime.distantPast
        /// Since when the lane accepts no packet; `nil` while it does, and when it is fenced.
        var busySince: MonotonicTime?
        /// The server reported a missing responder while this attempt was in flight. If the attempt
        /// is not answered before `until`, it is treated as the one that the report meant.
        var suspected: (attempt: UInt64, until: MonotonicTime)?
        /// The lane's question to its stream, by which it learns whether a packet is stored.
        var question = Question.none
        /// The watermark of the subject's last packet that is known to be on the tape; undefined
        /// when none is.
        var watermark = Timestamp.undefined
        /// Why the current packet is not acknowledged; `nil` when the last one was.
        var trouble: String?
        /// Since when the server reports that a write is in process; `nil` while it does not.
        var inProcessSince: MonotonicTime?
        var silence = ServerSilence()
    }

    /// The packets that were acknowledged, markers included, in order per lane. Filled by the other
    /// calls, emptied by the owner after each turn.
    package var acknowledged: [Acknowledged] = []
    /// Called with each packet that is on the tape permanently, before its buffer is reused. The
    /// callee must copy the bytes if it keeps them, and must not call the publisher. `sequence` is
    /// the packet's sequence.
    package var onAcknowledged: ((_ packet: SealedPacket, _ sequence: UInt64) -> Void)?

    /// The shortest time between two checks of the deadlines.
    private static let checkNanoseconds: Int64 = 1_000_000
    /// How long a packet in flight may remain unanswered after a report of a missing responder. A
    /// stream that has a leader usually answers within this time.
    private static let suspicionNanoseconds: Int64 = 250_000_000
    /// From this duration on, the answer that a write is in process is trouble. A leader that lost
    /// its quorum steps down earlier, and its writes in process end with that.
    private static let inProcessNanosecondsMax: Int64 = 10_000_000_000
    /// A stream is made only at a service's start. If it is missing later, a leader is being
    /// elected, or data were lost and a person should know.
    private static let noStream =
        "no stream accepts it at the moment; if the stream was deleted, restart this service, "
        + "which creates the stream again without its old packets"
    private static let inProcess = "a write to the subject is in process"

    /// The most entries of `rolledBack`. Beyond it the oldest are dropped.
    static let rolledBackMax = 1_024
    /// The subjects that were found restored from a backup. Emptied by the owner.
    package var rolledBack: [RolledBack] = []

    let client: TapeClient
    /// The prefix of the subjects to which this publisher's answers come.
    let inbox: String
    private let mailbox: TapeMailbox
    /// The mailbox's number of reports of missing responders when they were handled last.
    private var noRespondersSeen = 0
    /// When the deadlines are checked next, by the monotonic clock.
    private var checkAt = MonotonicTime.distantPast
    let clock = SystemClock()
    private let metrics: PublisherMetrics
    var lanes: [Lane] = []
    /// The effects of the lane that is being handled. Empty between calls.
    var effects: [PublisherLane.Effect] = []
    /// The streams of the lanes.
    var streams: [Stream] = []
    /// The number of the last question of any lane.
    var questions: UInt64 = 0
    /// Each check of the deadlines begins with another lane, so that no lane takes all the
    /// questions that a stream may be asked.
    private var firstLane: UInt = 0

    /// Makes a publisher without lanes. Its answers come to `mailbox`.
    package init(_ client: TapeClient, mailbox: TapeMailbox) throws(TapeError) {
        self.client = client
        metrics = PublisherMetrics(client.telemetry.metrics)
        self.mailbox = mailbox
        inbox = try mailbox.attach(client, .publisher)
    }

    /// Adds a subject and returns its lane. `open` starts it. `stream` is the stream that stores
    /// the subject, and `marking` the content of an operator's markers.
    package func addLane(
        subject: String, stream: String, builder: PacketBuilder,
        marking: PublisherLane.Marking = PublisherLane.Marking()
    ) -> Int {
        let place =
            streams.firstIndex { $0.name == stream }
            ?? {
                streams.append(Stream(name: stream))
                return streams.endIndex - 1
            }()
        lanes.append(
            Lane(
                subject: subject, stream: place, machine: PublisherLane(marking: marking),
                builder: builder))
        return lanes.count - 1
    }

    /// Opens an epoch on every subject.
    package func open() {
        for lane in lanes.indices { feed(lane, .open) }
    }

    /// Opens an epoch on one subject.
    package func open(lane: Int) { feed(lane, .open) }

    /// Opens without reading the subject's last packet: `last`, which the caller has just read;
    /// `nil` when there is none.
    package func open(lane: Int, behind last: LastPacket?) {
        lanes[lane].machine.open(
            behind: last, now: clock.monotonic(), into: &effects)
        carryOut(lane)
    }

    /// Gives the subject up: forgets what waits, what is in flight, and the registered symbols and
    /// series. The lane is then like a new one, and `open` may follow. The packet in flight may
    /// still be stored later, if no other owner has written: then `open` finds it.
    package func reset(lane: Int) {
        let builder = lanes[lane].builder
        lanes[lane].machine.reset()
        lanes[lane].builder = PacketBuilder(
            kind: builder.kind, partition: builder.partition, source: builder.source,
            growth: builder.growth)
        lanes[lane].closed = []
        lanes[lane].spare = nil
        lanes[lane].watermark = .undefined
        lanes[lane].trouble = nil
        lanes[lane].inProcessSince = nil
        lanes[lane].busySince = nil
        become(.none, lane)
        acknowledged.removeAll { $0.lane == lane }
        rolledBack.removeAll { $0.lane == lane }
    }

    /// Raises the lane's next ordinal to at least `nextOrdinal`, and its epoch above `aboveEpoch`:
    /// a reader or a record remembers more of the subject than the tape holds. The ordinals between
    /// are reported as lost (`rolledBack`), except for those that are stored as rows.
    package func raise(
        nextOrdinal: UInt64, aboveEpoch: UInt64 = 0, stored: StoredRows? = nil, lane: Int
    ) {
        lanes[lane].machine.raise(
            nextOrdinal: nextOrdinal, aboveEpoch: aboveEpoch,
            stored: stored, into: &effects)
        carryOut(lane)
    }

    // MARK: requests of the owner

    /// Registers a symbol in the lane's builder and returns its number there.
    package func register(_ definition: SymbolDefinition, lane: Int) -> UInt32 {
        lanes[lane].builder.register(definition)
    }

    /// Changes what a symbol's number in the lane's builder means, from its next tick on.
    package func redefine(_ symbol: UInt32, as definition: SymbolDefinition, lane: Int) {
        lanes[lane].builder.redefine(symbol, as: definition)
    }

    /// Registers a series in the lane's builder and returns its number there.
    package func register(_ definition: SeriesDefinition, lane: Int) -> UInt16 {
        lanes[lane].builder.register(definition)
    }

    /// Appends a record to the lane's next packet. Returns false when the packet is full: the
    /// caller appends the record again when the packet was published.
    package func append(_ trade: Trade, lane: Int) -> Bool { lanes[lane].builder.append(trade) }
    package func append(_ quote: Quote, lane: Int) -> Bool { lanes[lane].builder.append(quote) }
    package func append(_ bar: Bar, lane: Int) -> Bool { lanes[lane].builder.append(bar) }

    /// Lets the lane's next packet, which may not leave yet, grow further. Returns false when it
    /// does already, or is full all the same (`PacketBuilder.hold`).
    package func hold(lane: Int) -> Bool { lanes[lane].builder.hold() }

    /// Appends a record of any kind.
    package func append(_ record: TapeRecord, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(record)
    }

    /// Sends the lane's first closed packet, or else what its builder holds, even nothing: a packet
    /// of watermarks has no ticks. Call it only when the lane is ready. `watermark` is that after
    /// the builder's ticks, `output` the state of an operator.
    package func publish(lane: Int, watermark: Timestamp, output: OutputState? = nil) {
        let now = clock.now()
        if let packet = takeClosed(lane, sendTime: now) { return send(packet, lane) }
        let seal = PacketBuilder.Seal(
            epoch: lanes[lane].machine.epoch, firstOrdinal: lanes[lane].machine.nextOrdinal,
            watermark: watermark, sendTime: now)
        let spare = lanes[lane].spare.take()
        send(lanes[lane].builder.seal(seal, output: output, recycling: spare), lane)
    }

    /// Sends a packet with the lane's present epoch and ordinals.
    private func send(_ packet: SealedPacket, _ lane: Int) {
        let monotonic = clock.monotonic()
        lanes[lane].publishedAt = monotonic
        lanes[lane].machine.publish(packet, now: monotonic, into: &effects)
        carryOut(lane)
    }

    // MARK: packets that go through the spool

    /// Closes the packet that the subject's builder holds without sending it. The caller spools it,
    /// and hands it to `publish(_:lane:)` later, after all packets that were sealed before.
    /// `firstOrdinal` is the ordinal after those of all these packets.
    package func seal(lane: Int, firstOrdinal: UInt64, watermark: Timestamp) -> SealedPacket {
        let seal = PacketBuilder.Seal(
            epoch: lanes[lane].machine.epoch, firstOrdinal: firstOrdinal, watermark: watermark,
            sendTime: clock.now())
        return lanes[lane].builder.seal(seal)
    }

    /// Sends a packet that was sealed earlier, under the present epoch and ordinals. Call it only
    /// when the lane is ready.
    package func publish(_ packet: SealedPacket, lane: Int) {
        let machine = lanes[lane].machine
        send(
            packet.resealed(
                epoch: machine.epoch, firstOrdinal: machine.nextOrdinal, sendTime: clock.now()),
            lane)
    }

    /// Returns the packets that were handed over and are not known to be on the tape, in order and
    /// without markers.
    package func unacknowledgedPackets(lane: Int) -> [SealedPacket] {
        lanes[lane].machine.unacknowledged
    }

    /// Returns the monotonic time since which the lane has accepted no packet; `nil` if it accepts
    /// one, or is fenced.
    package func busySince(lane: Int) -> MonotonicTime? { lanes[lane].busySince }

    // MARK: events

    /// Handles an answer to a publish or to a question of a lane.
    package func handle(_ answer: NatsMessage) {
        guard let (lane, attempt) = address(of: answer) else { return answered(answer) }
        streams[lanes[lane].stream].isSilent = false
        switch JetStream.publishOutcome(of: answer) {
        case .stored(let sequence, _):
            feed(lane, .acknowledged(attempt: attempt, sequence: sequence))
        case .wrongLastSequence:
            unsettled(lane, "another message is the last of the subject", "out_of_sequence")
            feed(lane, .outOfSequence(attempt: attempt))
        case .inProcess: inProcess(lane, attempt)
        case .noResponders:
            unsettled(lane, Self.noStream, "no_responders")
            feed(lane, .notStored(attempt: attempt))
        case .refused(let code, let errorCode, let description):
            unsettled(lane, "\(code), \(errorCode): \(description)", "refused")
            feed(lane, .notStored(attempt: attempt))
        case .malformed(let text):
            // It is unknown whether the packet is stored. The timeout has its fate read.
            unsettled(lane, text, "malformed")
        }
    }

    /// Handles the answer that a write to the subject is in process: it has not reached enough
    /// replicas yet. That is usual and no trouble, unless it lasts longer than an election.
    private func inProcess(_ lane: Int, _ attempt: UInt64) {
        let now = clock.monotonic()
        let since = lanes[lane].inProcessSince ?? now
        lanes[lane].inProcessSince = since
        let isLong = now - since >= Self.inProcessNanosecondsMax
        unsettled(lane, Self.inProcess, "in_process", isTrouble: isLong)
        feed(lane, .inProcess(attempt: attempt))
    }

    /// Handles timeouts and retries that are due. It may be called at any rate: deadlines are
    /// checked once a millisecond. Call it when all received messages are handled.
    package func timePassed() {
        let now = clock.monotonic()
        guard now >= checkAt else { return }
        checkAt = now + Self.checkNanoseconds
        noticeNoResponders(now)
        firstLane &+= 1
        for offset in lanes.indices {
            let lane = Int((firstLane &+ UInt(offset)) % UInt(lanes.count))
            checkQuestion(lane, now)
            checkSuspicion(lane, now)
            guard !lanes[lane].machine.isIdle, let deadline = lanes[lane].machine.deadline,
                now >= deadline
            else { continue }
            if case .inFlight = lanes[lane].machine.state {
                guard isSilent(lane, since: deadline, now: now) else { continue }
                unsettled(lane, "no answer came in time", "timeout")
                streams[lanes[lane].stream].isSilent = true
            }
            feed(lane, .timePassed)
        }
    }

    /// Returns whether a passed deadline counts: nothing came by then although everything that had
    /// arrived was handled (`ServerSilence`).
    func isSilent(_ lane: Int, since deadline: MonotonicTime, now: MonotonicTime) -> Bool {
        let traffic = mailbox.traffic
        return lanes[lane].silence.counts(
            deadline: deadline, now: now, arrived: traffic.arrived, handled: traffic.received)
    }

    /// Handles the server's reports that a subject to which something was published has no
    /// responder. The server does not report which subject. A lane that is answered in time was not
    /// the one. Each other lane reads from the tape whether its packet is stored, so that a packet
    /// that was stored after all is not sent again.
    private func noticeNoResponders(_ now: MonotonicTime) {
        let present = mailbox.noResponders
        guard present != noRespondersSeen else { return }
        noRespondersSeen = present
        let until = now + Self.suspicionNanoseconds
        for lane in lanes.indices {
            suspectQuestion(lane, until)
            guard case .inFlight = lanes[lane].machine.state,
                lanes[lane].suspected?.attempt != lanes[lane].machine.attempt
            else { continue }
            lanes[lane].suspected = (lanes[lane].machine.attempt, until)
        }
    }

    /// Stops waiting for the answer to a packet that is suspected to have had no responder and is
    /// still not answered. The lane then reads whether the packet is stored.
    private func checkSuspicion(_ lane: Int, _ now: MonotonicTime) {
        guard let suspected = lanes[lane].suspected, now >= suspected.until else { return }
        lanes[lane].suspected = nil
        guard suspected.attempt == lanes[lane].machine.attempt,
            case .inFlight = lanes[lane].machine.state
        else { return }
        unsettled(lane, Self.noStream, "no_responders")
        feed(lane, .unanswered(attempt: suspected.attempt))
    }

    /// Hands an event to the lane's machine and carries out what follows.
    func feed(_ lane: Int, _ event: PublisherLane.Event) {
        lanes[lane].machine.handle(
            event, now: clock.monotonic(), into: &effects)
        carryOut(lane)
    }

    /// Reports why a packet is not settled. `label` is the reason as a label of a metric.
    /// `isTrouble` is false for a reason that is usual and will pass.
    private func unsettled(
        _ lane: Int, _ reason: String, _ label: String, isTrouble: Bool = true
    ) {
        if isTrouble { lanes[lane].trouble = reason }
        client.telemetry.emit(
            .publishUnsettled(
                subject: lanes[lane].subject, reason: reason, label: label,
                level: isTrouble ? .warning : .debug))
    }

    /// Reads the subject of an answer to a publish: `<inbox>.<lane>.<attempt>`. Returns `nil` for
    /// the answer to a question, in which an `r` comes before the lane.
    private func address(of answer: NatsMessage) -> (lane: Int, attempt: UInt64)? {
        answer.withSubject { subject in
            let dot = UInt8(ascii: ".")
            guard let attempt = subject.lastNumber(before: subject.byteCount, behind: dot),
                let number = subject.lastNumber(before: attempt.separator, behind: dot),
                let lane = Int(exactly: number.value), lanes.indices.contains(lane)
            else { return nil }
            return (lane, attempt.value)
        }
    }

    // MARK: effects

    /// Carries out the effects in order. Carrying one out may add more.
    func carryOut(_ lane: Int) {
        guard !effects.isEmpty else { return }
        var index = 0
        while index < effects.count {
            carryOut(effects[index], lane)
            index += 1
        }
        effects.removeAll(keepingCapacity: true)
        // Nothing is to be published on a fenced lane any more, so it is not busy.
        let isTaking = lanes[lane].machine.isReady || lanes[lane].machine.isFenced
        if isTaking {
            lanes[lane].busySince = nil
        } else if lanes[lane].busySince == nil {
            lanes[lane].busySince = clock.monotonic()
        }
    }

    private func carryOut(_ effect: PublisherLane.Effect, _ lane: Int) {
        switch effect {
        case .publish(let packet, let expected, let attempt):
            send(packet, expected: expected, attempt: attempt, lane)
        case .readLast:
            become(.wanted, lane)
            ask(lane)
        case .makeMarker(let marker, let lost): publishMarker(marker, lost: lost, lane)
        case .acknowledged(let packet, let sequence):
            let now = clock.monotonic()
            metrics.acknowledged(packet.header, nanoseconds: now - lanes[lane].publishedAt)
            acknowledged.append(
                Acknowledged(lane: lane, header: packet.header, sequence: sequence))
            onAcknowledged?(packet, sequence)
            lanes[lane].watermark = packet.header.watermark
            lanes[lane].spare = packet
            lanes[lane].trouble = nil
            lanes[lane].inProcessSince = nil
        case .fenced(let ours, let theirs):
            client.telemetry.emit(
                .publisherFenced(subject: lanes[lane].subject, ours: ours, theirs: theirs))
        case .rolledBack(let lost, let sequence):
            client.telemetry.emit(
                .tapeRolledBack(
                    subject: lanes[lane].subject, lost: lost, sequence: sequence,
                    holdsTicks: lanes[lane].builder.kind != .watermark))
            if rolledBack.count >= Self.rolledBackMax { rolledBack.removeFirst() }
            rolledBack.append(
                RolledBack(
                    lane: lane, subject: lanes[lane].subject, lost: lost, sequence: sequence))
        }
    }

    private func send(_ packet: SealedPacket, expected: UInt64, attempt: UInt64, _ lane: Int) {
        do throws(NatsError) {
            var route: PublishRoute
            if let known = lanes[lane].route.take() {
                route = known
            } else {
                route = try PublishRoute(
                    subject: lanes[lane].subject, replyPrefix: "\(inbox).\(lane)")
            }
            defer { lanes[lane].route = route }
            try packet.withBytes { bytes throws(NatsError) in
                try client.connection.publish(
                    bytes, on: &route, number: attempt, expectedLastSubjectSequence: expected)
            }
        } catch {
            unsettled(lane, "\(error)", "connection")
            // Without a link nothing was sent.
            lanes[lane].machine.handle(
                .notStored(attempt: attempt), now: clock.monotonic(), into: &effects)
        }
    }

    /// Seals the marker in a packet of its own and publishes it. What waits in the lane's builder
    /// stays there.
    private func publishMarker(
        _ marker: EpochMarker, lost: ClosedRange<UInt64>?, _ lane: Int
    ) {
        let builder = lanes[lane].builder
        var markers = PacketBuilder(
            kind: builder.kind, partition: builder.partition, source: builder.source)
        // The gap goes into the marker's own packet: either both are stored, or the next marker
        // names the gap again.
        let isEmpty = marker.previousSequence == 0
        if builder.kind == .ticks, let gap = gap(lost, lane, isEmpty: isEmpty) {
            let outcome = markers.append(gap)
            precondition(outcome == .appended, "an empty packet refused a gap record")
        }
        let seal = PacketBuilder.Seal(
            epoch: lanes[lane].machine.epoch, firstOrdinal: marker.startOrdinal,
            watermark: Timestamp(nanoseconds: Int64.min), sendTime: clock.now())
        let monotonic = clock.monotonic()
        lanes[lane].publishedAt = monotonic
        lanes[lane].machine.publishMarker(
            markers.seal(seal, marker: marker, flags: lanes[lane].machine.marking.flags),
            now: monotonic, into: &effects)
    }
}
