import Primitives
import TestSupport
import Testing

@testable import Cockpit

private struct Choice: Choosable {
    static let plural = "charts"
    let name: Int
    var intervalNanoseconds: Int64 = 1_000_000_000
}

@Suite("Questions with parameters") struct QuestionBookTests {
    private typealias Book = QuestionBook<Choice, String>

    private func known(_ look: Book.Look) -> Known<String>? {
        switch look {
        case .known(let known): known
        case .refused: nil
        }
    }

    private let time = MadeSighting.time

    @Test("a question is asked once in its interval, however many look, and then no more")
    func interval() {
        var book = Book()
        let choice = Choice(name: 1)
        #expect(book.next(at: time(0)) == nil && book.dueAt == nil)
        #expect(book.look(choice, at: time(0)).isNew)
        var asked: [Double] = []
        for tenth in 0..<30 {
            let now = time(Double(tenth) / 10)
            for _ in 0..<50 { #expect(!book.look(choice, at: now).isNew) }
            guard let key = book.next(at: now) else { continue }
            #expect(key == choice)
            asked.append(Double(tenth) / 10)
            book.put(key, Known(value: "\(tenth)", measuredAt: now))
        }
        #expect(asked == [0, 1, 2])
        #expect(known(book.look(choice, at: time(2.9)).look)?.value == "20")
        // Nobody looks any more: it is forgotten.
        #expect(book.next(at: time(7.8)) == choice)
        #expect(book.next(at: time(7.9)) == nil && book.dueAt == nil)
        #expect(known(book.look(choice, at: time(8)).look)?.value == nil)
    }

    @Test("the one that waits for longest is next, and a slow interval is kept")
    func order() {
        var book = Book()
        let slow = Choice(name: 3, intervalNanoseconds: 3_000_000_000)
        for choice in [Choice(name: 1), Choice(name: 2), slow] {
            _ = book.look(choice, at: time(0))
        }
        var names: [Int] = []
        for second in 0..<4 {
            let now = time(Double(second))
            for choice in [slow, Choice(name: 1), Choice(name: 2)] {
                _ = book.look(choice, at: now)
            }
            while let key = book.next(at: now) {
                names.append(key.name)
                book.put(key, Known(value: "", measuredAt: now))
            }
        }
        #expect(names == [1, 2, 3, 1, 2, 1, 2, 1, 2, 3])
    }

    @Test("at one more than the most the oldest is refused with a sentence, once")
    func full() {
        var book = Book()
        let most = Book.openMax
        for name in 0..<most { _ = book.look(Choice(name: name), at: time(0)) }
        #expect(book.look(Choice(name: most), at: time(1)).isNew)
        let (look, isNew) = book.look(Choice(name: 0), at: time(1))
        #expect(known(look) == nil && !isNew)
        #expect(Book.refusal.contains("more than 48 different charts"))
        var asked: [Int] = []
        while let key = book.next(at: time(1)) { asked.append(key.name) }
        #expect(asked == Array(1...most))
        // Its answer comes too late, and is dropped.
        book.put(Choice(name: 0), Known(value: "late", measuredAt: time(1)))
        // The next look asks again, and another one has to go.
        #expect(book.look(Choice(name: 0), at: time(2)).isNew)
        #expect(known(book.look(Choice(name: 0), at: time(2)).look)?.value == nil)
        #expect(known(book.look(Choice(name: 1), at: time(2)).look) == nil)
    }

    @Test("however many are refused, no more is remembered than may be open")
    func bounded() {
        var book = Book()
        for name in 0..<1_000 { _ = book.look(Choice(name: name), at: time(0)) }
        let refused = (0..<1_000).filter {
            known(book.look(Choice(name: $0), at: time(10)).look) == nil
        }
        #expect(refused.count <= 2 * Book.openMax)
        var count = 0
        while book.next(at: time(10)) != nil { count += 1 }
        #expect(count <= Book.openMax)
    }

    @Test("a failure keeps the last answer with its time, and says why")
    func failure() {
        var book = Book()
        let choice = Choice(name: 1)
        _ = book.look(choice, at: time(0))
        #expect(book.next(at: time(0)) == choice)
        #expect(
            known(book.look(choice, at: time(3)).look)?.absence(at: time(3)) == "no answer for 3 s")
        book.put(choice, Known(value: "a", measuredAt: time(0)))
        #expect(book.next(at: time(3)) == choice)
        book.fail(choice, "away", at: time(3))
        #expect(book.dueAt == time(8))
        let known = known(book.look(choice, at: time(4)).look)
        #expect(known?.value == "a" && known?.measuredAt == time(0))
        #expect(known?.absence(at: time(4)) == "away")
    }
}
