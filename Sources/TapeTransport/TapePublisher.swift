public import MarketModel
public import NatsTransport
public import Primitives
internal import ServiceRuntime
public import TapeCodec
public import TapeProtocol
internal import Telemetry

/// Publishes on many subjects of the tape: carries out what each subject's `PublisherLane`
/// decides.
///
/// One thread owns it; answers come to that thread's mailbox and are handed to `handle`. Reading a
/// subject's last packet, which happens at the start and after trouble only, blocks: for a second
/// at most, and then not again for any subject within the next one.
public final class TapePublisher {
    /// What a subject needs beside its machine.
    struct Lane {
        let subject: String
        let stream: String
        /// Made with the first packet.
        var route: PublishRoute?
        var machine: PublisherLane
        var builder: PacketBuilder
        /// The buffer of the packet before, used again for the next one.
        var spare: SealedPacket?
        var publishedAt: Int64 = 0
        /// The watermark of the last packet that stands, if it says one.
        var watermark = Timestamp.undefined
        /// Why the packet at hand is not acknowledged; nil when the last one was.
        var trouble: String?
        var silence = ServerSilence()
    }

    /// A packet that stands on the tape for good.
    public struct Acknowledged: Sendable {
        public let lane: Int
        public let header: PacketHeader
        public let sequence: UInt64
    }

    /// Filled by `handle`, emptied by the owner.
    public var acknowledged: [Acknowledged] = []
    /// Called with each packet that stands on the tape for good, before its buffer is used again:
    /// who keeps it copies its bytes. `sequence` is where it stands.
    public var onAcknowledged: ((_ packet: SealedPacket, _ sequence: UInt64) -> Void)?

    private static let tickNanoseconds: Int64 = 1_000_000
    /// A stream is made at a service's start only: in the middle of its work an absent one is a
    /// leader that is being elected, or lost data that a person should know of.
    private static let noStream =
        "no stream takes it at the moment; if the stream was deleted, restart this service: it "
        + "makes it anew, without what it held"
    /// The tape was found put back on one subject.
    public struct RolledBack: Sendable {
        public let lane: Int
        public let subject: String
        /// The ordinals that are gone; nil: only markers are.
        public let lost: ClosedRange<UInt64>?
        /// The subject's last packet stands there now; 0: there is none.
        public let sequence: UInt64
    }

    static let rolledBackMax = 1_024
    /// Emptied by the owner; of more than `rolledBackMax` the oldest are forgotten.
    public var rolledBack: [RolledBack] = []

    let client: TapeClient
    private let inbox: String
    private let mailbox: TapeMailbox
    private var noRespondersSeen = 0
    private var tickAt = Int64.min
    private let clock = SystemClock()
    private let metrics: PublisherMetrics
    var lanes: [Lane] = []
    private var effects: [PublisherLane.Effect] = []
    /// For reading a subject's last packet.
    private static let readTimeout = Duration.seconds(1)
    private let reading: JetStream
    /// A read that failed and took this long stands for those of all lanes for a while: a server
    /// that is frozen would otherwise hold the thread up once per lane.
    private static let readNanosecondsMax: Int64 = 500_000_000
    private static let readPauseNanoseconds: Int64 = 1_000_000_000
    private var readsFrom = Int64.min
    /// Each turn begins with another lane, so that none takes the reads of all.
    private var firstLane: UInt = 0

    public init(_ client: TapeClient, mailbox: TapeMailbox) throws(TapeError) {
        self.client = client
        reading = JetStream(client.connection, timeout: Self.readTimeout)
        metrics = PublisherMetrics(client.telemetry.metrics)
        self.mailbox = mailbox
        inbox = try mailbox.attach(client, .publisher)
    }

    /// Adds a subject; `open` starts it.
    public func addLane(
        subject: String, stream: String, builder: PacketBuilder,
        marking: PublisherLane.Marking = PublisherLane.Marking()
    ) -> Int {
        lanes.append(
            Lane(
                subject: subject, stream: stream, machine: PublisherLane(marking: marking),
                builder: builder))
        return lanes.count - 1
    }

    /// Opens an epoch on every subject.
    public func open() {
        for lane in lanes.indices { feed(lane, .open) }
    }

    public func open(lane: Int) { feed(lane, .open) }

    /// The same without a call that blocks: somebody has just read the subject's last packet.
    public func open(lane: Int, behind last: LastPacket?) {
        lanes[lane].machine.open(
            behind: last, now: clock.monotonic().nanoseconds, into: &effects)
        carryOut(lane)
    }

