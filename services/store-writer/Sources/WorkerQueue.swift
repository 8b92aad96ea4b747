import MarketModel
import Membership
import Primitives
import ServiceRuntime
import Synchronization

/// The last report of a worker about a partition.
struct PartitionView: Sendable {
    let partition: Partition
    /// The tenure of the order by which it was taken.
    let tenure: UInt64
    /// Whether it is this process's; false when the database shows another owner.
    let isOwn: Bool
    /// The number of the reading that its claim began; `nil` when it must not be read.
    let reading: UInt64?
    /// The positions of its inputs, as last committed.
    let stored: [SinkPosition?]
}

/// The connection between the intake and one worker. It carries packets and orders to the worker,
/// and views of the partitions back.
///
/// Any thread may call it, and only `wait` blocks. It is bounded: packets by the queue's limits,
/// orders by `ordersMax`, and views by the number of partitions, because only the latest of each is
/// kept.
final class WorkerQueue: Sendable {
    typealias Packets = PacketQueue<QueuedPacket>
    /// Called when a mark is passed, on the thread that passed it, outside of the lock.
    typealias OnMark = @Sendable (_ worker: Int, _ mark: Packets.Mark) -> Void

    /// The state of a queue at one moment.
    struct Waiting: Sendable {
        let packets: Int
        let rows: Int
        let bytes: Int
        let oldest: Int64?
        let isHigh: Bool
        /// Since when it is high, in monotonic nanoseconds; `nil` when it is not.
        let highSince: Int64?
    }

    /// The maximum number of orders. The port holds at most eight reports per partition, so one
    /// turn brings fewer.
    static let ordersMax = 512

    private struct State {
        var packets: Packets
        var highSince: Int64?
        var orders: [OwnershipOrder] = []
        var stopped: [Int] = []
        var views: [Partition: PartitionView] = [:]
    }

    let number: Int
    let limits: Packets.Limits
    private let overflow: OverflowPolicy
    /// The number of rows from which on the worker has something to do immediately.
    private let batchRows: Int
    private let onMark: OnMark
    private let state: Mutex<State>
    private let wakes = Mailbox<Void>(capacity: 1)
    private let clock = SystemClock()

    init(
        _ number: Int, limits: Packets.Limits, overflow: OverflowPolicy, batchRows: Int,
        onMark: @escaping OnMark
    ) {
        self.number = number
        self.limits = limits
        self.overflow = overflow
        self.batchRows = batchRows
        self.onMark = onMark
        state = Mutex(State(packets: Packets(limits)))
    }

    /// Changes the waiting packets, and calls `onMark` when that passes a mark.
    private func change<Result: Sendable>(
        _ body: (inout State) -> Result
    ) -> (result: Result, wasEmpty: Bool, before: Int, after: Int) {
        let (result, mark, wasEmpty, before, after) = state.withLock { state in
            let (wasHigh, wasEmpty, before) = (
                state.packets.isHigh, state.packets.isEmpty, state.packets.rows
            )
            let result = body(&state)
            let isHigh = state.packets.isHigh
            let mark: Packets.Mark? = isHigh == wasHigh ? nil : (isHigh ? .high : .low)
            if mark != nil { state.highSince = isHigh ? clock.monotonic().nanoseconds : nil }
            return (result, mark, wasEmpty, before, state.packets.rows)
        }
        if let mark { onMark(number, mark) }
        return (result, wasEmpty, before, after)
    }

    // MARK: the intake

    func offer(_ packet: QueuedPacket, now: Int64) -> Packets.Admission {
        let drops = overflow == .drop
        let change = change { $0.packets.offer(packet, drops: drops, now: now) }
        let isDue =
            change.result == .refused || change.before < batchRows && change.after >= batchRows
        if change.wasEmpty || isDue { wake() }
        return change.result
    }

    var hasRoomForOrders: Bool { state.withLock { $0.orders.count < Self.ordersMax / 2 } }

    /// Sends an order. Call it only while `hasRoomForOrders`, and for no more orders than a port
    /// holds.
    func send(_ order: OwnershipOrder) {
        state.withLock { $0.orders.append(order) }
        wake()
    }

    /// Lets the worker check the rows of inputs whose readers have stopped, because the rows may
    /// have changed.
    func checkRows(of inputs: [Int]) {
        state.withLock { $0.stopped = inputs }
        wake()
    }

    /// Appends the views since the last call.
    func takeViews(into views: inout [PartitionView]) {
        state.withLock { state in
            views.append(contentsOf: state.views.values)
            state.views.removeAll(keepingCapacity: true)
        }
    }

    /// Removes the packets of these inputs that are of another reading.
    func remove(inputs: [Int], otherThan reading: UInt64?) {
        _ = change { state in
            state.packets.remove { inputs.contains($0.input) && $0.reading != reading }
        }
    }

    /// Wakes the worker, because something has changed.
    func wake() {
        // If the mailbox is full, the worker wakes up anyway.
        _ = wakes.send(())
    }

    // MARK: the worker

    func takeOrders(into orders: inout [OwnershipOrder]) {
        state.withLock { state in
            orders.append(contentsOf: state.orders)
            state.orders.removeAll(keepingCapacity: true)
        }
    }

    func takeStopped() -> [Int] {
        state.withLock { state in
            defer { state.stopped = [] }
            return state.stopped
        }
    }

    /// Takes packets. Those of the inputs `left` stay.
    func take(
        _ portion: Packets.Portion, leaving left: Set<Int>, into packets: inout [QueuedPacket]
    ) {
        let taken = change { state in
            var taken: [QueuedPacket] = []
            state.packets.take(portion, leaving: { left.contains($0.input) }, into: &taken)
            return taken
        }
        packets.append(contentsOf: taken.result)
    }

    func holdsPackets(of inputs: Set<Int>) -> Bool {
        state.withLock { $0.packets.contains { inputs.contains($0.input) } }
    }

    /// Removes all packets. They will be read again.
    func removeAll() { _ = change { $0.packets.remove { _ in true } } }

    func show(_ view: PartitionView) { state.withLock { $0.views[view.partition] = view } }

    /// Waits for a wake, at most for `time`.
    func wait(_ time: Duration) {
        var received: [Void] = []
        _ = wakes.receive(into: &received, max: 1, timeout: time)
    }

    // MARK: any thread

    var waiting: Waiting {
        state.withLock { state in
            Waiting(
                packets: state.packets.count, rows: state.packets.rows, bytes: state.packets.bytes,
                oldest: state.packets.oldest, isHigh: state.packets.isHigh,
                highSince: state.highSince)
        }
    }
}
