/// The queue of a `LiveEdge`: between a graph and a reader that may be slower than the tape.
///
/// A value that one thread owns, or a lock. Its memory is reserved once; nothing is allocated when
/// elements come and go.
public struct BoundedEdge<Element: Sendable>: Sendable {
    public enum Offered: Hashable, Sendable {
        case taken
        /// `block`: it is not in the queue; offer it again when something was taken out.
        case mustWait
        /// `dropNewest`: it is lost.
        case dropped
        /// `dropOldest`: it is in the queue, and the oldest is lost.
        case replacedOldest
        /// `error`: whoever feeds the edge has to stop.
        case overflowed
    }

    /// A crossing of one of the marks: told once for each way.
    public enum Transition: Hashable, Sendable {
        case roseToHigh
        case fellToLow
    }

    public let rule: LiveEdge
    /// Elements that were lost, of whichever end.
    public private(set) var dropped: UInt64 = 0
    /// True from the high mark on until the low one.
    public private(set) var isHigh = false

    private var ring: [Element?]
    private var first = 0
    public private(set) var depth = 0

    /// A rule outside of its limits is held at them.
    public init(_ rule: LiveEdge) {
        let capacity = min(max(rule.capacity, 1), LiveEdge.capacityMax)
        let high = min(max(rule.high, 1), capacity)
        self.rule = LiveEdge(
            capacity: capacity, overflow: rule.overflow, high: high,
            low: min(max(rule.low, 0), high - 1))
        ring = [Element?](repeating: nil, count: capacity)
    }

    public var capacity: Int { ring.count }
    public var isFull: Bool { depth == ring.count }

    /// Puts an element at the end, or does what the rule says when there is no room.
    public mutating func offer(_ element: Element) -> (Offered, Transition?) {
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

    /// Takes the oldest element; nil when there is none.
    public mutating func take() -> (element: Element, transition: Transition?)? {
        guard let element = removeFirst() else { return nil }
        guard isHigh, depth <= rule.low else { return (element, nil) }
        isHigh = false
        return (element, .fellToLow)
    }

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