    /// Gives the subject up: what waits and what is in flight is forgotten, and so are the
    /// registered symbols and series. The lane is then as new, and `open` may follow. Whatever of
    /// its own still lands is found by `open`, or fenced by the epoch of whoever opened the subject
    /// meanwhile.
    public func reset(lane: Int) {
        let builder = lanes[lane].builder
        lanes[lane].machine.reset()
        lanes[lane].builder = PacketBuilder(
            kind: builder.kind, partition: builder.partition, source: builder.source)
        lanes[lane].spare = nil
        lanes[lane].watermark = .undefined
        lanes[lane].trouble = nil
        acknowledged.removeAll { $0.lane == lane }
        rolledBack.removeAll { $0.lane == lane }
    }

    /// Somebody remembers more of the lane's subject than the tape: its next ordinal is at least
    /// this, its epoch above that one. What lies in between is told as lost.
    public func raise(nextOrdinal: UInt64, aboveEpoch: UInt64 = 0, lane: Int) {
        lanes[lane].machine.raise(
            nextOrdinal: nextOrdinal, aboveEpoch: aboveEpoch, into: &effects)
        carryOut(lane)
    }

    // MARK: what the owner asks and does

    public func partition(lane: Int) -> Partition { lanes[lane].builder.partition }
    public func epoch(lane: Int) -> UInt64 { lanes[lane].machine.epoch }
    public func nextOrdinal(lane: Int) -> UInt64 { lanes[lane].machine.nextOrdinal }
    /// Behind all that are acknowledged or in flight: nobody can have met this one.
    public func nextUnusedOrdinal(lane: Int) -> UInt64 {
        let machine = lanes[lane].machine
        return machine.nextOrdinal + UInt64(machine.unacknowledgedTicks)
    }
    public func isReady(lane: Int) -> Bool { lanes[lane].machine.isReady }
    public func isFenced(lane: Int) -> Bool { lanes[lane].machine.isFenced }
    public func isFull(lane: Int) -> Bool { lanes[lane].builder.isFull }
    public func waitingTicks(lane: Int) -> Int { lanes[lane].builder.tickCount }

    public func waitingBytes(lane: Int) -> Int { lanes[lane].builder.byteCount }

    /// Of the last packet that stands; undefined: it says none.
    public func standingWatermark(lane: Int) -> Timestamp {
        let watermark = lanes[lane].watermark
        return watermark.nanoseconds == Int64.min ? .undefined : watermark
    }

    /// Waiting or in flight.
    public func unacknowledgedTicks(lane: Int) -> Int {
        waitingTicks(lane: lane) + lanes[lane].machine.unacknowledgedTicks
    }

    /// Nothing waits and nothing is in flight.
    public func isIdle(lane: Int) -> Bool {
        lanes[lane].machine.isIdle && lanes[lane].builder.tickCount == 0
    }

    /// Why some subject takes no packets at the moment; nil when all do. One that another owner
    /// has taken over is no trouble: nothing is to be published there any more.
    public var trouble: String? {
        lanes.first { $0.trouble != nil && !$0.machine.isFenced }.map {
            "\($0.subject): \($0.trouble ?? "")"
        }
    }

    public var isIdle: Bool { lanes.indices.allSatisfy { isIdle(lane: $0) } }
    public var hasOpened: Bool { lanes.allSatisfy { $0.machine.epoch > 0 } }

    /// The earliest event time that is not on the tape yet; undefined when everything is.
    public func oldestUnacknowledged(lane: Int) -> Timestamp {
        min(lanes[lane].machine.oldestUnacknowledged, lanes[lane].builder.oldestEventTime)
    }

    public func register(_ definition: SymbolDefinition, lane: Int) -> UInt32 {
        lanes[lane].builder.register(definition)
    }

    public func redefine(_ symbol: UInt32, as definition: SymbolDefinition, lane: Int) {
        lanes[lane].builder.redefine(symbol, as: definition)
    }

    public func register(_ definition: SeriesDefinition, lane: Int) -> UInt16 {
        lanes[lane].builder.register(definition)
    }

    public func append(_ trade: Trade, lane: Int) -> Bool { lanes[lane].builder.append(trade) }
    public func append(_ quote: Quote, lane: Int) -> Bool { lanes[lane].builder.append(quote) }
    public func append(_ bar: Bar, lane: Int) -> Bool { lanes[lane].builder.append(bar) }

