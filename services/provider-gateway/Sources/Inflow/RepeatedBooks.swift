import MarketModel
import Primitives

/// The books that the tape has, which the gateway repeats there: a reset with the reason `repeated`
/// and each row as an insert. So a reader knows a book after `nanoseconds`, whenever it began.
/// Pure; `SourceTenure+Depth` uses it.
///
/// A book is here as a reader of the tape knows it: by the records that were appended. It is
/// repeated when all its rows are known since a reset, and when it has any. A `symbol` is the
/// instrument's number in the source's list.
struct RepeatedBooks {
    /// How often each book is repeated.
    static let nanoseconds: Int64 = 60_000_000_000
    /// The turns into which that time is divided. A book's turn follows from its symbol's number,
    /// so that not all books are repeated at one moment.
    static let turns = 600
    /// The most books, at some 4 KB each. Later ones are not repeated.
    static let countMax = 4_096

    private struct Book {
        var rows = OrderBook()
        /// The flags of its last row.
        var flags = DepthFlags()
        /// Whether its feed was delayed at its last row.
        var tickFlags = TickFlags()
        /// Whether it is in `due`.
        var isDue = false
    }

    /// Whether the rows are a recording, which has the repetitions of its time.
    private let isRecorded: Bool
    private let turnNanoseconds: Int64
    private var books: [Book] = []
    /// By the symbol's number: the place in `books`; -1 for none.
    private var places: [Int32] = []
    /// When the first turn began; `nil` before it.
    private var begunAt: MonotonicTime?
    /// The turns that are over.
    private var turn: Int64 = 0
    /// The symbols whose books are to be repeated now, each once.
    private(set) var due: [Int] = []

    init(isRecorded: Bool, every nanoseconds: Int64 = Self.nanoseconds) {
        self.isRecorded = isRecorded
        turnNanoseconds = max(1, nanoseconds / Int64(Self.turns))
    }

    var isEmpty: Bool { books.isEmpty }

    // MARK: what the tape has

    /// Notes a reset of the provider's or of the gateway's that is on the tape.
    mutating func reset(_ symbol: Int) {
        if let place = add(symbol) { books[place].rows.reset() }
    }

    /// Notes a row that is on the tape.
    mutating func take(_ row: DepthUpdate, _ symbol: Int) {
        guard let place = place(symbol), books[place].rows.isSinceReset else { return }
        _ = books[place].rows.take(row)
        books[place].flags = row.flags
        books[place].tickFlags = row.header.flags.intersection(.delayed)
    }

    /// Notes that a gap of the book's rows begins, or that its subscription ends. A book that is
    /// empty since its reset loses nothing.
    mutating func lose(_ symbol: Int) {
        if let place = place(symbol), books[place].rows.hasRows { books[place].rows.lose() }
    }

    // MARK: whose turn it is

    /// Adds the books whose turn has come to `due`. After a long wait each comes once.
    mutating func advance(to now: MonotonicTime) {
        let begun = begunAt ?? now
        begunAt = begun
        let passed = max(turn, (now - begun) / turnNanoseconds)
        let count = Int64(Self.turns)
        for next in max(turn, passed - count)..<passed {
            for symbol in stride(
                from: Int((next + 1) % count), to: places.count, by: Self.turns)
            {
                guard let place = place(symbol), !books[place].isDue else { continue }
                books[place].isDue = true
                due.append(symbol)
            }
        }
        turn = passed
    }

    /// Takes a book out of `due`.
    mutating func done(_ symbol: Int) {
        due.removeAll { $0 == symbol }
        if let place = place(symbol) { books[place].isDue = false }
    }

    /// Returns the records that repeat a book, with the symbol and the time of this header; empty
    /// when not all its rows are known, or when it has none.
    func records(_ symbol: Int, _ header: TickHeader) -> [TapeRecord] {
        guard let place = place(symbol), books[place].rows.isWhole(upTo: .max) else { return [] }
        let book = books[place]
        guard book.rows.bids.kept + book.rows.asks.kept > 0 else { return [] }
        var header = header
        header.flags = book.tickFlags
        var records: [TapeRecord] = [.depthReset(DepthReset(header: header, reason: .repeated))]
        for (side, rows) in [(BookSide.bid, book.rows.bids), (.ask, book.rows.asks)] {
            for edit in Self.edits(of: rows) {
                records.append(
                    .depth(
                        DepthUpdate(
                            header: header, position: UInt32(edit.position), side: side,
                            operation: edit.operation, price: edit.row.price, size: edit.row.size,
                            marketMaker: edit.row.marketMaker,
                            flags: book.flags.union(.repeated))))
            }
        }
        return records
    }

    private typealias Edit = (operation: DepthOperation, row: BookRow, position: Int)

    /// Returns the edits that make a side of its rows. Those that are not sure come first, each
    /// moved down by the next. So they are behind the sure ones, and no edit has named their
    /// positions, as before.
    private static func edits(of rows: BookRows) -> [Edit] {
        let unsure: [Edit] = (rows.shown..<rows.kept).reversed().map { (.insert, rows.row($0), 0) }
        let sure: [Edit] = (0..<rows.shown).map { (.insert, rows.row($0), $0) }
        guard sure.isEmpty, !unsure.isEmpty else { return unsure + sure }
        // The first row is not sure, either, once one before it was deleted.
        return unsure + [(.insert, rows.row(0), 0), (.delete, rows.row(0), 0)]
    }

    private func place(_ symbol: Int) -> Int? {
        guard symbol < places.count, places[symbol] >= 0 else { return nil }
        return Int(places[symbol])
    }

    /// Returns the place of the symbol's book, which begins if there is none; `nil` without room.
    private mutating func add(_ symbol: Int) -> Int? {
        if let place = place(symbol) { return place }
        guard !isRecorded, books.count < Self.countMax else { return nil }
        while places.count <= symbol { places.append(-1) }
        places[symbol] = Int32(books.count)
        books.append(Book())
        return books.count - 1
    }
}
