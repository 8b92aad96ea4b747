public import MarketModel
public import Membership
internal import ServiceRuntime
internal import Synchronization

/// A data-plane thread's end of its process's membership in a group.
///
/// The membership's thread sends orders for the port's partitions and wakes the data plane; that
/// takes them, and answers. Nothing here blocks.
public final class OwnershipPort: Sendable {
    /// The partitions that this thread works on when they are the process's own.
    public let partitions: Set<Partition>
    private let orders: Mailbox<OwnershipOrder>
    private let news: Mailbox<OwnershipNews>
    private let wake: @Sendable () -> Void
    private let wakeMembership = Mutex<(@Sendable () -> Void)?>(nil)
    /// Monotonic; until then the process heard itself recently enough to act as an owner.
    private let steadyUntil = Atomic<Int64>(.min)

    /// Words that wait per partition: a take, a release and a drop of one tenure, and the next
    /// take. A data plane that is slower than this is told the rest when it has caught up.
    private static let wordsPerPartition = 8

    /// `wake` is called after each order, on the membership's thread, and must not block.
    public init(partitions: [Partition], wake: @escaping @Sendable () -> Void) {
        self.partitions = Set(partitions)
        let capacity = max(1, partitions.count) * Self.wordsPerPartition
        orders = Mailbox(capacity: capacity)
        news = Mailbox(capacity: capacity)
        self.wake = wake
    }

    /// Shows how many orders and answers wait.
    func show(in metrics: MetricRegistry, group: GroupName) {
        metrics.watch(orders, as: "orders.\(group)")
        metrics.watch(news, as: "answers.\(group)")
    }

    // MARK: the data plane

    /// Appends the orders that came since the last call.
    public func take(into buffer: inout [OwnershipOrder]) {
        _ = orders.receive(into: &buffer, max: orders.capacity, timeout: .zero)
    }

    /// False: there are too many that nobody has taken yet; tell it again.
    @discardableResult
    public func tell(_ word: OwnershipNews) -> Bool {
        let isIn = news.send(word)
        wakeMembership.withLock { $0 }?()
        return isIn
    }

    /// Whether the process may still act as the owner of what it holds. False after it did not hear
    /// itself for a lease, even when it was stopped meanwhile and has just been woken: others may
    /// have taken over. `now` is monotonic. One atomic load.
    public func isSteady(now: Int64) -> Bool { now < steadyUntil.load(ordering: .relaxed) }

    /// Until when `isSteady` holds if nothing more is heard: for a data plane of several threads,
    /// of which one takes the orders.
    public var steadyUntilNow: Int64 { steadyUntil.load(ordering: .relaxed) }

    // MARK: the membership

    /// False: there are too many that the data plane has not taken yet; send it again.
    public func send(_ order: OwnershipOrder) -> Bool {
        let isIn = orders.send(order)
        wake()
        return isIn
    }

    public func steady(until time: Int64) { steadyUntil.store(time, ordering: .relaxed) }

    /// Appends what the data plane said since the last call.
    public func hear(into buffer: inout [OwnershipNews]) {
        _ = news.receive(into: &buffer, max: news.capacity, timeout: .zero)
    }

    /// Called on the data plane's thread after each word; must not block.
    public func onNews(_ wake: (@Sendable () -> Void)?) { wakeMembership.withLock { $0 = wake } }
}