    /// Sends what the subject's builder holds, also when that is nothing. Only when it is ready.
    public func publish(lane: Int, watermark: Timestamp, output: OutputState? = nil) {
        let now = clock.now()
        let machine = lanes[lane].machine
        let seal = PacketBuilder.Seal(
            epoch: machine.epoch, firstOrdinal: machine.nextOrdinal, watermark: watermark,
            sendTime: now)
        let spare = lanes[lane].spare.take()
        let packet = lanes[lane].builder.seal(seal, output: output, recycling: spare)
        let monotonic = clock.monotonic().nanoseconds
        lanes[lane].publishedAt = monotonic
        lanes[lane].machine.publish(packet, now: monotonic, into: &effects)
        carryOut(lane)
    }

    // MARK: packets that take another way

    /// Closes the packet that the subject's builder holds, without sending it: it is to be handed
    /// to `publish(_:lane:)` later, behind all that were sealed before.
    public func seal(lane: Int, firstOrdinal: UInt64, watermark: Timestamp) -> SealedPacket {
        let seal = PacketBuilder.Seal(
            epoch: lanes[lane].machine.epoch, firstOrdinal: firstOrdinal, watermark: watermark,
            sendTime: clock.now())
        return lanes[lane].builder.seal(seal)
    }

    /// Sends a packet that was sealed earlier, under the present epoch and ordinals. Only when the
    /// subject is ready.
    public func publish(_ packet: SealedPacket, lane: Int) {
        let machine = lanes[lane].machine
        let monotonic = clock.monotonic().nanoseconds
        lanes[lane].publishedAt = monotonic
        lanes[lane].machine.publish(
            packet.resealed(
                epoch: machine.epoch, firstOrdinal: machine.nextOrdinal, sendTime: clock.now()),
            now: monotonic, into: &effects)
        carryOut(lane)
    }

    /// What was handed over and is not known to stand on the tape, in order; no markers.
    public func unacknowledgedPackets(lane: Int) -> [SealedPacket] {
        lanes[lane].machine.unacknowledged
    }

    /// Since when, monotonic, the lane's oldest packet waits for its acknowledgement.
    public func unacknowledgedSince(lane: Int) -> Int64? {
        lanes[lane].machine.unacknowledgedTicks > 0 ? lanes[lane].publishedAt : nil
    }

    // MARK: events

    /// An answer to a publish.
    public func handle(_ answer: NatsMessage) {
        guard let (lane, attempt) = address(of: answer) else { return }
        switch JetStream.publishOutcome(of: answer) {
        case .stored(let sequence, _):
            feed(lane, .acknowledged(attempt: attempt, sequence: sequence))
        case .wrongLastSequence:
            unsettled(lane, "another message is the last of the subject", "out_of_sequence")
            feed(lane, .outOfSequence(attempt: attempt))
        case .noResponders:
            unsettled(lane, Self.noStream, "no_responders")
            feed(lane, .notStored(attempt: attempt))
        case .refused(let code, let errorCode, let description):
            unsettled(lane, "\(code), \(errorCode): \(description)", "refused")
            feed(lane, .notStored(attempt: attempt))
        case .malformed(let text):
            // Whether it is stored is unknown: the time-out has it read from the tape.
            unsettled(lane, text, "malformed")
        }
    }

    /// Time-outs and retries that are due. It may be called as often as one likes: deadlines are
    /// looked at once a millisecond. To be called when all that was received is handled.
    public func tick() {
        let now = clock.monotonic().nanoseconds
        guard now >= tickAt else { return }
        tickAt = now + Self.tickNanoseconds
        noticeNoResponders()
        firstLane &+= 1
        for offset in lanes.indices {
            let lane = Int((firstLane &+ UInt(offset)) % UInt(lanes.count))
            guard let deadline = lanes[lane].machine.deadline, now >= deadline else { continue }
            if case .inFlight = lanes[lane].machine.state {
                guard isSilent(lane, since: deadline, now: now) else { continue }
                unsettled(lane, "no answer came in time", "timeout")
            }
            feed(lane, .tick)
        }
    }

    private func isSilent(_ lane: Int, since deadline: Int64, now: Int64) -> Bool {
        let traffic = mailbox.traffic
        return lanes[lane].silence.counts(
            deadline: deadline, now: now, arrived: traffic.arrived, handled: traffic.received)
    }

    /// Nothing serves some subject that something was published to. Which one is not known; a
    /// packet that was stored all the same is recognised when it comes again.
    private func noticeNoResponders() {
        let present = mailbox.noResponders
        guard present != noRespondersSeen else { return }
        noRespondersSeen = present
        for lane in lanes.indices {
            guard case .inFlight = lanes[lane].machine.state else { continue }
            unsettled(lane, Self.noStream, "no_responders")
            feed(lane, .notStored(attempt: lanes[lane].machine.attempt))
        }
    }

