import MarketModel
import Primitives
import Testing

@testable import TapeTransport

@Suite("What is done about a wanted load")
struct LoadDecisionTests {
    /// A range of hours since 1970 in the words of the tables: `A,B 2-5`, and `running` if it is.
    /// With `of1d` it has bars.
    private static func range(_ text: String) throws -> LoadRange {
        let words = text.split(separator: " ").map(String.init)
        let hours = words[1].split(separator: "-").compactMap { Int64($0) }
        var range = LoadRange(
            try words[0].split(separator: ",").map { try #require(Symbol(String($0))) },
            (
                Timestamp(nanoseconds: hours[0] * 3_600_000_000_000),
                Timestamp(nanoseconds: hours[1] * 3_600_000_000_000)
            ), bars: words.first { $0.hasPrefix("of") }.map { String($0.dropFirst(2)) } ?? "",
            by: "anna@desk",
            at: Timestamp(nanoseconds: 5_000_000_000))
        range.state = words.last == "running" ? .running : .done
        return range
    }

    private static func decision(
        _ stored: [String], _ wanted: String, _ source: String = "binance-history"
    ) throws -> LoadDecision {
        var loads = SourceLoads()
        for text in stored { loads.set(try range(text)) }
        return LoadDecision(
            on: try range(wanted), among: loads, of: try #require(SourceName(source)))
    }

    @Test(
        "a later range begins, and the same one that is running continues",
        arguments: [
            ([], "A 2-5", LoadDecision.begin),
            (["A 2-5"], "A 5-7", .begin), (["A 2-5", "A 6-7"], "A,B 7-8", .begin),
            (["A 2-5"], "B 5-7", .begin), (["A 2-5 running"], "A 2-5", .resume),
            (["A 1-2", "B,A 2-5 running"], "A,B 2-5", .resume),
            (["A 2-5 of1h"], "A 5-7 of1h", .begin), (["A 2-5 of1h running"], "A 2-5 of1h", .resume),
        ])
    func begins(stored: [String], wanted: String, decision: LoadDecision) throws {
        #expect(try Self.decision(stored, wanted) == decision)
    }

    @Test(
        "a source that is on the tape beyond the beginning of a load is refused, with the way out",
        arguments: [(Int64?.none, true), (1, true), (2, true), (3, false)])
    func reached(hour: Int64?, isRight: Bool) throws {
        let source = try #require(SourceName("binance-history"))
        let reached = hour.map { Timestamp(nanoseconds: $0 * 3_600_000_000_000) } ?? .undefined
        let decision = LoadDecision(on: try Self.range("A 2-5"), reached: reached, of: source)
        guard !isRight, case .refused(let text) = decision else {
            #expect(isRight && decision == .begin)
            return
        }
        #expect(text.contains("begin at 1970-01-01T03:00:00Z"))
        #expect(text.contains("--source binance-history-2"))
    }

    @Test(
        "what would do harm is refused, with the way out",
        arguments: [
            (["A 2-5"], "A 2-5", "has A from 1970-01-01T02:00:00Z to 1970-01-01T05:00:00Z since"),
            (["A 2-5"], "A 2-5", "nothing to do"),
            (["A 2-5"], "A,B 4-6", "trades would be there twice: begin at 1970-01-01T05:00:00Z"),
            (["A 2-5"], "A 1-3", "twice"), (["A 2-5"], "A 3-4", "twice"),
            (["A 2-5"], "B 4-6", "loaded up to 1970-01-01T05:00:00Z, and bars of an earlier time"),
            (["A 2-5"], "A 1-2", "--source binance-history-2"),
            (["A 2-5 running"], "A 5-6", "is being loaded with A from 1970-01-01T02:00:00Z"),
            (["A 2-5 running"], "A 2-6", "begun by anna@desk at 1970-01-01T00:00:05Z"),
            (["A 2-5 running"], "A,B 2-5", "finish that first, by the same command"),
            (["A 2-5 of1h running"], "A 2-5", "finish that first, by the same command"),
            (
                ["A 2-5"], "A 5-7 of1d",
                "has trades, and a source has one kind of data: load the"
            ),
            (["A 2-5 of1h"], "A 5-7 of1d", "has bars (1h)"),
            (
                ["A 2-5 of1h"], "B 5-7",
                "load the trades as a source of their own: --source b"
            ),
            (["A 2-5 of1h"], "A 4-7 of1h", "bars (1h) would be there twice"),
        ])
    func refused(stored: [String], wanted: String, reason: String) throws {
        guard case .refused(let text) = try Self.decision(stored, wanted) else {
            Issue.record("\(wanted) is not refused")
            return
        }
        #expect(text.contains(reason), "\(text)")
    }

    @Test(
        "the proposed source counts on",
        arguments: [
            ("binance-history", "binance-history-2"), ("binance-history-2", "binance-history-3"),
            ("binance-history-99", "binance-history-100"), ("a-history-9", "a-history-10"),
            ("abcdefghijklm-history-99", nil), ("abcdefghijklmno-history", nil),
        ] as [(String, String?)])
    func next(source: String, following: String?) throws {
        let next = LoadDecision.next(after: try #require(SourceName(source)))
        #expect(next?.text == following)
    }

    @Test("a source takes so many ranges, and then another one has to be used")
    func bounded() throws {
        let full = (0..<SourceLoads.rangesMax).map { "A \($0)-\($0 + 1)" }
        let last = SourceLoads.rangesMax
        guard case .refused(let text) = try Self.decision(full, "A \(last)-\(last + 1)") else {
            Issue.record("a source takes any number of ranges")
            return
        }
        #expect(text.contains("the most: load it as a source of its own"))
        #expect(
            try Self.decision(Array(full.dropLast()) + ["A 90-91 running"], "A 90-91") == .resume)
    }
}
