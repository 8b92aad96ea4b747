internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore

/// A row or a reset of a book on the tape.
struct LoggedDepth {
    enum Record {
        case row(DepthUpdate)
        case reset(DepthReset)

        var header: TickHeader {
            switch self {
            case .row(let row): row.header
            case .reset(let reset): reset.header
            }
        }

        /// Whether it is a row that changes something: one that a gateway repeats does not.
        var changesRows: Bool {
            if case .row(let row) = self { !row.flags.contains(.repeated) } else { false }
        }
    }

    let symbol: SourceSymbol
    let source: SourceName
    let record: Record
}

/// The rows that a provider's book surely has behind a change, best first; none while it is not
/// known.
package struct LoggedBook: Hashable, Sendable {
    struct Row: Hashable, Sendable {
        let price: Int128?
        let size: Int128?
    }

    var bids: [Row] = []
    var asks: [Row] = []
    var isKnown = false
    /// The rows of each side whose sizes count.
    var levels = 0

    /// As of a quote: rounded down.
    var middle: Int128? {
        guard let bid = bids.first?.price, let ask = asks.first?.price else { return nil }
        let sum = bid + ask
        return sum >= 0 ? sum / 2 : (sum - 1) / 2
    }

    var microprice: Int128? {
        guard let bid = bids.first, let ask = asks.first, let bidPrice = bid.price,
            let askPrice = ask.price, let bidSize = bid.size, let askSize = ask.size,
            bidSize >= 0, askSize >= 0
        else { return nil }
        return Self.quotient(bidPrice * askSize + askPrice * bidSize, bidSize + askSize)
    }

    var imbalance: Int128? {
        guard isKnown, let bid = Self.sum(bids.prefix(levels)),
            let ask = Self.sum(asks.prefix(levels))
        else { return nil }
        return Self.quotient((bid - ask) * 1_000_000_000, bid + ask)
    }

    private static func sum(_ rows: ArraySlice<Row>) -> Int128? {
        let sizes = rows.compactMap(\.size).filter { $0 >= 0 }
        return sizes.count == rows.count ? sizes.reduce(0, +) : nil
    }

    /// Rounded half away from zero; `nil` by zero.
    private static func quotient(_ number: Int128, _ divisor: Int128) -> Int128? {
        guard divisor > 0 else { return nil }
        let magnitude = (2 * abs(number) + divisor) / (2 * divisor)
        return number < 0 ? -magnitude : magnitude
    }
}

/// The books of a tape. It keeps everything that concerns them, and follows it again in repairs.
struct OracleBooks {
    static let knownFor: Int64 = 90_000_000_000

    private struct Side {
        var rows: [(row: LoggedBook.Row, isSure: Bool)] = []
        /// One more than the highest position that was named.
        var reach = 0

        /// The rows before the first one that the provider may not have.
        var sure: [LoggedBook.Row] { rows.prefix { $0.isSure }.map(\.row) }
        /// Whether it has none or some for sure.
        var isClear: Bool { rows.first?.isSure ?? true }

        /// Returns false for a change that does not fit the rows.
        mutating func take(_ update: DepthUpdate) -> Bool {
            let place = Int(update.position)
            let row = LoggedBook.Row(
                price: update.price.isDefined ? Int128(update.price.raw) : nil,
                size: update.size.isDefined ? Int128(update.size.raw) : nil)
            let isInsert = update.operation == DepthOperation.insert.rawValue
            guard place < rows.count + (isInsert ? 1 : 0) else { return false }
            reach = max(reach, place + 1)
            // Whoever names a position says that there are rows before it.
            for before in 0..<place { rows[before].isSure = true }
            if isInsert {
                rows.insert((row, true), at: place)
                for behind in rows.indices.dropFirst(reach) { rows[behind].isSure = false }
            } else if update.operation == DepthOperation.update.rawValue {
                rows[place] = (row, true)
            } else {
                rows.remove(at: place)
            }
            return true
        }
    }

    private struct Book {
        let source: SourceName
        let reset: TickHeader
        var bids = Side()
        var asks = Side()
        var hasRows = false
        var isLost = false

