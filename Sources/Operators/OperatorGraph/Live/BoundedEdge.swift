/// The queue of a `LiveEdge`, between a graph and a reader that may be slower than the tape.
///
/// A value that one thread or one lock owns. Its memory is reserved once: adding and removing
/// elements allocates nothing.
package struct BoundedEdge<Element: Sendable>: Sendable {
    /// What happened to an offered element.
    package enum Offered: Hashable, Sendable {
        /// It is in the queue.
        case taken
        /// `block`: it is not in the queue. Offer it again when an element was taken.
        case mustWait
        /// `dropNewest`: it is lost.
        case dropped
        /// `dropOldest`: it is in the queue, and the oldest is lost.
        case replacedOldest
        /// `error`: the thread that feeds the edge has to stop.
        case overflowed
    }

    /// A crossing of one of the marks, reported once per crossing.
    package enum Transition: Hashable, Sendable {
        /// The length reached the high mark.
        case roseToHigh
        /// The length fell to the low mark.
        case fellToLow
    }

    package let rule: LiveEdge
    /// Elements that were lost, at either end.
    package private(set) var dropped: UInt64 = 0
    /// Whether the length has reached the high mark and not fallen to the low mark since.
    package private(set) var isHigh = false

    private var ring: [Element?]
    /// The place of the oldest element in `ring`.
    private var first = 0
    /// The number of elements that wait.
    package private(set) var depth = 0

    /// Values of `rule` outside of their limits are set to the limits.
    package init(_ rule: LiveEdge) {
        let capacity = min(max(rule.capacity, 1), LiveEdge.capacityMax)
        let high = min(max(rule.high, 1), capacity)
        self.rule = LiveEdge(
            capacity: capacity, overflow: rule.overflow, high: high,
            low: min(max(rule.low, 0), high - 1))
        ring = [Element?](repeating: nil, count: capacity)
    }

    package var capacity: Int { ring.count }
    package var isFull: Bool { depth == ring.count }

    /// Appends an element, or does what the rule states when there is no room.
    package mutating func offer(_ element: Element) -> (Offered, Transition?) {
        guard isFull else {
            append(element)
            return (.taken, rise())
        }
        switch rule.overflow {
        case .block: return (.mustWait, nil)
        case .dropNewest:
            dropped &+= 1
            return (.dropped, nil)
        case .dropOldest:
            dropped &+= 1
            _ = removeFirst()
            append(element)
            return (.replacedOldest, nil)
        case .error: return (.overflowed, nil)
        }
    }

    /// Removes and returns the oldest element; `nil` when there is none.
    package mutating func take() -> (element: Element, transition: Transition?)? {
        guard let element = removeFirst() else { return nil }
        guard isHigh, depth <= rule.low else { return (element, nil) }
        isHigh = false
        return (element, .fellToLow)
    }

    /// Notes that the high mark was reached, once.
    private mutating func rise() -> Transition? {
        guard !isHigh, depth >= rule.high else { return nil }
        isHigh = true
        return .roseToHigh
    }

    private mutating func append(_ element: Element) {
        let place = first + depth
        ring[place >= ring.count ? place - ring.count : place] = element
        depth += 1
    }

    private mutating func removeFirst() -> Element? {
        guard depth > 0 else { return nil }
        let element = ring[first].take()
        first = first + 1 == ring.count ? 0 : first + 1
        depth -= 1
        return element
    }
}
