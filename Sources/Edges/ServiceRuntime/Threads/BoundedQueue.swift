/// A queue with a limit, which says how much waits in it.
public protocol BoundedQueue: AnyObject, Sendable {
    /// What waits. Must not block: it is asked on the thread of a scrape.
    var count: Int { get }
    /// What may wait at once.
    var capacity: Int { get }
}

extension Mailbox: BoundedQueue {}

extension MetricRegistry {
    /// Shows the queue's depth beside its capacity as long as it is there; another one of the same
    /// name takes its place. Names come from the code and are few.
    public func watch(_ queue: some BoundedQueue, as name: String) {
        watchQueue(name, capacity: { [weak queue] in queue?.capacity }) { [weak queue] in
            queue?.count
        }
    }

    /// The same of what is no object of its own; nil: it is not there now.
    public func watchQueue(
        _ name: String, capacity: @escaping @Sendable () -> Int?,
        depth: @escaping @Sendable () -> Int?
    ) {
        let labels = [("queue", name)]
        reading("mds_queue_depth", "What waits in a bounded queue.", labels: labels) {
            depth().map(Double.init)
        }
        reading("mds_queue_capacity", "What may wait in a bounded queue.", labels: labels) {
            capacity().map(Double.init)
        }
    }
}
