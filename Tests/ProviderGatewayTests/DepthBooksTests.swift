import Primitives
import Testing

@testable import ProviderGateway

@Suite("Which books may be believed")
struct DepthBooksTests {
    private static let second: Int64 = 1_000_000_000

    private func time(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanoseconds: nanoseconds) }

    @Test("a book begins with a reset, whoever says it; a recorded one goes on as it was")
    func begins() {
        var books = DepthBooks(isRecorded: false)
        #expect(!books.isKnown(3) && books.next(3) == .resetFirst && books.owing == [3])
        books.wroteReset(3)
        #expect(books.isKnown(3) && books.next(3) == .take && books.owing.isEmpty)
        #expect(books.emptied(1) == nil)
        #expect(books.next(1) == .take && books.takeToAsk(now: 0).isEmpty)
        var recorded = DepthBooks(isRecorded: true)
        #expect(recorded.next(0) == .take && recorded.owing.isEmpty)
    }

    @Test("one that lost a row takes none until it begins anew, and owes one reset")
    func void() {
        var books = DepthBooks(isRecorded: true)
        #expect(books.next(0) == .take)
        let news = [10, 30, 20].map { books.lost(0, to: time($0)) }
        #expect(news == [true, false, false])
        #expect(books.owing == [0] && books.voidCount == 1 && books.next(0) == .leaveOut)
        books.wroteReset(0)
        books.wroteReset(0)
        #expect(books.owing.isEmpty && books.next(0) == .leaveOut)
        let isNew = books.lost(0, to: time(40))
        #expect(!isNew && books.owing.isEmpty)
        #expect(books.emptied(0) == time(40))
        #expect(books.voidCount == 0 && books.next(0) == .take)
    }

    @Test("a reset that found no room comes before the next row")
    func owed() {
        var books = DepthBooks(isRecorded: true)
        #expect(books.next(0) == .take && books.emptied(0) == nil)
        books.owe(0)
        books.owe(0)
        #expect(books.owing == [0] && books.next(0) == .resetFirst)
        books.wroteReset(0)
        #expect(books.next(0) == .take)
    }

    @Test("the provider is asked once, again after a minute, and not twice in five seconds")
    func asks() {
        var books = DepthBooks(isRecorded: true)
        for symbol in 0..<3 { _ = books.lost(symbol, to: time(1)) }
        #expect(books.emptied(1) == time(1))
        #expect(books.takeToAsk(now: Self.second) == [0, 2])
        #expect(books.takeToAsk(now: 60 * Self.second).isEmpty)
        #expect(books.takeToAsk(now: 61 * Self.second) == [0, 2])
        #expect(books.emptied(0) == time(1))
        _ = books.lost(0, to: time(2))
        #expect(books.takeToAsk(now: 65 * Self.second).isEmpty)
        #expect(books.takeToAsk(now: 66 * Self.second) == [0])
    }
}
