import Primitives

/// Tracks which books on the tape are intact, so that the next row of each may follow there. Pure.
///
/// A row is an edit by position. After a missing row, every later row would edit another book than
/// the provider's. So a book that lost a row is *void*: a reset goes onto the tape, later rows are
/// left out, and the provider is asked to send the book again. That begins with a reset, which
/// makes the book intact again.
struct DepthBooks {
    enum Next {
        case take
        /// Take the row after a reset.
        case resetFirst
        case leaveOut
    }

    private enum State {
        /// Neither a row nor a reset has come yet. A new row must not continue the book that a
        /// predecessor left.
        case unseen
        case whole
        case void
    }

    private struct Book {
        var state = State.unseen
        /// A reset has to go onto the tape before any row of the book.
        var owesReset = false
        /// Whether the provider was asked for the book since it became void.
        var isAsked = false
        var askedAt = Int64.min
        /// While the book is void: the end of the missing time that is on record.
        var toldTo = Timestamp.undefined
    }

    /// The minimum time between two requests for one book, because each costs the provider
    /// requests.
    static let askNanoseconds: Int64 = 5_000_000_000
    /// The time after which a book that was requested and has not begun is requested again, as the
    /// provider may have lost the request.
    static let repeatNanoseconds: Int64 = 60_000_000_000

    /// Whether the rows are a recording. Then they continue the rows that were recorded before
    /// them.
    private let isRecorded: Bool
    /// The books by symbol number, up to the highest symbol that has a book.
    private var books: [Book] = []
    private(set) var voidCount = 0
    private var owingCount = 0

    init(isRecorded: Bool) { self.isRecorded = isRecorded }

    /// Returns what to do with a row that is due.
    mutating func next(_ symbol: Int) -> Next {
        reach(symbol)
        switch books[symbol].state {
        case .void: return .leaveOut
        case .unseen:
            set(symbol, .whole)
            if !isRecorded { owe(symbol) }
        case .whole: break
        }
        return books[symbol].owesReset ? .resetFirst : .take
    }

    /// Notes that a row is not, or will not be, on the tape, and that the gap is on record up to
    /// `time`. Returns true when the book has just become void.
    mutating func lost(_ symbol: Int, to time: Timestamp) -> Bool {
        reach(symbol)
        let isNew = books[symbol].state != .void
        if isNew {
            set(symbol, .void)
            owe(symbol)
            books[symbol].isAsked = false
            books[symbol].toldTo = time
        }
        books[symbol].toldTo = max(books[symbol].toldTo, time)
        return isNew
    }

    /// Notes that the provider empties the book and that its rows follow. Returns, for a void book,
    /// the time up to which its gap is on record. The reset must then be put on the tape or owed.
    mutating func emptied(_ symbol: Int) -> Timestamp? {
        reach(symbol)
        let toldTo = books[symbol].state == .void ? books[symbol].toldTo : nil
        set(symbol, .whole)
        return toldTo
    }

    mutating func owe(_ symbol: Int) {
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

    /// Symbols whose resets still have to go onto the tape.
    var owing: [Int] { owingCount == 0 ? [] : books.indices.filter { books[$0].owesReset } }

    /// Returns the symbols whose books are to be requested from the provider now, and treats them
    /// as requested. `now` is monotonic.
    mutating func takeToAsk(now: Int64) -> [Int] {
        guard voidCount > 0 else { return [] }
        let due = books.indices.filter { isDue(books[$0], now) }
        for symbol in due { (books[symbol].isAsked, books[symbol].askedAt) = (true, now) }
        return due
    }

    private func isDue(_ book: Book, _ now: Int64) -> Bool {
        guard book.state == .void else { return false }
        guard book.askedAt > Int64.min else { return true }
        let wait = book.isAsked ? Self.repeatNanoseconds : Self.askNanoseconds
        return now >= book.askedAt + wait
    }

    private mutating func set(_ symbol: Int, _ state: State) {
        voidCount += (state == .void ? 1 : 0) - (books[symbol].state == .void ? 1 : 0)
        books[symbol].state = state
    }

    private mutating func reach(_ symbol: Int) {
        while books.count <= symbol { books.append(Book()) }
    }
}
