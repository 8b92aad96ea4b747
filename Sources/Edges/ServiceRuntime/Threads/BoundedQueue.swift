/// A queue with a limit that shows how much waits in it.
public protocol BoundedQueue: AnyObject, Sendable {
    /// The number of waiting elements. Must not block: it is read on the thread of a scrape.
    var count: Int { get }
    /// The most elements that may wait at the same time.
    var capacity: Int { get }
}

extension Mailbox: BoundedQueue {}

extension MetricRegistry {
    /// Shows the queue's depth and capacity as long as the queue exists. Another one of the same
    /// name replaces it. Names come from the code and are few.
    public func watch(_ queue: some BoundedQueue, as name: String) {
        watchQueue(name, capacity: { [weak queue] in queue?.capacity }) { [weak queue] in
            queue?.count
        }
    }

    /// Shows a queue that is no object; `nil`: it does not exist now.
    public func watchQueue(
        _ name: String, capacity: @escaping @Sendable () -> Int?,
        depth: @escaping @Sendable () -> Int?
    ) {
        let labels = [("queue", name)]
        reading(
            "mds_queue_depth", "how much waits in the queue (see \"Queues\")",
            "at its capacity: the thread that empties it is too slow", labels: labels
        ) {
            depth().map(Double.init)
        }
        reading(
            "mds_queue_capacity", "how much may wait in the queue", labels: labels
        ) {
            capacity().map(Double.init)
        }
    }
}
