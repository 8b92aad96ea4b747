/// The future events of a world, by true time. Events at the same time happen in the order in which
/// they were added.
struct EventQueue<Event> {
    /// Small, and without the event itself, because debug builds copy an entry on every step
    /// through the heap.
    private struct Entry {
        let time: Int64
        let number: Int
        let place: Int
    }

    private var heap: [Entry] = []
    private var events: [Event?] = []
    private var free: [Int] = []
    private var count = 0

    var nextTime: Int64 { heap.isEmpty ? Int64.max : heap[0].time }

    mutating func add(_ event: Event, at time: Int64) {
        count += 1
        let place = free.popLast() ?? events.count
        if place == events.count { events.append(event) } else { events[place] = event }
        let entry = Entry(time: time, number: count, place: place)
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard isBefore(entry, heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    mutating func removeFirst() -> (time: Int64, event: Event)? {
        guard let last = heap.popLast() else { return nil }
        let first = heap.isEmpty ? last : heap[0]
        if !heap.isEmpty { sink(last) }
        guard let event = events[first.place] else { return nil }
        events[first.place] = nil
        free.append(first.place)
        return (first.time, event)
    }

    /// Moves the top entry down to its place.
    private mutating func sink(_ entry: Entry) {
        let count = heap.count
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= count { break }
            if child + 1 < count, isBefore(heap[child + 1], heap[child]) { child += 1 }
            guard isBefore(heap[child], entry) else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = entry
    }

    private func isBefore(_ left: Entry, _ right: Entry) -> Bool {
        left.time != right.time ? left.time < right.time : left.number < right.number
    }
}
