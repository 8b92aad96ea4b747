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
        #expect(!books.isKnown(3) && books.next(3) == .resetFirst && books.owingReset == [3])
        books.wroteReset(3)
        #expect(books.isKnown(3) && books.next(3) == .take && books.owingReset.isEmpty)
        #expect(books.restarted(1) == nil)
        #expect(books.next(1) == .take && books.takeDueRequests(now: .at(0)).isEmpty)
        var recorded = DepthBooks(isRecorded: true)
        #expect(recorded.next(0) == .take && recorded.owingReset.isEmpty)
    }

    @Test("one that lost a row takes none until it begins anew, and owes one reset")
    func void() {
        var books = DepthBooks(isRecorded: true)
        #expect(books.next(0) == .take)
        let news = [10, 30, 20].map { books.markVoid(0, until: time($0)) }
        #expect(news == [true, false, false])
        #expect(books.owingReset == [0] && books.voidCount == 1 && books.next(0) == .leaveOut)
        books.wroteReset(0)
        books.wroteReset(0)
        #expect(books.owingReset.isEmpty && books.next(0) == .leaveOut)
        let isNew = books.markVoid(0, until: time(40))
        #expect(!isNew && books.owingReset.isEmpty)
        #expect(books.restarted(0) == time(40))
        #expect(books.voidCount == 0 && books.next(0) == .take)
    }

    @Test("a reset that found no room comes before the next row")
    func owed() {
        var books = DepthBooks(isRecorded: true)
        #expect(books.next(0) == .take && books.restarted(0) == nil)
        books.oweReset(0)
        books.oweReset(0)
        #expect(books.owingReset == [0] && books.next(0) == .resetFirst)
        books.wroteReset(0)
        #expect(books.next(0) == .take)
    }

    @Test("the provider is asked once, again after a minute, and not twice in five seconds")
    func asks() {
        var books = DepthBooks(isRecorded: true)
        for symbol in 0..<3 { _ = books.markVoid(symbol, until: time(1)) }
        #expect(books.restarted(1) == time(1))
        #expect(books.takeDueRequests(now: .at(Self.second)) == [0, 2])
        #expect(books.takeDueRequests(now: .at(60 * Self.second)).isEmpty)
        #expect(books.takeDueRequests(now: .at(61 * Self.second)) == [0, 2])
        #expect(books.restarted(0) == time(1))
        _ = books.markVoid(0, until: time(2))
        #expect(books.takeDueRequests(now: .at(65 * Self.second)).isEmpty)
        #expect(books.takeDueRequests(now: .at(66 * Self.second)) == [0])
    }
}
