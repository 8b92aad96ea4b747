package import MarketModel
package import Membership
package import Primitives
internal import ServiceRuntime
internal import Synchronization

/// The port between a data-plane thread and its process's membership in a group.
///
/// The membership's thread sends orders for the port's partitions and wakes the data plane. The
/// data plane takes the orders and answers. Nothing here blocks.
package final class OwnershipPort: Sendable {
    /// The partitions that this thread works on when the process owns them.
    package let partitions: Set<Partition>
    private let orders: Mailbox<OwnershipOrder>
    private let answers: Mailbox<OwnershipAnswer>
    /// Whether orders, or answers, may wait. Threads look for them in each turn, and there are
    /// nearly always none, so that must not need a lock.
    private let hasOrders = Atomic<Bool>(false)
    private let hasAnswers = Atomic<Bool>(false)
    /// Wakes the data plane's thread.
    private let wake: @Sendable () -> Void
    /// Wakes the membership's thread; `nil` when there is none.
    private let wakeMembership = Mutex<(@Sendable () -> Void)?>(nil)
    /// Monotonic time until which the process may act as an owner, because it heard its own
    /// heartbeats recently enough.
    private let steadyUntil = Atomic<Int64>(.min)

    /// The room for orders per partition: a take, a release and a drop of one tenure, and the next
    /// take. A slower data plane gets the rest when it has caught up.
    private static let messagesPerPartition = 8

    /// Returns the most orders, and the most answers, that wait in a port of this many partitions.
    package static func capacity(partitions: Int) -> Int {
        max(1, partitions) * messagesPerPartition
    }

    /// `wake` is called after each order, on the membership's thread, and must not block.
    package init(partitions: [Partition], wake: @escaping @Sendable () -> Void) {
        self.partitions = Set(partitions)
        let capacity = Self.capacity(partitions: partitions.count)
        orders = Mailbox(capacity: capacity)
        answers = Mailbox(capacity: capacity)
        self.wake = wake
    }

    /// Shows how many orders and answers wait.
    func show(in metrics: MetricRegistry, group: GroupName) {
        metrics.watch(orders, as: "orders.\(group)")
        metrics.watch(answers, as: "answers.\(group)")
    }

    // MARK: the data plane

    /// Appends the orders that came since the last call.
    package func take(into buffer: inout [OwnershipOrder]) {
        guard hasOrders.exchange(false, ordering: .acquiring) else { return }
        _ = orders.receive(into: &buffer, max: orders.capacity, timeout: .zero)
    }

    /// Sends an answer to the membership. Returns false when too many answers wait; the caller has
    /// to send it again later.
    @discardableResult
    package func answer(_ answer: OwnershipAnswer) -> Bool {
        let isSent = answers.send(answer)
        hasAnswers.store(true, ordering: .releasing)
        wakeMembership.withLock { $0 }?()
        return isSent
    }

    /// Returns whether the process may still act as the owner of what it holds. It returns false
    /// after the process did not hear its heartbeats for a lease, even if the process was stopped
    /// meanwhile and has just continued: others may own the partitions by then.
    /// Costs one atomic load.
    package func isSteady(now: MonotonicTime) -> Bool { now < steadyUntilNow }

    /// The time until which `isSteady` is true if no further heartbeat comes back. It serves a data
    /// plane of several threads, of which one takes the orders.
    package var steadyUntilNow: MonotonicTime {
        MonotonicTime(nanoseconds: steadyUntil.load(ordering: .relaxed))
    }

    // MARK: the membership

    /// Sends an order to the data plane. Returns false when too many orders wait; the caller has to
    /// send it again later.
    package func send(_ order: OwnershipOrder) -> Bool {
        let isSent = orders.send(order)
        hasOrders.store(true, ordering: .releasing)
        wake()
        return isSent
    }

    /// Sets until when `isSteady` is true, by the monotonic clock.
    package func steady(until time: MonotonicTime) {
        steadyUntil.store(time.nanoseconds, ordering: .relaxed)
    }

    /// Appends the answers of the data plane since the last call.
    package func takeAnswers(into buffer: inout [OwnershipAnswer]) {
        guard hasAnswers.exchange(false, ordering: .acquiring) else { return }
        _ = answers.receive(into: &buffer, max: answers.capacity, timeout: .zero)
    }

    /// Sets a closure that is called on the data plane's thread after each answer. It must not
    /// block.
    package func onAnswer(_ wake: (@Sendable () -> Void)?) { wakeMembership.withLock { $0 = wake } }
}
