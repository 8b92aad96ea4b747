/// The future events of a world, by time. Events at the same time happen in the order in which they
/// were added.
struct EventQueue<Event> {
    /// The latest is the first.
    private var entries: [(time: Int64, event: Event)] = []

    mutating func add(_ event: Event, at time: Int64) {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].time > time { low = middle + 1 } else { high = middle }
        }
        entries.insert((time, event), at: low)
    }

    mutating func removeFirst() -> (time: Int64, event: Event)? { entries.popLast() }
}
