import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import Synchronization

/// The latest report of a worker about a partition, for the intake.
struct PartitionView: Sendable {
    let partition: Partition
    /// The tenure of the order by which it was taken.
    let tenure: UInt64
    /// Whether this process still owns it; false when the database shows another owner.
    let isOwn: Bool
    /// The number of the reading that the last claim began; `nil` when the partition must not be
    /// read, because it is not claimed in the present session of the database.
    let reading: UInt64?
    /// The positions of its inputs (ticks, then bars) in the database, as last committed; `nil`
    /// when it was not claimed in this tenure.
    let stored: [SinkPosition?]
}

/// The connection between the intake and one worker. It carries packets and orders to the worker,
/// and views of the partitions back.
///
/// The *intake* is the thread that reads the tape. A *worker* is a thread that writes to the
/// database. An *input* is the ticks or the bars of a partition, by its number (`InputNumber`). A
/// *reading* is the time in which a partition is read from one claim on; its number is unique in
/// the worker, and packets of an earlier reading are ignored. The *rows* of a packet are its
/// records whose tables are switched on (STORE_TABLES): each one makes at most one row. A packet
/// without any is *rowless*, and only its position has to be written. That is worth no transaction
/// of its own for a while, so it neither fills a batch nor wakes the worker.
///
/// Any thread may call it, and only `wait` blocks. It is bounded: packets by the queue's limits,
/// orders by `ordersMax`, and views by the number of partitions, because only the latest of each is
/// kept.
final class WorkerQueue: Sendable {
    typealias Packets = PacketQueue<QueuedPacket>
    /// Called when the queue becomes high or is no longer high, on the thread whose call changed
    /// that, outside of the lock.
    typealias OnMark = @Sendable (_ worker: Int, _ mark: Packets.Mark) -> Void

    /// The state of a queue at one moment.
    struct Waiting: Sendable {
        let packets: Int
        let rows: Int
        let bytes: Int
        /// When the oldest packet with rows, or dropped packet, came; `nil` when there is none.
        let oldest: MonotonicTime?
        /// When the oldest other packet came; `nil` when there is none.
        let oldestSkipped: MonotonicTime?
        /// Whether the high mark was passed, and the low mark was not reached since.
        let isHigh: Bool
        /// Since when it is high; `nil` when it is not.
        let highSince: MonotonicTime?
    }

    /// While this number of orders wait, the intake takes no more from the membership's port.
    static let ordersWaitingMax = 256

    private struct State {
        var packets: Packets
        /// Since when the queue is high; `nil` when it is not.
        var highSince: MonotonicTime?
        /// The orders that the worker has not taken yet.
        var orders: [OwnershipOrder] = []
        /// Inputs whose positions in the database the worker has to check.
        var inputsToCheck: [Int] = []
        /// The views that the intake has not taken yet.
        var views: [Partition: PartitionView] = [:]
    }

    /// The number of the worker, counted from 0.
    let number: Int
    let limits: Packets.Limits
    /// The most orders that wait: `ordersWaitingMax`, and those of one turn of the intake, which
    /// takes all that the port holds.
    let ordersMax: Int
    private let overflow: OverflowPolicy
    /// The number of waiting rows at which the worker writes without waiting for more.
    private let batchRows: Int
    private let onMark: OnMark
    private let state: Mutex<State>
    /// Holds one element when the worker has to wake up.
    private let wakes = Mailbox<Void>(capacity: 1)
    private let clock = SystemClock()

    init(
        _ number: Int, limits: Packets.Limits, partitions: Int, overflow: OverflowPolicy,
        batchRows: Int, onMark: @escaping OnMark
    ) {
        self.number = number
        self.limits = limits
        ordersMax = Self.ordersWaitingMax + OwnershipPort.capacity(partitions: partitions)
        self.overflow = overflow
        self.batchRows = batchRows
        self.onMark = onMark
        state = Mutex(State(packets: Packets(limits)))
    }

    /// Changes the waiting packets, and calls `onMark` when that passes a mark. Returns the result
    /// of `body`, the mark, whether nothing was worth a transaction before, and the number of rows
    /// before and after.
    private func change<Result: Sendable>(
        _ body: (inout State) -> Result
    ) -> (result: Result, mark: Packets.Mark?, wasIdle: Bool, before: Int, after: Int) {
        let (result, mark, wasIdle, before, after) = state.withLock { state in
            let (wasHigh, wasIdle, before) = (
                state.packets.isHigh, state.packets.oldest == nil, state.packets.rows
            )
            let result = body(&state)
            let isHigh = state.packets.isHigh
            let mark: Packets.Mark? = isHigh == wasHigh ? nil : (isHigh ? .high : .low)
            if mark != nil { state.highSince = isHigh ? clock.monotonic() : nil }
            return (result, mark, wasIdle, before, state.packets.rows)
        }
        if let mark { onMark(number, mark) }
        return (result, mark, wasIdle, before, after)
    }

