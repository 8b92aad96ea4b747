import Primitives

/// Which books on the tape may be believed: whether the next row of each may follow there. Pure.
///
/// A row is an edit by its position. Where one is missing, every later one edits another book than
/// the provider's, so a book that lost a row is *void*: a reset goes onto the tape, later rows are
/// left out, and the provider is asked for the book anew. The reset with which it begins makes the
/// book whole again.
struct DepthBooks {
    enum Next {
        case take
        /// A reset goes before it.
        case resetFirst
        case leaveOut
    }

    private enum State {
        /// Neither a row nor a reset came yet: what a predecessor left is continued by nothing.
        case unseen
        case whole
        case void
    }

    private struct Book {
        var state = State.unseen
        /// A reset is to be put on the tape before anything else of it.
        var owesReset = false
        /// Since it became void, or was asked for anew.
        var isAsked = false
        var askedAt = Int64.min
        /// While it is void: what is missing is on record up to here.
        var toldTo = Timestamp.undefined
    }

    /// Between two wishes for one book, whatever happens to it: each costs the provider requests.
    static let askNanoseconds: Int64 = 5_000_000_000
    /// One that was asked for and has not begun is asked for again: a provider may have lost it.
    static let repeatNanoseconds: Int64 = 60_000_000_000

    /// Rows that were recorded follow what was recorded before them.
    private let isRecorded: Bool
    /// Per symbol, as far as any of them has a book.
    private var books: [Book] = []
    private(set) var voidCount = 0
    private var owingCount = 0

    init(isRecorded: Bool) { self.isRecorded = isRecorded }

    /// Of a row that is due.
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

    /// A row did not get onto the tape, or will not: what is missing is told up to this time. True:
    /// the book has just become void.
    mutating func lost(_ symbol: Int, to time: Timestamp) -> Bool {
        reach(symbol)
        let isNews = books[symbol].state != .void
        if isNews {
            set(symbol, .void)
            owe(symbol)
            books[symbol].isAsked = false
            books[symbol].toldTo = time
        }
        books[symbol].toldTo = max(books[symbol].toldTo, time)
        return isNews
    }

    /// The provider empties the book, and its rows follow. Answers, if it was void, up to where it
    /// is told what is missing. Its reset goes onto the tape now, or is owed.
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

    /// One is on its way onto the tape.
    mutating func wroteReset(_ symbol: Int) {
        guard symbol < books.count, books[symbol].owesReset else { return }
        books[symbol].owesReset = false
        owingCount -= 1
    }

    /// Any row or reset of it came.
    func isKnown(_ symbol: Int) -> Bool {
        symbol < books.count && books[symbol].state != .unseen
    }

    /// Symbols whose resets have to be put on the tape.
    var owing: [Int] { owingCount == 0 ? [] : books.indices.filter { books[$0].owesReset } }

    /// Symbols whose books the provider has to be asked for; each answer counts as asked. `now` is
    /// monotonic.
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
