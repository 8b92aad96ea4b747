/// Requests that wait for a line. Those that have one already come first. The others follow in the
/// order in which feeds are wanted, not in which they were requested. So the same feeds have lines
/// before and after a new connection.
struct LineQueue: Sendable {
    /// A request's place in the queue.
    struct Place: Hashable, Comparable, Sendable {
        /// It replaces a request whose line it has.
        var hasLine: Bool
        /// The rank of its feed among all wanted feeds.
        var order: Int
        var ticket: UInt64

        static func < (left: Place, right: Place) -> Bool {
            if left.hasLine != right.hasLine { return left.hasLine }
            return (left.order, left.ticket) < (right.order, right.ticket)
        }
    }

    /// In reverse order: the first place is at the end.
    private var places: [Place] = []

    var isEmpty: Bool { places.isEmpty }
    var first: Place? { places.last }
    /// The places in their order.
    var all: ReversedCollection<[Place]> { places.reversed() }
    var tickets: [UInt64] { all.map(\.ticket) }

    mutating func add(_ place: Place) {
        places.insert(place, at: index(of: place))
    }

    mutating func remove(_ place: Place) {
        let index = index(of: place)
        guard index < places.count, places[index] == place else { return }
        places.remove(at: index)
    }

    mutating func keep(_ isWanted: (UInt64) -> Bool) {
        places.removeAll { !isWanted($0.ticket) }
    }

    /// Removes unwanted places from the head, and returns how many there were.
    mutating func dropWithdrawn(_ isWanted: (UInt64) -> Bool) -> Int {
        var count = 0
        while let last = places.last, !isWanted(last.ticket) {
            places.removeLast()
            count += 1
        }
        return count
    }

    /// Returns where the place is, or belongs.
    private func index(of place: Place) -> Int {
        var (low, high) = (0, places.count)
        while low < high {
            let middle = low + (high - low) / 2
            if place < places[middle] { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
