internal import Primitives

/// The instruments that one provider has yet to be given, in order and at a limited rate per
/// second.
struct BeginQueue: Sendable {
    /// The instruments of this much time may leave together.
    private static let togetherNanoseconds: Int64 = 100_000_000

    private let intervalNanoseconds: Int64
    private var waiting: [UInt32] = []
    /// The index in `waiting` of the next one.
    private var position = 0
    /// When the next one would leave at an even rate, monotonic.
    private var due = MonotonicTime.distantPast

    init(perSecondMax: Int) {
        precondition(perSecondMax > 0, "a provider is told of no instrument at all")
        intervalNanoseconds = max(1, 1_000_000_000 / Int64(perSecondMax))
    }

    mutating func add(_ instrument: UInt32) { waiting.append(instrument) }

    mutating func remove(_ instrument: UInt32) {
        waiting.removeSubrange(..<position)
        position = 0
        waiting.removeAll { $0 == instrument }
    }

    /// Returns the next instrument whose turn has come; `nil`: there is none now.
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
