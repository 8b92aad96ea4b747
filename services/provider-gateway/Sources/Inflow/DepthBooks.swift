import Primitives

/// Tracks which books on the tape are intact, so that their next rows may go there, too. Pure;
/// `SourceTenure+Depth` uses it.
///
/// A *book* is the order book of one symbol. A `symbol` is the instrument's number in the source's
/// list. A *row* is a depth update: an edit of the book by position. A *reset* empties the book.
/// After a missing row, every later row would edit another book than the provider's. So a book that
/// lost a row is *void*: a reset goes onto the tape, later rows are left out, and the provider is
/// asked to send the book again. The provider then begins with a reset, which makes the book intact
/// again.
///
/// A book *owes* a reset that has to go onto the tape before its next row and is not in a packet
/// yet.
struct DepthBooks {
    /// The decision about a row.
    enum Next {
        case take
        /// Put the owed reset onto the tape first, then take the row.
        case resetFirst
        /// The book is void: do not put the row onto the tape.
        case leaveOut
    }

    private enum State {
        /// Neither a row nor a reset has come in this tenure. The first row must not edit the book
        /// that an earlier tenure left on the tape, so a reset is owed then. Next: `whole`, `void`.
        case unseen
        /// No row since the last reset is missing. Next: `void`.
        case whole
        /// A row is missing. The state ends with the provider's next reset. Next: `whole`.
        case void
    }

    private struct Book {
        var state = State.unseen
        /// Whether a reset has to go onto the tape before the next row.
        var owesReset = false
        /// Whether the provider was asked for the book since it became void.
        var isRequested = false
        /// When the book was requested last; `distantPast` before the first request.
        var requestedAt = MonotonicTime.distantPast
        /// While the book is void: the time until which gap records cover the missing rows. At the
        /// provider's next reset one more gap record covers the time from there on.
        var recordedUntil = Timestamp.undefined
    }

    /// The minimum time between two requests for one book. Each makes the provider cancel its
    /// subscription and begin another, and servers limit how often.
    static let requestNanoseconds: Int64 = 5_000_000_000
    /// The time after which a book that was requested and has not begun is requested again, as the
    /// provider may have lost the request.
    static let repeatNanoseconds: Int64 = 60_000_000_000

    /// Whether the rows are a recording. Its first rows continue those that an earlier tenure put
    /// onto the tape, so they need no reset.
    private let isRecorded: Bool
    /// The books by symbol number, up to the highest symbol that has a book.
    private var books: [Book] = []
    /// The number of void books.
    private(set) var voidCount = 0
    /// The number of books that owe a reset.
    private var owingCount = 0

    init(isRecorded: Bool) { self.isRecorded = isRecorded }

    /// Returns what to do with the symbol's next row.
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

    /// Notes that a row will never be on the tape, and that gap records cover the missing rows
    /// until `time`. The book is void from now on and owes a reset. Returns false when it was void
    /// already.
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

    /// Notes that a reset is in a packet, so that none is owed any more.
    mutating func wroteReset(_ symbol: Int) {
        guard symbol < books.count, books[symbol].owesReset else { return }
        books[symbol].owesReset = false
        owingCount -= 1
    }

    /// Returns whether the book is tracked: a row or a reset came, or it became void.
    func isKnown(_ symbol: Int) -> Bool {
        symbol < books.count && books[symbol].state != .unseen
    }

    /// Returns whether the book on the tape is the provider's.
    func isWhole(_ symbol: Int) -> Bool {
        symbol < books.count && books[symbol].state == .whole && !books[symbol].owesReset
    }

    /// Whether any book owes a reset.
    var owesResets: Bool { owingCount > 0 }
    /// The symbols of books that owe a reset.
    var owingReset: [Int] { owingCount == 0 ? [] : books.indices.filter { books[$0].owesReset } }

    /// Returns the symbols of void books that are to be requested from the provider now, and treats
    /// them as requested.
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