    private func feed(_ lane: Int, _ event: PublisherLane.Event) {
        lanes[lane].machine.handle(
            event, now: clock.monotonic().nanoseconds, into: &effects)
        carryOut(lane)
    }

    private func unsettled(_ lane: Int, _ reason: String, _ label: String) {
        lanes[lane].trouble = reason
        client.telemetry.emit(
            PublishUnsettled(subject: lanes[lane].subject, reason: reason, label: label))
    }

    /// `<inbox>.<lane>.<attempt>`.
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

    /// In order; carrying one out may bring forth the next ones.
    private func carryOut(_ lane: Int) {
        guard !effects.isEmpty else { return }
        var index = 0
        while index < effects.count {
            carryOut(effects[index], lane)
            index += 1
        }
        effects.removeAll(keepingCapacity: true)
    }

    private func carryOut(_ effect: PublisherLane.Effect, _ lane: Int) {
        switch effect {
        case .publish(let packet, let expected, let attempt):
            send(packet, expected: expected, attempt: attempt, lane)
        case .readLast: readLast(lane)
        case .makeMarker(let marker, let lost): publishMarker(marker, lost: lost, lane)
        case .acknowledged(let packet, let sequence):
            let now = clock.monotonic().nanoseconds
            metrics.acknowledged(packet.header, nanoseconds: now - lanes[lane].publishedAt)
            acknowledged.append(
                Acknowledged(lane: lane, header: packet.header, sequence: sequence))
            onAcknowledged?(packet, sequence)
            lanes[lane].watermark = packet.header.watermark
            lanes[lane].spare = packet
            lanes[lane].trouble = nil
        case .fenced(let ours, let theirs):
            client.telemetry.emit(
                PublisherFenced(subject: lanes[lane].subject, ours: ours, theirs: theirs))
        case .rolledBack(let lost, let sequence):
            client.telemetry.emit(
                TapeRolledBack(
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
                .notStored(attempt: attempt), now: clock.monotonic().nanoseconds, into: &effects)
        }
    }

    private func publishMarker(
        _ marker: EpochMarker, lost: ClosedRange<UInt64>?, _ lane: Int
    ) {
        let builder = lanes[lane].builder
        var markers = PacketBuilder(
            kind: builder.kind, partition: builder.partition, source: builder.source)
        // In the marker's own packet: either both stand, or the next marker names it again.
        if let lost, builder.kind == .ticks {
            let isIn = markers.append(gap(lost, lane))
            precondition(isIn == .appended, "an empty packet refused a gap record")
        }
        let seal = PacketBuilder.Seal(
            epoch: lanes[lane].machine.epoch, firstOrdinal: marker.startOrdinal,
            watermark: Timestamp(nanoseconds: Int64.min), sendTime: clock.now())
        let monotonic = clock.monotonic().nanoseconds
        lanes[lane].publishedAt = monotonic
        lanes[lane].machine.publishMarker(
            markers.seal(seal, marker: marker), now: monotonic, into: &effects)
    }

    /// The lost ticks are of times behind the watermark that stands, and are older than now.
    private func gap(_ lost: ClosedRange<UInt64>, _ lane: Int) -> GapRecord {
        let (now, watermark) = (clock.now(), lanes[lane].watermark)
        return GapRecord(
            header: TickHeader(
                symbol: TickHeader.noSymbol, providerTime: .undefined, receiveTime: now),
            from: watermark.nanoseconds == Int64.min ? .undefined : watermark, to: now,
            kind: .any, reason: .tapeLost, state: .open, firstOrdinal: lost.lowerBound,
            lastOrdinal: lost.upperBound)
    }

    private struct ReadsPaused: Error {}

    private func readLast(_ lane: Int) {
        let event: PublisherLane.Event
        let started = clock.monotonic().nanoseconds
        do {
            guard started >= readsFrom else { throw ReadsPaused() }
            let last = try reading.lastPacket(
                stream: lanes[lane].stream, subject: lanes[lane].subject)
            lanes[lane].watermark = last?.header.watermark ?? .undefined
            event = .lastRead(last?.last)
        } catch is ReadsPaused {
            event = .readFailed
        } catch {
            let failed = clock.monotonic().nanoseconds
            if failed >= started + Self.readNanosecondsMax {
                readsFrom = failed + Self.readPauseNanoseconds
            }
            client.telemetry.emit(TapeCallFailed(reason: "\(error)"))
            event = .readFailed
        }
        lanes[lane].machine.handle(
            event, now: clock.monotonic().nanoseconds, into: &effects)
    }
}
