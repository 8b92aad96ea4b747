import Primitives

/// Tracks which books on the tape are intact, so that the next row of each may follow there. Pure.
///
/// A *book* is the order book of one symbol, by the symbol's number in the source's list. A *row*
/// is a depth update: an edit of the book by position. A *reset* empties the book. After a missing
/// row, every later row would edit another book than the provider's. So a book that lost a row is
/// *void*: a reset goes onto the tape, later rows are left out, and the provider is requested to
/// send the book again. That begins with a reset, which makes the book intact again.
struct DepthBooks {
    /// The decision about a row.
    enum Next {
        case take
        /// Take the row after a reset.
        case resetFirst
        /// The book is void: do not put the row onto the tape.
        case leaveOut
    }

    private enum State {
        /// Neither a row nor a reset has come yet. A new row must not continue the book that a
        /// predecessor left.
        case unseen
        /// All rows since the last reset are on the tape.
        case whole
        /// A row is missing. The state ends with the provider's next reset.
        case void
    }

    private struct Book {
        var state = State.unseen
        /// A reset has to go onto the tape before any row of the book.
        var owesReset = false
        /// Whether the provider was asked for the book since it became void.
        var isRequested = false
        /// The monotonic time of the last request; `Int64.min` before the first.
        var requestedAt = MonotonicTime.distantPast
        /// While the book is void: the time until which gap records cover the missing rows.
        var recordedUntil = Timestamp.undefined
    }

    /// The minimum time between two requests for one book, because each costs the provider
    /// requests.
    static let requestNanoseconds: Int64 = 5_000_000_000
    /// The time after which a book that was requested and has not begun is requested again, as the
    /// provider may have lost the request.
    static let repeatNanoseconds: Int64 = 60_000_000_000

    /// Whether the rows are a recording. Then they continue the rows that were recorded before
    /// them.
    private let isRecorded: Bool
    /// The books by symbol number, up to the highest symbol that has a book.
    private var books: [Book] = []
    /// The number of void books.
    private(set) var voidCount = 0
    /// The number of books that owe a reset.
    private var owingCount = 0

    init(isRecorded: Bool) { self.isRecorded = isRecorded }

    /// Returns what to do with a row that is due.
    mutating func next(_ symbol: Int) -> Next {
        reach(symbol)
        switch books[symbol].state {
        case .void: return .leaveOut
        case .unseen:
            set(symbol, .whole)
            if !isRecorded { oweReset(symbol) }
        case .whole: break
        }
        return books[symbol].owesReset ? .resetFirst : .take
    }

    /// Notes that a row will never be on the tape, and that a gap record covers the missing rows
    /// until `time`. Returns true when the book has just become void.
    mutating func markVoid(_ symbol: Int, until time: Timestamp) -> Bool {
        reach(symbol)
        let isNew = books[symbol].state != .void
        if isNew {
            set(symbol, .void)
            oweReset(symbol)
            books[symbol].isRequested = false
            books[symbol].recordedUntil = time
        }
        books[symbol].recordedUntil = max(books[symbol].recordedUntil, time)
        return isNew
    }

    /// Notes the provider's reset, after which the rows of the complete book follow. Returns the
    /// time until which gap records cover the missing rows, and `nil` when the book was not void.
    /// The caller has to put the reset onto the tape, or to call `oweReset`.
    mutating func restarted(_ symbol: Int) -> Timestamp? {
        reach(symbol)
        let recordedUntil = books[symbol].state == .void ? books[symbol].recordedUntil : nil
        set(symbol, .whole)
        return recordedUntil
    }

    /// Notes that a reset has to go onto the tape before the book's next row.
    mutating func oweReset(_ symbol: Int) {
        reach(symbol)
        guard !books[symbol].owesReset else { return }
        books[symbol].owesReset = true
        owingCount += 1
    }

    /// Notes that an owed reset is in a packet.
    mutating func wroteReset(_ symbol: Int) {
        guard symbol < books.count, books[symbol].owesReset else { return }
        books[symbol].owesReset = false
        owingCount -= 1
    }

    /// Returns whether a row or reset of the book has come.
    func isKnown(_ symbol: Int) -> Bool {
        symbol < books.count && books[symbol].state != .unseen
    }

    /// The symbols of books that owe a reset.
    var owingReset: [Int] { owingCount == 0 ? [] : books.indices.filter { books[$0].owesReset } }

    /// Returns the symbols whose books are to be requested from the provider now, and treats them
    /// as requested.
    mutating func takeDueRequests(now: MonotonicTime) -> [Int] {
        guard voidCount > 0 else { return [] }
        let due = books.indices.filter { isDue(books[$0], now) }
        for symbol in due { (books[symbol].isRequested, books[symbol].requestedAt) = (true, now) }
        return due
    }

    private func isDue(_ book: Book, _ now: MonotonicTime) -> Bool {
        guard book.state == .void else { return false }
        let wait = book.isRequested ? Self.repeatNanoseconds : Self.requestNanoseconds
        return now >= book.requestedAt + wait
    }

    private mutating func set(_ symbol: Int, _ state: State) {
        voidCount += (state == .void ? 1 : 0) - (books[symbol].state == .void ? 1 : 0)
        books[symbol].state = state
    }

    /// Makes the list of books long enough for the symbol.
    private mutating func reach(_ symbol: Int) {
        while books.count <= symbol { books.append(Book()) }
    }
}
