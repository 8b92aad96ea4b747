internal import MarketModel
internal import StreamCore

/// The ticks of a repair's first pass, in the order of the second one. If they are few, the tape
/// need not be read again.
struct KeptTicks: Sendable {
    /// The maximum number of steps: 42 MB. A worker repairs one partition at a time.
    static let stepsMax = 262_144

    /// A point from which on a packet's source feeds a symbol. With `manual` (`nil`), which feeds
    /// none, only the lot of the definition is valid from there on.
    struct Move: Sendable {
        let symbol: UInt32
        let subscription: Subscription
        let source: Int?
    }

    /// What happens next: a tick or a provider's bar comes, a book changes, or a source begins to
    /// feed a symbol.
    enum Step: Sendable, BitwiseCopyable {
        case trade(Trade)
        case quote(Quote)
        case providerBar(ProviderBar)
        /// A row of a book.
        case row(DepthUpdate)
        case reset(DepthReset)
        /// The end of a change of a book.
        case book(BookChange)
        /// The index among the moves.
        case move(Int)
    }

    /// A step with its source.
    struct Kept: Sendable, BitwiseCopyable {
        let step: Step
        /// The tick's ordinal; 0 for a move.
        let ordinal: UInt64
        /// The source; `nil` for `manual`.
        let source: Int?
    }

    private(set) var steps: [Kept] = []
    private(set) var moves: [Move] = []
    /// Whether there were too many steps. Then nothing is kept.
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
