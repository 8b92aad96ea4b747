internal import MarketModel
internal import StreamCore

/// What the first pass of a repair meets, in the order in which the second one would: when it is
/// little, the tape need not be read again.
struct KeptTicks: Sendable {
    /// 27 MB. One partition of a worker is repaired at a time.
    static let stepsMax = 262_144

    /// A packet's source feeds a symbol from here on.
    struct Move: Sendable {
        let symbol: UInt32
        let subscription: Subscription
        let source: Int
    }

    enum Step: Sendable, BitwiseCopyable {
        case trade(Trade)
        case quote(Quote)
        /// Among the moves.
        case move(Int)
    }

    struct Kept: Sendable, BitwiseCopyable {
        let step: Step
        let ordinal: UInt64
        /// Nil: what people put there.
        let source: Int?
    }

    private(set) var steps: [Kept] = []
    private(set) var moves: [Move] = []
    /// There was more than has room: then nothing is kept.
    private(set) var isTooMuch = false
    private let max: Int

    init(max: Int = Self.stepsMax) { self.max = max }

    mutating func keep(_ step: Step, _ ordinal: UInt64, source: Int?) {
        guard !isTooMuch else { return }
        guard steps.count < max else {
            isTooMuch = true
            (steps, moves) = ([], [])
            return
        }
        steps.append(Kept(step: step, ordinal: ordinal, source: source))
    }

    mutating func keep(_ move: Move) {
        guard !isTooMuch else { return }
        moves.append(move)
        keep(.move(moves.count - 1), 0, source: move.source)
    }
}