        mutating func take(_ update: DepthUpdate) {
            guard !isLost else { return }
            let fits =
                update.side == BookSide.bid.rawValue ? bids.take(update) : asks.take(update)
            hasRows = true
            if !fits { isLost = true }
        }
    }

    private enum Step {
        case depth(LoggedDepth)
        case feed(SourceSymbol, SourceName)
        case change(LoggedTick)
    }

    private var steps: [Step] = []
    private var books: [SourceSymbol: Book] = [:]

    // MARK: as it comes

    mutating func take(_ depth: LoggedDepth) {
        steps.append(.depth(depth))
        switch depth.record {
        case .reset(let reset):
            books[depth.symbol] = Book(source: depth.source, reset: reset.header)
        case .row(let row):
            guard books[depth.symbol]?.source == depth.source else { return }
            books[depth.symbol]?.take(row)
        }
    }

    mutating func feed(_ symbol: SourceSymbol, from source: SourceName) {
        steps.append(.feed(symbol, source))
        if books[symbol]?.source != source { books[symbol] = nil }
    }

    /// Changes before `time` are missing.
    mutating func lose(_ symbol: SourceSymbol, before time: Int64) {
        guard let book = books[symbol], book.reset.eventTime.nanoseconds < time else { return }
        books[symbol]?.isLost = true
    }

    mutating func lose(_ gap: OracleMissing.Record) {
        guard !gap.isFilled, gap.from < gap.to else { return }
        for symbol in books.keys where gap.isAbout(symbol, .depth) { lose(symbol, before: gap.to) }
    }

    /// Returns a change of a book with what is known of the book.
    mutating func taken(_ tick: LoggedTick) -> LoggedTick {
        guard tick.book != nil else { return tick }
        steps.append(.change(tick))
        var tick = tick
        tick.book = book(behind: tick)
        return tick
    }

    private func book(behind tick: LoggedTick) -> LoggedBook {
        guard let book = books[tick.symbol], !book.isLost, book.hasRows, book.bids.isClear,
            book.asks.isClear,
            tick.header.receiveTime.nanoseconds - book.reset.receiveTime.nanoseconds
                <= Self.knownFor
        else { return LoggedBook() }
        return LoggedBook(bids: book.bids.sure, asks: book.asks.sure, isKnown: true)
    }

    // MARK: in repairs

    /// Returns for each change of a book what a repair knows of it.
    func repaired(_ missing: OracleMissing) -> [LoggedTick.ID: LoggedBook] {
        var again = OracleBooks()
        var known: [LoggedTick.ID: LoggedBook] = [:]
        for step in steps {
            switch step {
            case .depth(let depth): again.take(depth)
            case .feed(let symbol, let source): again.feed(symbol, from: source)
            case .change(let tick):
                let isMissing = again.misses(tick, missing)
                known[tick.id] = isMissing ? LoggedBook() : again.book(behind: tick)
            }
        }
        return known
    }

    /// Returns whether changes are missing since the book was emptied.
    private func misses(_ tick: LoggedTick, _ missing: OracleMissing) -> Bool {
        guard let since = books[tick.symbol]?.reset.eventTime.nanoseconds else { return false }
        let stretch = OracleWindow(start: since, end: max(since, tick.time) + 1)
        return missing.hasGapInRepair(tick.symbol, .depth, in: stretch)
            || missing.hasStart(tick.symbol, .depth, in: stretch)
    }

    /// Returns how many rows count behind an input; 0 where no books come.
    static func levels(of input: GraphInput, _ nodes: [GraphNode]) -> Int {
        switch input {
        case .ticks: return 0
        case .node(let node), .branch(let node, _):
            if case .book(let rule) = nodes[node].operation { return rule.levels }
            return levels(of: nodes[node].input, nodes)
        }
    }
}

extension InputField {
    /// The kind of ticks that have it.
    var ticks: DataKind {
        switch self {
        case .trade: .trade
        case .bid, .ask, .middle, .spread: .quote
        case .bookMiddle, .microprice, .imbalance: .depth
        }
    }

    /// The kind of ticks that decide later ones.
    var earlier: DataKind { ticks == .depth ? .depth : .quote }
}
