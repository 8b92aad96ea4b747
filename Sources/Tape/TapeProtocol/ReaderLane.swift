internal import MarketModel
package import Primitives
package import TapeCodec

/// Decides which packets a reader of one partition may trust.
///
/// It reads through a JetStream consumer. A *doubt* is a reason to give up the consumer and to make
/// a new one, with the next number, at the position: a reconnect, a stall, a missed delivery, or an
/// ordinal that does not follow. The first packet of a new consumer must be that of the position,
/// which proves that the tape is still the same.
///
/// A *pull* is a request for a batch of messages. A *delivery* is one message that the consumer
/// sends; the consumer numbers its deliveries. A *hole* is a range of ordinals that the tape itself
/// lacks. A *raw* lane takes every message and proves nothing.
///
/// Pure: events in, effects out; `TapeReaders` has one for each reader. Times are monotonic.
package struct ReaderLane: Sendable {
    /// The number of pulls that are open at the same time; the next constants bound each pull.
    /// Together they bound the memory, and what the server has to keep for the connection: it ends
    /// a connection for which 64 MiB wait, and counts bytes until a whole write of them has ended,
    /// so that those of the next pulls may be added to those of the last. 64 lanes that all have
    /// far to read cause about 48 MiB.
    package static let pullsMax = 2
    package static let pullMessages = 64
    package static let pullBytes = 192 * 1024
    /// More than the largest packet of a publisher (`PacketLimits.builtBytesMax`) with its NATS
    /// message: a packet above it is never delivered. A lane has one pull of this size instead of
    /// the usual two, from the first packet on that is larger than they are.
    package static let largePullBytes = 640 * 1024
    package static let pullExpirySeconds = 30
    package static let heartbeatSeconds = 1
    /// So many pulls in a row that end by the size of the next message prove that it is larger than
    /// a pull: only the first `pullsMax` of them can have brought others before.
    private static let sizeRefusalsMax = pullsMax + 1
    /// After this long without any message, even a heartbeat, the consumer is made again.
    static let stallNanosecondsMax: Int64 = 3_000_000_000
    /// Waits between attempts to open: the first one, and the longest.
    static let retryNanosecondsFirst: Int64 = 50_000_000
    static let retryNanosecondsMax: Int64 = 1_000_000_000

    package internal(set) var state = State.closed
    /// The last packet that was accepted; `nil` when there is none yet, and in a raw lane.
    package internal(set) var position: TapePosition?
    /// Where a lane without a position begins.
    var beginning = Start.first
    /// The lane takes whatever is stored, proves nothing of it and has no position. After a doubt
    /// it continues after the message that it took last. If it began at the end of the stream, it
    /// continues at the present end.
    var isRaw = false
    /// Increases with every consumer. Deliveries of an older one are ignored.
    package internal(set) var consumerNumber: UInt64 = 0
    /// When the stream was created, by the server's wall clock; undefined before it was described.
    package internal(set) var streamCreated = Timestamp.undefined
    /// The open pulls, the oldest first.
    var pulls: [Pull] = []
    /// The number of the last pull.
    private var pullNumber: UInt64 = 0
    /// How many pulls in a row ended because the next message has too many bytes.
    private var sizeRefusals = 0
    /// The number that the consumer's next delivery must have.
    var nextConsumerSequence: UInt64 = 1
    /// When the server last sent something, or was last asked for a consumer.
    var lastReceived = MonotonicTime.distantPast
    /// The sequence of the last message that a raw lane took; 0 for none.
    package internal(set) var streamSequence: UInt64 = 0
    /// Whether the tape may be purged before the lane has read it, because its group is not needed.
    /// The lane then continues at the first packet that is left, and what it lacks is a hole.
    package var mayBeLetGo = false
    var letGo = LettingGo()
    /// How far the lane has read, as far as sharing a consumer needs it.
    var reach = Reach()
    var failed = Failures()
    private var endDoubt = EndDoubt()
    /// The sequence of a packet before which ordinals were missing. When it is met again through a
    /// new consumer at the position, the hole is on the tape itself.
    var suspect: UInt64?

    package enum State: Hashable, Sendable {
        /// Next: `opening`.
        case closed
        /// The stream's description is requested, immediately or at the given time. Next:
        /// `creating`.
        case opening(retryAt: MonotonicTime?)
        /// The consumer is being made. Next: `verifying`, `reading`, after a failure `opening`.
        case creating
        /// The next packet must be the position's. Next: `reading`, `stopped`, `opening` (a doubt).
        case verifying
        /// Packets are delivered. Next: `shared`, `stopped`, `opening` (a doubt).
        case reading
        /// Packets come from a consumer that other lanes share (`share`). Next: `stopped`,
        /// `opening` (a doubt, or the lane leaves).
        case shared
        /// Continuing would skip or double something, so a person has to check. Next: `closed`.
        case stopped(ReaderProblem)
    }

    /// The decision about a packet.
    package enum Verdict: Hashable, Sendable {
        /// Hand the packet to the reader.
        case deliver
        /// It is the packet of the position, of an older consumer, or the cause of a doubt or stop.
        case ignore
    }

    /// The place where a consumer begins.
    package enum Start: Hashable, Sendable {
        case first
        case sequence(UInt64)
        /// The first packet that was stored at this time or later.
        case time(Timestamp)
        /// After everything that is stored.
        case end
    }

    package init() {}

    /// Whether a packet has come that needs a pull of `largePullBytes`. The next consumer begins
    /// with the usual ones.
    package var pullsAreLarge: Bool { sizeRefusals >= Self.sizeRefusalsMax }

    /// Whether packets are accepted now.
    package var isReading: Bool { state == .reading || state == .shared }

    /// When `timePassed` is needed next; `nil` while nothing depends on the time.
    package var deadline: MonotonicTime? {
        switch state {
        case .opening(let retryAt): return retryAt
        case .verifying, .reading, .creating: return lastReceived + Self.stallNanosecondsMax
        case .closed, .shared, .stopped: return nil
        }
    }

    /// True when the server should have sent something by the deadline.
    package var awaitsServer: Bool {
        switch state {
        case .creating, .verifying, .reading: true
        case .closed, .opening, .shared, .stopped: false
        }
    }

    // MARK: opening

    /// Opens at a position, or without one where `start` says. A position with sequence 0 has no
    /// packet, so reading also begins at the tape's start. But it has the ordinals that were read
    /// of its sources before, so that those which the tape no longer holds are a hole. A lane that
    /// begins at the end is raw, because its reader needs only new packets.
    package mutating func open(
        at position: TapePosition? = nil, from start: Start = .first, isRaw: Bool = false,
        into effects: inout [Effect]
    ) {
        guard state == .closed else { return }
        self.position = position
        if mayBeLetGo { letGo = LettingGo(position) }
        self.isRaw = isRaw || start == .end
        beginning = start
        streamSequence = 0
        state = .opening(retryAt: nil)
        effects.append(.readStream)
    }

    /// Stops reading. Later deliveries are ignored. `open` may follow.
    package mutating func close() {
        consumerNumber += 1
        suspect = nil
        endDoubt.end()
        state = .closed
    }

    /// Handles the server's description of the stream.
    package mutating func streamRead(
        _ stream: StreamBounds, now: MonotonicTime, into effects: inout [Effect]
    ) {
        guard case .opening = state else { return }
        if let problem = problem(with: stream) {
            judge(problem, stream, now: now, into: &effects)
            return
        }
        streamCreated = stream.created
        letGo.isProven = position.map { $0.sequence < stream.firstSequence } ?? false
        endDoubt.end()
        consumerNumber += 1
        pulls = []
        sizeRefusals = 0
        nextConsumerSequence = 1
        reach = Reach(streamEnd: stream.lastSequence, isReplicated: stream.isReplicated)
        lastReceived = now
        state = .creating
        effects.append(.createConsumer(consumerNumber: consumerNumber, start: start))
    }

    /// Stops because of the problem. But a stream that ends before the position is read again first
    /// (`EndDoubt`): the answer may come from a leader that has not applied all of its log yet.
    private mutating func judge(
        _ problem: ReaderProblem, _ stream: StreamBounds, now: MonotonicTime,
        into effects: inout [Effect]
    ) {
        guard case .positionAboveEnd(let sequence, let last) = problem else {
            return stop(problem, into: &effects)
        }
        let isNew = !endDoubt.isThere
        guard !endDoubt.isBelieved(isReplicated: stream.isReplicated, now: now) else {
            return stop(problem, into: &effects)
        }
        if isNew { effects.append(.doubted(.endsEarly(position: sequence, last: last))) }
        retry(now: now)
    }

    /// Where the next consumer begins.
    private var start: Start {
        if let position { return position.hasPacket ? .sequence(position.sequence) : .first }
        return streamSequence > 0 && beginning != .end ? .sequence(streamSequence + 1) : beginning
    }

    /// Returns why reading cannot continue in this stream, or `nil` when it can.
    private func problem(with stream: StreamBounds) -> ReaderProblem? {
        guard position != nil || streamSequence > 0 && beginning != .end else { return nil }
        let created = position?.streamCreated ?? streamCreated
        let sequence = position?.sequence ?? streamSequence
        if created.isDefined, stream.created != created {
            return .streamRecreated(was: created, is: stream.created)
        }
        if sequence > stream.lastSequence {
            return .positionAboveEnd(sequence: sequence, last: stream.lastSequence)
        }
        // Without a packet there, or in a raw lane, nothing is proven.
        if sequence > 0, sequence < stream.firstSequence, !isRaw, !mayBeLetGo {
            return .positionBelowStart(sequence: sequence, first: stream.firstSequence)
        }
        return nil
    }

    /// Handles a failed request for the stream or the consumer; it is tried again.
    package mutating func openFailed(now: MonotonicTime) {
        switch state {
        case .opening, .creating:
            endDoubt.end()
            retry(now: now)
        case .closed, .verifying, .reading, .shared, .stopped: return
        }
    }

    /// Opens again after a wait, which doubles with each failure.
    private mutating func retry(now: MonotonicTime) {
        failed.opens = min(failed.opens + 1, 16)
        state = .opening(retryAt: now + Failures.wait(failed.opens))
    }

    /// Handles the server's answer that the consumer exists.
    package mutating func consumerCreated(
        consumerNumber: UInt64, now: MonotonicTime, into effects: inout [Effect]
    ) {
        guard consumerNumber == self.consumerNumber, state == .creating else { return }
        failed.opens = 0
        lastReceived = now
        state = position?.hasPacket ?? false ? .verifying : .reading
        fillPulls(into: &effects)
    }

    /// Opens pulls up to their maximum.
    private mutating func fillPulls(into effects: inout [Effect]) {
        while pulls.count < (pullsAreLarge ? 1 : Self.pullsMax) {
            pullNumber += 1
            pulls.append(
                Pull(
                    number: pullNumber, remaining: Self.pullMessages,
                    hasHeartbeats: !pulls.contains(where: \.hasHeartbeats)))
            effects.append(.pull(consumerNumber: consumerNumber, number: pullNumber))
        }
    }

    // MARK: reading

    /// Handles a packet whose checksum is right. `deliver` moves the position onto it.
    package mutating func packet(
        _ header: PacketHeader, _ delivery: Delivery, now: MonotonicTime,
        into effects: inout [Effect]
    ) -> Verdict {
        guard isNext(delivery, now: now, into: &effects) else { return .ignore }
        if isRaw { return .deliver }
        if state == .verifying, verify(header, delivery, into: &effects) { return .ignore }
        return take(header, delivery, now: now, into: &effects) ? .deliver : .ignore
    }

    /// Handles a message of a raw lane that is no packet.
    package mutating func message(
        _ delivery: Delivery, now: MonotonicTime, into effects: inout [Effect]
    ) -> Verdict {
        isNext(delivery, now: now, into: &effects) ? .deliver : .ignore
    }

    /// Returns whether it is the number of the lane's consumer, and not of one that was given up.
    private func isOpen(_ consumer: UInt64) -> Bool {
        consumer == consumerNumber && (state == .reading || state == .verifying)
    }

    /// Returns whether it is the next delivery of the present consumer. A missing one is a doubt.
    private mutating func isNext(
        _ delivery: Delivery, now: MonotonicTime, into effects: inout [Effect]
    ) -> Bool {
        guard isOpen(delivery.consumerNumber) else { return false }
        lastReceived = now
        if !pullsAreLarge { sizeRefusals = 0 }
        used(into: &effects)
        guard delivery.consumerSequence == nextConsumerSequence else {
            doubt(
                .missedDelivery(
                    expected: nextConsumerSequence, found: delivery.consumerSequence),
                now: now, into: &effects)
            return false
        }
        nextConsumerSequence += 1
        reach.delivered(delivery)
        if isRaw {
            failed.doubts = 0
            streamSequence = delivery.sequence
        }
        return true
    }

    /// Handles a message that is no packet, for an owner that cannot skip it: the reader stops.
    package mutating func undecodable(
        _ error: PacketError, _ delivery: Delivery, into effects: inout [Effect]
    ) {
        guard isOpen(delivery.consumerNumber) else { return }
        stop(.undecodable(sequence: delivery.sequence, error), into: &effects)
    }

    /// Counts a message of the oldest pull, and replaces the pull when it is used up. The server
    /// serves open pulls in turn, so the pulls end a few messages after they are replaced here.
    private mutating func used(into effects: inout [Effect]) {
        guard let first = pulls.indices.first else { return }
        pulls[first].remaining -= 1
        if pulls[first].remaining <= 0 {
            pulls.remove(at: first)
            fillPulls(into: &effects)
        }
    }

    // MARK: other messages of the server

    /// Handles a status message on the inbox of a pull.
    package mutating func status(
        _ code: Int, _ description: String, pull: UInt64, consumerNumber: UInt64,
        now: MonotonicTime,
        into effects: inout [Effect]
    ) {
        guard isOpen(consumerNumber) else { return }
        lastReceived = now
        switch code {
        // A heartbeat.
        case 100: failed.doubts = 0
        // The pull has expired.
        case 404, 408: ended(pull, into: &effects)
        case 409 where PullEnd.batchCompleted.isSaid(by: description):
            ended(pull, into: &effects)
        case 409 where PullEnd.bytesExceeded.isSaid(by: description):
            if !pullsAreLarge, pulls.contains(where: { $0.number == pull }) { sizeRefusals += 1 }
            ended(pull, into: &effects)
        default: doubt(.refusedPull(code: code, description), now: now, into: &effects)
        }
    }

    /// Replaces a pull that has ended.
    private mutating func ended(_ pull: UInt64, into effects: inout [Effect]) {
        pulls.removeAll { $0.number == pull }
        fillPulls(into: &effects)
    }

    /// Handles a connection that was lost and is back.
    package mutating func reconnected(now: MonotonicTime, into effects: inout [Effect]) {
        switch state {
        case .creating, .verifying, .reading, .shared:
            doubt(.reconnected, now: now, into: &effects)
        case .opening:
            endDoubt.end()
            state = .opening(retryAt: nil)
            effects.append(.readStream)
        case .closed, .stopped: return
        }
    }

    /// Call this at the deadline or later.
    package mutating func timePassed(now: MonotonicTime, into effects: inout [Effect]) {
        switch state {
        case .opening(let retryAt?) where now >= retryAt:
            state = .opening(retryAt: nil)
            effects.append(.readStream)
        case .creating where now >= lastReceived + Self.stallNanosecondsMax,
            .verifying where now >= lastReceived + Self.stallNanosecondsMax,
            .reading where now >= lastReceived + Self.stallNanosecondsMax:
            doubt(.stalled, now: now, into: &effects)
        case .closed, .opening, .creating, .verifying, .reading, .shared, .stopped: return
        }
    }

    /// Gives up the consumer and opens again at the position. When doubts follow each other without
    /// a correct message between them, the wait grows.
    mutating func doubt(
        _ doubt: ReaderDoubt, now: MonotonicTime, into effects: inout [Effect]
    ) {
        effects.append(.doubted(doubt))
        consumerNumber += 1
        lastReceived = now
        switch doubt {
        case .reconnected, .stalled, .endsEarly: break
        case .missedDelivery, .missingOrdinals, .refusedPull:
            failed.doubts = min(failed.doubts + 1, 16)
            if failed.doubts > 1 {
                state = .opening(retryAt: now + Failures.wait(failed.doubts - 1))
                return
            }
        }
        state = .opening(retryAt: nil)
        effects.append(.readStream)
    }

    /// Stops until the owner closes the lane: a person has to check the tape.
    mutating func stop(_ problem: ReaderProblem, into effects: inout [Effect]) {
        state = .stopped(problem)
        effects.append(.stopped(problem))
    }
}
