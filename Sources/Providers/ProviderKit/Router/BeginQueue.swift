internal import Primitives

/// The instruments that one provider has to begin and was not ordered to begin yet, in order. They
/// leave the queue at a limited rate per second. `FeedRouter` has one for each provider.
struct BeginQueue: Sendable {
    /// The instruments of this time may leave together: with 200 per second, 20.
    private static let togetherNanoseconds: Int64 = 100_000_000

    /// The time between two instruments at an even rate.
    private let intervalNanoseconds: Int64
    /// The instruments from `position` on wait. Those before it have left.
    private var waiting: [UInt32] = []
    /// The index in `waiting` of the next one to leave.
    private var position = 0
    /// When the next one would leave at an even rate.
    private var due = MonotonicTime.distantPast

    init(perSecondMax: Int) {
        precondition(perSecondMax > 0, "a provider is told of no instrument at all")
        intervalNanoseconds = max(1, 1_000_000_000 / Int64(perSecondMax))
    }

    /// Adds an instrument at the end.
    mutating func add(_ instrument: UInt32) { waiting.append(instrument) }

    /// Removes an instrument that is not to begin any more.
    mutating func remove(_ instrument: UInt32) {
        waiting.removeSubrange(..<position)
        position = 0
        waiting.removeAll { $0 == instrument }
    }

    /// Takes the next instrument out, if it may leave now; `nil` when none may.
    mutating func next(now: MonotonicTime) -> UInt32? {
        guard position < waiting.count else { return nil }
        let turn = max(due, now)
        guard turn - now < Self.togetherNanoseconds else { return nil }
        due = turn + intervalNanoseconds
        position += 1
        guard position == waiting.count else { return waiting[position - 1] }
        let last = waiting[position - 1]
        waiting.removeAll(keepingCapacity: true)
        position = 0
        return last
    }
}
