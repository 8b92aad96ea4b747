public import Primitives
public import MarketModel
public import ServiceRuntime
internal import Synchronization

/// The queue between a provider's thread and the thread that puts its records on the tape.
///
/// It is bounded: a provider that is ahead waits, and so does its server. Batches are exchanged, so
/// the lock is taken per batch and not per tick. Any thread may send; one thread receives.
public final class ProviderChannel: BoundedQueue {
    private struct State {
        var records: [ProviderRecord] = []
        /// The highest floor that was sent; undefined: none was.
        var floor = Timestamp.undefined
        /// The receiver takes nothing more.
        var isClosed = false
        /// The provider sends nothing more.
        var isFinished = false
    }

    /// The floor of a provider that is at its end while its market's time goes on.
    public static let endlessFloor = Timestamp(nanoseconds: Int64.max - 1)

    /// Records that wait at once; a batch is let in as long as fewer wait.
    public let recordsMax: Int
    private let state: Mutex<State>
    /// The number of waiting records, for a receiver that nearly always finds 0 and should not need
    /// the lock.
    private let waiting = Atomic(0)
    /// Something was sent since the last `receive`.
    private let stirred = Atomic(false)
    /// The gateway's time minus the monotonic clock; `Int64.min`: not known yet.
    private let clockOffset = Atomic(Int64.min)
    /// The provider's last report about its clock; `Int64.min`: none, or it was taken.
    private let clockAhead = Atomic(Int64.min)

    public init(recordsMax: Int = ProviderLimits.channelRecordsMax) {
        precondition(recordsMax > 0)
        self.recordsMax = recordsMax
        state = Mutex(State())
    }

    /// What became of a batch.
    public enum Outcome: Sendable {
        case sent
        /// The batch is unchanged: the receiver has to catch up first.
        case full
        /// The receiver has closed the channel.
        case closed
    }

    // MARK: the provider's side

    /// Hands the batch over, which comes back empty. `floor`: no later live record of this provider
    /// has an earlier event time; undefined: the floor is unchanged. Never blocks.
    public func send(_ batch: inout [ProviderRecord], floor: Timestamp) -> Outcome {
        let count = batch.count
        let outcome = state.withLock { state -> Outcome in
            guard !state.isClosed else { return .closed }
            guard batch.isEmpty || state.records.count < recordsMax else { return .full }
            if state.records.isEmpty {
                swap(&state.records, &batch)
            } else {
                state.records.append(contentsOf: batch)
            }
            if floor.isDefined {
                state.floor = state.floor.isDefined ? max(state.floor, floor) : floor
            }
            return .sent
        }
        guard case .sent = outcome else { return outcome }
        batch.removeAll(keepingCapacity: true)
        if count > 0 { waiting.add(count, ordering: .releasing) }
        stirred.store(true, ordering: .releasing)
        return .sent
    }

    /// Nothing more will come, because the provider has ended by itself: a recording is at its end.
    public func finish() {
        state.withLock { $0.isFinished = true }
        stirred.store(true, ordering: .releasing)
    }

    /// Returns the present time according to the gateway; providers use it for receive times. A
    /// step of this host's wall clock changes it only when the gateway has found the new time to be
    /// right.
    public func moment() -> Moment {
        let clock = SystemClock()
        let monotonic = clock.monotonic()
        let offset = clockOffset.load(ordering: .relaxed)
        return Moment(
            wall: offset == Int64.min
                ? clock.now() : Timestamp(nanoseconds: monotonic.nanoseconds &+ offset),
            monotonic: monotonic)
    }

    /// Reports the provider's time: its clock is certainly this many nanoseconds ahead of `moment`
    /// (late, if negative).
    public func report(clockAhead nanoseconds: Int64) {
        clockAhead.store(max(nanoseconds, Int64.min + 1), ordering: .relaxed)
    }

    /// The number of records that were sent and not received.
    public var count: Int { waiting.load(ordering: .acquiring) }

    public var capacity: Int { recordsMax }

    /// A record or a floor has come since the last `receive`.
    public var isStirred: Bool { stirred.load(ordering: .acquiring) }

    /// Everything was received, and no more will come.
    public var isFinished: Bool { state.withLock { $0.isFinished && $0.records.isEmpty } }

    /// The receiver takes nothing more.
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    // MARK: the one receiver

    /// Takes everything that waits into `records`, which has to be empty. Returns the floor that is
    /// valid when all of them are on the tape; undefined: the provider has not reported one yet.
    public func receive(into records: inout [ProviderRecord]) -> Timestamp {
        precondition(records.isEmpty, "what was received before has not been taken yet")
        stirred.store(false, ordering: .relaxed)
        let floor = state.withLock { state in
            swap(&state.records, &records)
            return state.floor
        }
        if !records.isEmpty { waiting.subtract(records.count, ordering: .relaxed) }
        return floor
    }

    /// Sets the gateway's time, as its distance from the monotonic clock.
    public func follow(clockOffset nanoseconds: Int64) {
        clockOffset.store(nanoseconds, ordering: .relaxed)
    }

    /// Returns the provider's last report about its clock; `nil` when none came since the last
    /// call.
    public func takeClockAhead() -> Int64? {
        guard clockAhead.load(ordering: .relaxed) != Int64.min else { return nil }
        let ahead = clockAhead.exchange(Int64.min, ordering: .relaxed)
        return ahead == Int64.min ? nil : ahead
    }

    /// Accepts nothing more. What was sent can still be received.
    public func close() { state.withLock { $0.isClosed = true } }
}
