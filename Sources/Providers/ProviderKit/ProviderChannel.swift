public import Primitives
public import MarketModel
public import ServiceRuntime
internal import Synchronization

/// The queue between a provider's threads and the gateway's thread, which puts the records onto the
/// tape.
///
/// It is bounded: a provider that sends faster than the gateway takes has to wait, and so does its
/// server. Batches are exchanged, so the lock is taken per batch and not per tick. Any thread may
/// send; one thread receives.
///
/// With each batch the provider may report its *floor*: none of its later live records has an
/// earlier event time. Floors never go back.
public final class ProviderChannel: BoundedQueue {
    private struct State {
        var records: [ProviderRecord] = []
        /// The highest floor that was sent; undefined before the first one.
        var floor = Timestamp.undefined
        /// Whether the receiver accepts nothing more.
        var isClosed = false
        /// Whether the provider has ended by itself and sends nothing more.
        var isFinished = false
        /// Wakes the receiver; `nil` when it does not sleep.
        var wake: (@Sendable () -> Void)?
    }

    /// The floor of a provider that sends nothing more, but whose market's time continues: the
    /// watermark then follows the gateway's clock. It is the largest defined time.
    public static let endlessFloor = Timestamp(nanoseconds: Int64.max - 1)

    /// A batch is accepted as long as fewer records than this wait. So one more batch may wait
    /// beyond it.
    public let recordsMax: Int
    private let state: Mutex<State>
    /// The number of waiting records, never negative. It can be read without the lock, because the
    /// receiver asks for it often and nearly always finds 0.
    private let waiting = Atomic(0)
    /// Whether something was sent since the last `receive`.
    private let stirred = Atomic(false)
    /// The gateway's time minus the monotonic clock, in nanoseconds; `Int64.min` until it is known.
    private let clockOffset = Atomic(Int64.min)
    /// The provider's last report of how far its clock is ahead, in nanoseconds; `Int64.min` when
    /// there is none, or it was taken.
    private let clockAhead = Atomic(Int64.min)

    public init(recordsMax: Int = ProviderLimits.channelRecordsMax) {
        precondition(recordsMax > 0)
        self.recordsMax = recordsMax
        state = Mutex(State())
    }

    /// What became of a batch.
    public enum Outcome: Sendable {
        case sent
        /// The batch is unchanged: there is no room. The provider has to send it again later.
        case full
        /// The receiver has closed the channel, because the provider is being stopped.
        case closed
    }

    // MARK: the provider's side

    /// Hands the batch over, which comes back empty. `floor` is the provider's floor after the
    /// batch; undefined: it is unchanged. An empty batch only reports the floor. Never blocks.
    public func send(_ batch: inout [ProviderRecord], floor: Timestamp) -> Outcome {
        let count = batch.count
        var wake: (@Sendable () -> Void)?
        let outcome = state.withLock { state -> Outcome in
            guard !state.isClosed else { return .closed }
            guard batch.isEmpty || state.records.count < recordsMax else { return .full }
            // A receiver that was woken for records takes the later ones with them.
            if state.records.isEmpty, count > 0 { wake = state.wake }
            if state.records.isEmpty {
                swap(&state.records, &batch)
            } else {
                state.records.append(contentsOf: batch)
            }
            if floor.isDefined {
                state.floor = state.floor.isDefined ? max(state.floor, floor) : floor
            }
            // Inside of the lock: otherwise the receiver could subtract the records before.
            if count > 0 { waiting.add(count, ordering: .releasing) }
            return .sent
        }
        guard case .sent = outcome else { return outcome }
        batch.removeAll(keepingCapacity: true)
        stirred.store(true, ordering: .releasing)
        wake?()
        return .sent
    }

    /// Reports that nothing more will come, because the provider has ended by itself, as at the end
    /// of a recording.
    public func finish() {
        let wake = state.withLock { state in
            state.isFinished = true
            return state.wake
        }
        stirred.store(true, ordering: .releasing)
        wake?()
    }

    /// Returns the present time by the gateway's clock; providers use it for receive times. After a
    /// step of this host's wall clock it continues as before, unless the gateway has found the new
    /// time to be right.
    public func moment() -> Moment {
        let clock = SystemClock()
        let monotonic = clock.monotonic()
        let offset = clockOffset.load(ordering: .relaxed)
        return Moment(
            wall: offset == Int64.min
                ? clock.now() : Timestamp(nanoseconds: monotonic.nanoseconds &+ offset),
            monotonic: monotonic)
    }

    /// Reports how far the provider's clock is ahead of `moment` (negative: late), in nanoseconds,
    /// as far as that is certain; 0 when both clocks may agree.
    public func report(clockAhead nanoseconds: Int64) {
        clockAhead.store(max(nanoseconds, Int64.min + 1), ordering: .relaxed)
    }

    /// The number of records that were sent and not received.
    public var count: Int { waiting.load(ordering: .acquiring) }

    /// `recordsMax`, for the metrics of queues.
    public var capacity: Int { recordsMax }

    /// Whether something was sent since the last `receive`, which may be a floor alone.
    public var isStirred: Bool { stirred.load(ordering: .acquiring) }

    /// Whether the provider has ended by itself and everything was received.
    public var isFinished: Bool { state.withLock { $0.isFinished && $0.records.isEmpty } }

    /// Whether the receiver accepts nothing more.
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    // MARK: the one receiver

    /// Moves everything that waits into `records`, which has to be empty. Returns the floor that is
    /// valid when the receiver has taken all of them; undefined: the provider has not reported one
    /// yet.
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

    /// From now on `wake` is called when records come into an empty channel, and when the provider
    /// has ended. It runs on the provider's thread and must not block. A floor alone does not wake:
    /// the receiver takes it when it needs a watermark.
    package func onRecords(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { $0.wake = wake }
    }

    /// Sets the gateway's time for `moment`: its time minus the monotonic clock.
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

    /// Accepts nothing more from the provider. What was sent can still be received.
    public func close() { state.withLock { $0.isClosed = true } }
}
