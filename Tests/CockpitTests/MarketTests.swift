import LatestValues
import MarketModel
import Primitives
import TestSupport
import Testing

@testable import Cockpit

@Suite("The market") struct MarketTests {
    private static let noon: Int64 = 1_795_694_400_000_000_000

    private static func time(_ seconds: Double) -> Timestamp {
        Timestamp(nanoseconds: noon + Int64(seconds * 1e9))
    }

    private static func value(
        _ symbol: String, _ source: String, _ kind: String, _ fields: [(String, String)],
        heard: Double = 0
    ) throws -> LatestValue {
        let name: SourceName = try #require(SourceName(source))
        var value = LatestValue(symbol: try #require(Symbol(symbol)), source: name, kind: kind)
        value.values = fields.map { (name: $0.0, text: $0.1) }
        value.heardAt = time(heard)
        return value
    }

    private static func trade(
        _ symbol: String, _ price: String, source: String = "ib", heard: Double = 0
    ) throws -> LatestValue {
        try value(symbol, source, "trade", [("price", price), ("size", "1")], heard: heard)
    }

    private static func take(
        _ values: [LatestValue], at seconds: Double, into board: inout MarketBoard
    ) {
        board.begin(at: MadeSighting.time(seconds), time(seconds))
        board.take(values, at: MadeSighting.time(seconds), time(seconds))
        board.end()
    }

    private static func question(_ parameters: [String: String] = [:]) throws -> MarketQuestion {
        try MarketQuestion(parameters)
    }

    private static func symbols(
        _ board: MarketBoard, _ parameters: [String: String]
    ) throws -> String {
        var board = board
        let page = board.page(try question(parameters))
        return page.rows.map { "\($0.key.symbol.text)@\($0.key.source.text)" }
            .joined(separator: " ")
    }

    @Test("a row has price, age and the trades of the last minute; what is not there any more goes")
    func rows() throws {
        var board = MarketBoard()
        let bar = try Self.value("A", "ib", "bar 1m", [("trades", "90")], heard: 10)
        let old = try Self.value("B", "ib", "bar 1m", [("trades", "90")], heard: -300)
        var unknown = try Self.trade("C", "3")
        unknown.unknown = "Valkey has none"
        let all = [try Self.trade("A", "1.50"), bar, try Self.trade("B", "2"), old, unknown]
        Self.take(all, at: 60, into: &board)
        #expect(board.readAt == MadeSighting.time(60) && board.hidden == 0)
        let page = board.page(try Self.question())
        #expect(page.total == 2 && page.rows.map(\.row.price) == ["1.50", "2"])
        #expect(page.rows.map(\.row.tradesPerSecond) == [1.5, nil])
        // Without its bar of now nothing is said of the rate.
        Self.take([try Self.trade("A", "1.50")], at: 61, into: &board)
        let later = board.page(try Self.question())
        #expect(later.rows.map(\.row.tradesPerSecond) == [nil])
        #expect(try Self.symbols(board, [:]) == "A@ib")
        // A round that was not ended says nothing.
        board.begin(at: MadeSighting.time(62), Self.time(62))
        #expect(board.readAt == MadeSighting.time(61))
    }

    @Test("rows keep their order until a round ends, with the prices of now")
    func order() throws {
        var board = MarketBoard()
        func prices(_ board: inout MarketBoard) throws -> [String] {
            board.page(try Self.question(["order": "price"])).rows.map(\.row.price)
        }
        Self.take([try Self.trade("A", "1"), try Self.trade("B", "2")], at: 60, into: &board)
        let first = try prices(&board)
        board.begin(at: MadeSighting.time(61), Self.time(61))
        let risen = [try Self.trade("A", "3"), try Self.trade("B", "2")]
        board.take(risen, at: MadeSighting.time(61), Self.time(61))
        let within = try prices(&board)
        board.end()
        let second = try prices(&board)
        #expect([first, within, second] == [["1", "2"], ["3", "2"], ["2", "3"]])
    }

    @Test("the change is that of the day, which begins anew at midnight in UTC")
    func change() throws {
        var board = MarketBoard()
        let trades = [try Self.trade("A", "110"), try Self.trade("B", "5")]
        Self.take(trades, at: 0, into: &board)
        #expect(board.withoutDay(1).count == 1 && board.withoutDay(9).count == 2)
        for key in board.withoutDay(9) {
            board.note(dayOpen: key.symbol.text == "A" ? 100 : nil, of: key)
        }
        #expect(board.withoutDay(9).isEmpty)
        let changes = board.page(try Self.question()).rows.map(\.row.change)
        let first = try #require(changes[0])
        #expect(abs(first - 0.1) < 1e-9 && changes[1] == nil)
        Self.take(trades, at: 86_400, into: &board)
        #expect(board.withoutDay(9).count == 2)
    }

    @Test("rows are in the order of each column, and those without a value always last")
    func orders() throws {
        var board = MarketBoard()
        let values = [
            try Self.trade("B", "10", heard: 5), try Self.trade("A", "9.5", heard: 1),
            try Self.trade("A", "100", source: "x", heard: 9), try Self.trade("C", "odd"),
        ]
        Self.take(values, at: 10, into: &board)
        for (order, wanted) in [
            ("symbol", "A@ib A@x B@ib C@ib"), ("-symbol", "C@ib B@ib A@ib A@x"),
            ("source", "A@ib B@ib C@ib A@x"), ("price", "A@ib B@ib A@x C@ib"),
            ("-price", "A@x B@ib A@ib C@ib"), ("age", "A@x B@ib A@ib C@ib"),
            ("-age", "C@ib A@ib B@ib A@x"), ("-change", "A@ib A@x B@ib C@ib"),
        ] {
            #expect(try Self.symbols(board, ["order": order]) == wanted, "\(order)")
        }
        #expect(try Self.symbols(board, ["from": "1", "count": "2"]) == "A@x B@ib")
        #expect(try Self.symbols(board, ["filter": "b"]) == "B@ib")
        #expect(try Self.symbols(board, ["from": "9"]) == "")
        // A new price has its place in the order at once.
        Self.take(values + [try Self.trade("D", "0.1")], at: 11, into: &board)
        #expect(try Self.symbols(board, ["order": "price", "count": "1"]) == "D@ib")
    }

    @Test("a line has a price of each slot, holes where nobody looked, and never more than 60")
    func lines() throws {
        var board = MarketBoard()
        func line() throws -> [Float] {
            let page = board.page(try Self.question())
            return try #require(page.rows.first).row.line
        }
        for (seconds, price) in [(0.0, "1"), (14, "2"), (15, "3"), (60, "4")] {
            Self.take([try Self.trade("A", price)], at: seconds, into: &board)
        }
        let found = try line()
        #expect(found.count == 5 && found[0] == 1 && found[1] == 3 && found[4] == 4)
        #expect(found[2].isNaN && found[3].isNaN)
        for slot in 5..<200 {
            Self.take([try Self.trade("A", "7")], at: Double(slot) * 15, into: &board)
        }
        let full = try line()
        #expect(full == Array(repeating: 7, count: MarketBoard.slotsMax))
        Self.take([try Self.trade("A", "8")], at: 1e8, into: &board)
        let after = try line()
        #expect(after.count == MarketBoard.slotsMax && after.last == 8)
        #expect(after.dropLast().allSatisfy { $0.isNaN })
    }

    @Test("more symbols than there is room for are counted")
    func bounds() throws {
        var board = MarketBoard()
        let values = try (0..<MarketBoard.rowsMax + 3).map { try Self.trade("S\($0)", "1") }
        Self.take(values, at: 0, into: &board)
        #expect(board.rows.count == MarketBoard.rowsMax && board.hidden == 3)
        Self.take(values, at: 1, into: &board)
        #expect(board.rows.count == MarketBoard.rowsMax && board.hidden == 3)
    }

    @Test("the document has the rows that are asked for, and when they were read")
    func document() throws {
        var board = MarketBoard()
        func json(_ problem: String? = nil) throws -> JSONValue {
            let question = try Self.question(["count": "1"])
            return try JSONValue.parse(
                MarketDocument(
                    page: board.page(question), question: question, all: board.rows.count,
                    hidden: board.hidden, readAt: board.readAt, problem: problem,
                    dayProblem: board.dayProblem
                ).json)
        }
        let before = try json("no\nway")
        #expect(before["at"] == nil && before["absence"]?.string == "no; way")
        let values = [try Self.trade("<b>", "1.50", heard: -3), try Self.trade("B", "2")]
        for seconds in [0.0, 30] { Self.take(values, at: seconds, into: &board) }
        #expect(try json()["day_problem"] == nil)
        board.dayProblem = "away\nnow"
        let found = try json()
        #expect(found["day_problem"]?.string == "away; now")
        #expect(found["at"]?.double == 1_030 && found["absence"] == nil)
        #expect(found["all"]?.int == 2 && found["total"]?.int == 2)
        let row = try #require(found["rows"]?.array?.first)
        #expect(row["symbol"]?.string == "<b>" && row["price"]?.string == "1.50")
        #expect(row["line"]?.array?.map(\.double) == [1.5, nil, 1.5])
        let heard = try #require(row["heard"]?.double)
        #expect(abs(heard - Double(Self.noon) / 1e9 + 3) < 1e-3 && row["change"] == nil)
    }

    @Test(
        "what makes no sense is refused in one sentence",
        arguments: [
            ["order": "volume"], ["order": ""], ["from": "-1"], ["from": "x"], ["count": "0"],
            ["count": "101"], ["from": "99999999999999999999"],
            ["filter": String(repeating: "x", count: 65)],
        ])
    func refused(parameters: [String: String]) throws {
        let error = #expect(throws: QuestionRefusal.self) { try MarketQuestion(parameters) }
        let sentence = try #require(error).description
        #expect(sentence.count < 100, "\(sentence)")
        #expect(MarketDesk().answer("/market.json", parameters, at: .distantPast)?.status == 400)
        #expect(MarketDesk().answer("/latest.json", parameters, at: .distantPast) == nil)
    }
}