    // MARK: the intake

    /// Adds a packet, if the queue has room. Without room it is dropped or refused, as the policy
    /// says; without `mayDrop` it is not dropped. `now` is when it came.
    func offer(
        _ packet: QueuedPacket, mayDrop: Bool = true, now: MonotonicTime
    ) -> Packets.Admission {
        let drops = overflow == .drop && mayDrop
        let change = change { $0.packets.offer(packet, drops: drops, now: now) }
        // The worker wakes up for the first packet with rows, for a full batch, and when the queue
        // becomes high or has no room: then it writes what waits, however little that is.
        let isFirst = change.wasIdle && (change.after > 0 || change.result == .dropped)
        let isDue =
            change.mark == .high || change.result == .refused
            || change.before < batchRows && change.after >= batchRows
        if isFirst || isDue { wake() }
        return change.result
    }

    /// Whether the queue is high, so that its readers are held.
    var isHigh: Bool { state.withLock { $0.packets.isHigh } }

    /// Whether the intake may take more orders from the port.
    var hasRoomForOrders: Bool { state.withLock { $0.orders.count < Self.ordersWaitingMax } }

    /// Sends an order. Call it for one taking from the port at a time, and only if
    /// `hasRoomForOrders` was true before that.
    func send(_ order: OwnershipOrder) {
        state.withLock { state in
            precondition(state.orders.count < ordersMax, "more than \(ordersMax) orders wait")
            state.orders.append(order)
        }
        wake()
    }

    /// Lets the worker check the positions in the database of inputs that wait for a person, who
    /// may have changed them. The list replaces the last one, because each call names all of them.
    func checkPositions(of inputs: [Int]) {
        state.withLock { $0.inputsToCheck = inputs }
        wake()
    }

    /// Appends the views since the last call, in any order.
    func takeViews(into views: inout [PartitionView]) {
        state.withLock { state in
            views.append(contentsOf: state.views.values)
            state.views.removeAll(keepingCapacity: true)
        }
    }

    /// Removes the packets of these inputs that are of another reading than this one; with `nil`,
    /// all packets of these inputs.
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

    /// Appends the orders since the last call.
    func takeOrders(into orders: inout [OwnershipOrder]) {
        state.withLock { state in
            orders.append(contentsOf: state.orders)
            state.orders.removeAll(keepingCapacity: true)
        }
    }

    /// Returns the inputs whose positions have to be checked, and forgets them.
    func takeInputsToCheck() -> [Int] {
        state.withLock { state in
            defer { state.inputsToCheck = [] }
            return state.inputsToCheck
        }
    }

    /// Takes packets up to the portion, and appends them. Packets of the inputs `kept` stay in the
    /// queue.
    func take(
        _ portion: Packets.Portion, leaving kept: Set<Int>, into packets: inout [QueuedPacket]
    ) {
        let taken = change { state in
            var taken: [QueuedPacket] = []
            state.packets.take(portion, leaving: { kept.contains($0.input) }, into: &taken)
            return taken
        }
        packets.append(contentsOf: taken.result)
    }

    /// Returns whether packets of any of these inputs wait.
    func holdsPackets(of inputs: Set<Int>) -> Bool {
        state.withLock { $0.packets.contains { inputs.contains($0.input) } }
    }

    /// Removes all packets, after the session with the database was lost. They are read again after
    /// the next claim.
    func removeAll() { _ = change { $0.packets.remove { _ in true } } }

    /// Sends a view to the intake, in place of the partition's last one.
    func show(_ view: PartitionView) { state.withLock { $0.views[view.partition] = view } }

    /// Waits for a wake, at most for `time`. Returns whether one came.
    @discardableResult
    func wait(_ time: Duration) -> Bool {
        var received: [Void] = []
        return wakes.receive(into: &received, max: 1, timeout: time) > 0
    }

    // MARK: any thread

    /// The present state of the queue.
    var waiting: Waiting {
        state.withLock { state in
            Waiting(
                packets: state.packets.count, rows: state.packets.rows, bytes: state.packets.bytes,
                oldest: state.packets.oldest, oldestSkipped: state.packets.oldestSkipped,
                isHigh: state.packets.isHigh, highSince: state.highSince)
        }
    }
}
