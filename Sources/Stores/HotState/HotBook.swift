internal import MarketModel
internal import Primitives

/// The book of one symbol and source. Pure.
struct HotBook {
    /// The best rows of a side that readers see.
    static let rowsShownMax = 20

    /// What readers may rely on.
    enum State {
        /// The rows are all that the provider sends, up to `rowsShownMax` of each side.
        case complete
        /// The rows are the best ones, and those after them are not known.
        case partial
        /// No row is known.
        case unknown
    }

    /// Why a book is not complete.
    enum Reason {
        /// This process has seen no reset of it.
        case start
        /// The provider emptied it: the four reasons of a reset.
        case unknownReset, reset, halted, disconnected
        /// A gap of its rows is open.
        case gap
        /// It is not subscribed any more.
        case stopped
        /// Packets in which its rows may be did not come.
        case lost
        /// A change does not fit the rows, or cannot be read.
        case damaged
    }

    private var rows = OrderBook()
    var asks: BookRows { rows.asks }
    var bids: BookRows { rows.bids }
    private(set) var reason = Reason.start
    /// The event time of the last reset that was no repetition; of a repetition, when no reset was
    /// known before it. Undefined when none is known.
    private(set) var since = Timestamp.undefined

    init() {}

    var state: State {
        let limit = Self.rowsShownMax
        if rows.isWhole(upTo: limit) { return .complete }
        let shown = (asks.shown, bids.shown)
        // All rows that are shown at most are known, whatever was before.
        if shown.0 >= limit, shown.1 >= limit { return .complete }
        return shown.0 > 0 || shown.1 > 0 ? .partial : .unknown
    }

    /// Whether the best bid is above the best ask, as far as both are known.
    var isCrossed: Bool {
        guard asks.shown > 0, bids.shown > 0 else { return false }
        let (ask, bid) = (asks.row(0).price, bids.row(0).price)
        return ask.isDefined && bid.isDefined && bid > ask
    }

    /// Whether a gap that begins now can concern it: a book without rows has nothing to lose.
    var hasContent: Bool { rows.hasRows }
    /// Whether all changes since a reset are in it.
    var isSinceReset: Bool { rows.isSinceReset }

    /// The provider emptied the book, or the gateway repeats it.
    mutating func reset(_ reset: DepthReset) {
        let known = DepthResetReason(rawValue: reset.reason)
        if known != .repeated || !rows.isSinceReset { since = reset.header.eventTime }
        rows.reset()
        reason =
            switch known {
            case .unknown, nil: .unknownReset
            case .reset, .repeated: .reset
            case .halted: .halted
            case .disconnected: .disconnected
            }
    }

    /// Nothing is known of the book any more. Each later row is known when a change brings it.
    mutating func lose(_ reason: Reason) {
        rows.lose()
        since = .undefined
        self.reason = reason
    }

    /// Takes a change of a row. One that does not fit makes the book unknown until the next reset:
    /// something is missing that nothing names.
    mutating func take(_ update: DepthUpdate) {
        guard reason != .damaged || rows.isSinceReset else { return }
        if !rows.take(update) { lose(.damaged) }
    }
}
