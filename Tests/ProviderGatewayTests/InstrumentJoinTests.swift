import MarketModel
import Primitives
import TapeTransport
import Testing

@testable import ProviderGateway

@Suite("The own list of a gateway, joined with the watchlist")
struct InstrumentJoinTests {
    /// Own list, watchlist (`+A`: added, `-A`: removed from the own list, `~A`: an added one was
    /// removed), and what is wanted, added and hidden.
    private static let table: [(String, String, wanted: String, added: String, hidden: String)] = [
        ("A B", "", "A B", "", ""),
        ("A B", "+D +C", "A B C D", "C D", ""),
        ("A B", "-A", "B", "", "A"),
        ("A B", "-A +C", "B C", "C", "A"),
        ("A B", "~A ~C", "A B", "", ""),
        // In both: the own list counts.
        ("A B", "+A", "A B", "", ""),
        // A removal of what the own list does not have any more.
        ("A", "-B", "A", "", ""),
    ]

    static func list(_ words: String) throws -> Watchlist {
        var list = Watchlist()
        for word in words.split(separator: " ") {
            let symbol = try #require(Symbol(String(word.dropFirst())))
            let change: Watchlist.Change =
                switch word.first {
                case "+": .added(definition: definition(symbol.text))
                case "-": .removed(hidesListed: true)
                case let other: .removed(hidesListed: other != "~")
                }
            list.set(
                symbol,
                Watchlist.Entry(
                    change, by: "anna@desk", at: Timestamp(nanoseconds: 5), note: "a test"))
        }
        return list
    }

    static func definition(_ symbol: String, _ more: String = "") -> String {
        #"{"symbol":"\#(symbol)","exchange":"SMART","currency":"USD"\#(more)}"#
    }

    private func instruments(_ words: String) throws -> [Instrument] {
        try words.split(separator: " ").map { .named(try #require(Symbol(String($0)))) }
    }

    private func join(
        _ listed: String, _ list: Watchlist, isBySymbol: Bool = false
    ) throws -> InstrumentJoin {
        InstrumentJoin(
            try instruments(listed), list,
            InstrumentJoin.Reading(providers: ["ibkr"], isBySymbol: isBySymbol))
    }

    private func text(_ symbols: some Sequence<Symbol>) -> String {
        symbols.map(\.text).joined(separator: " ")
    }

    @Test("removals hide, additions come behind, and the own list counts", arguments: table.indices)
    func joined(index: Int) throws {
        let (listed, words, wanted, added, hidden) = Self.table[index]
        let join = try join(listed, Self.list(words))
        #expect(text(join.instruments.map(\.symbol)) == wanted)
        #expect(text(join.added.sorted { $0.text < $1.text }) == added)
        #expect(text(join.hidden) == hidden)
        #expect(join.problems.isEmpty, "\(join.problems)")
    }

    @Test("an added instrument has its fields; by symbol alone it needs none")
    func fields() throws {
        var list = Watchlist()
        let symbol = try #require(Symbol("C"))
        let entry = { (definition: String) in
            Watchlist.Entry(
                .added(definition: definition), by: "a", at: Timestamp(nanoseconds: 1), note: "")
        }
        list.set(symbol, entry(Self.definition("C", #","feeds":["trades","bars"],"lot":40"#)))
        let instrument = try #require(try join("A", list).instruments.last)
        #expect(instrument.contract.exchange == "SMART" && instrument.contract.currency == "USD")
        #expect(instrument.feeds == [.trades, .bars] && instrument.lot != nil)
        list.set(symbol, entry(""))
        #expect(try join("A", list, isBySymbol: true).instruments.last == .named(symbol))
    }

    @Test("what does not hold is left out and named; the rest holds")
    func problems() throws {
        var list = try Self.list("+C")
        let wrong = [
            ("D", #"{"symbol":"D"}"#, "exchange is missing"),
            ("E", Self.definition("F"), "its definition is that of F"),
            ("G", Self.definition("G", #","providers":["other"]"#), "nobody delivers G"),
            ("H", #""H", "I""#, "is missing"),
            ("J", "", "is left out"),
            ("K", #"{"symbol":"K"}], "include": ["/etc/passwd"], "x": [{}"#, "is left out"),
        ]
        for (symbol, definition, _) in wrong {
            list.set(
                try #require(Symbol(symbol)),
                Watchlist.Entry(
                    .added(definition: definition), by: "a", at: Timestamp(nanoseconds: 1),
                    note: ""))
        }
        let join = try join("A", list)
        #expect(text(join.instruments.map(\.symbol)) == "A C")
        #expect(join.problems.count == wrong.count)
        for (problem, expected) in zip(join.problems, wrong) {
            #expect(problem.hasPrefix("\(expected.0) is left out"), "\(problem)")
            #expect(problem.contains(expected.2), "\(problem)")
        }
    }

    @Test("a source keeps its own list when everything is removed, and takes no more than it may")
    func bounds() throws {
        let all = try join("A B", Self.list("-A -B"))
        #expect(text(all.instruments.map(\.symbol)) == "A B" && all.hidden.isEmpty)
        #expect(all.problems.count == 1)
        let full = (0..<ProviderLimits.instrumentsMax).map { "S\($0)" }.joined(separator: " ")
        let more = try join(full, Self.list("+T -S7 +U"), isBySymbol: true)
        #expect(more.instruments.count == ProviderLimits.instrumentsMax)
        #expect(more.problems.count == 1 && more.problems[0].hasPrefix("U is left out"))
    }
}
