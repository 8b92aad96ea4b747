import GraphLanguage
import MarketModel
import StreamCore
import Testing

@Suite("Expressions")
struct ExpressionTests {
    private typealias Instruction = TickExpression.Instruction

    private func compile(_ text: String, _ kind: DataKind = .trade) throws -> TickExpression {
        try TickExpression.compile(text, kind: kind)
    }

    private func problem(_ text: String, _ kind: DataKind = .trade) -> String {
        do {
            return "right: \(try compile(text, kind).text)"
        } catch {
            return "\(error)"
        }
    }

    @Test("numbers are exact, in 1e-9, and durations in nanoseconds")
    func numbers() throws {
        func first(_ text: String) throws -> Instruction? {
            try compile("\(text) < \(text)").instructions.first
        }
        #expect(try first("1") == .number(1_000_000_000))
        #expect(try first("0.000000001") == .number(1))
        #expect(try first("-2.50") == .number(-2_500_000_000))
        #expect(
            try first("18446744073709551615") == .number(18_446_744_073_709_551_615_000_000_000))
        #expect(try first("2s") == .number(2_000_000_000))
        #expect(try first("1.5ms") == .number(1_500_000))
        #expect(try first("1d") == .number(86_400_000_000_000))
    }

    @Test("a text that a trade got from no quote equals no text, not even an empty one")
    func lackingTexts() throws {
        func end(_ text: String) throws -> [Instruction] {
            let all = try TickExpression.compile(text, kind: .trade, isJoined: true)
            return all.instructions.suffix(2)
        }
        let pair: [Instruction] = [.isPaired, .and]
        #expect(try end("bid_exchange == \"\"") == pair)
        #expect(try end("bid_exchange in [N, \"\"]") == pair)
        #expect(try end("bid_exchange != 'N'") == pair)
        #expect(try end("exchange == \"\"") == [.textIs(.exchange, .empty)])
    }

    @Test("products bind before sums, sums before comparisons, not before and before or")
    func precedence() throws {
        let one = Instruction.number(1_000_000_000)
        let two = Instruction.number(2_000_000_000)
        #expect(
            try compile("price + 1 * 2 > size - 1").instructions == [
                .field(.price), one, two, .multiply, .add, .field(.size), one, .subtract, .greater,
            ])
        #expect(
            try compile("not delayed and price > 1 or size > 2 and snapshot").instructions == [
                .hasFlag(.delayed), .not, .field(.price), one, .greater, .and,
                .field(.size), two, .greater, .hasFlag(.snapshot), .and, .or,
            ])
        #expect(
            try compile("(price - 1) * 2 == -size").instructions == [
                .field(.price), one, .subtract, two, .multiply, .number(0), .field(.size),
                .subtract, .equal,
            ])
        #expect(
            try compile("price - 1 / 2 * size > 1").instructions == [
                .field(.price), one, two, .divide, .field(.size), .multiply, .subtract, one,
                .greater,
            ])
        #expect(
            try compile("not (delayed or snapshot)").instructions == [
                .hasFlag(.delayed), .hasFlag(.snapshot), .or, .not,
            ])
    }

    @Test("texts, codes, flags and symbols are instructions of their own")
    func texts() throws {
        let nyse = try #require(ShortText("NYSE"))
        let arca = try #require(ShortText("ARCA"))
        #expect(
            try compile("exchange == 'NYSE' and exchange != \"ARCA\"").instructions == [
                .textIs(.exchange, nyse), .textIs(.exchange, arca), .not, .and,
            ])
        #expect(
            try compile("exchange in [NYSE, 'ARCA']").instructions == [
                .textIs(.exchange, nyse), .textIs(.exchange, arca), .or,
            ])
        #expect(
            try compile("conditions has \"T\" and not out_of_session").instructions == [
                .textHas(.conditions, UInt8(ascii: "T")), .hasFlag(.outOfSession), .not, .and,
            ])
        #expect(
            try compile("not unreported and not past_limit").instructions == [
                .hasFlag(.unreported), .not, .hasFlag(.pastLimit), .not, .and,
            ])
        let listed = try compile("symbol in [SPY, \"BTC/USD\"] or symbol not in [BRK.B]")
        #expect(listed.instructions == [.symbolIsIn(0), .symbolIsIn(1), .not, .or])
        #expect(listed.symbolLists.map { $0.map(\.text) } == [["SPY", "BTC/USD"], ["BRK.B"]])
        #expect(try compile("\"SPY\" == symbol").symbolLists.map { $0.map(\.text) } == [["SPY"]])
    }

    @Test("times and durations are told apart from numbers")
    func times() throws {
        #expect(
            try compile("receive_time - time < 2s").instructions == [
                .field(.receiveTime), .field(.time), .subtract, .number(2_000_000_000), .less,
            ])
        #expect(
            try compile("receive_time > time + 2 * 500ms").instructions.suffix(3) == [
                .multiply, .add, .greater,
            ])
        #expect(problem("receive_time - time < 2").contains("unit"))
        #expect(problem("time + time > time").contains("cannot be added"))
        #expect(problem("time * 2 > time").contains("cannot be multiplied"))
        #expect(problem("price > 2s").contains("cannot be compared"))
        #expect(problem("time / 2 > time").contains("a time cannot be divided by a number"))
        #expect(problem("2 / 1s > 1").contains("a number cannot be divided by a duration"))
        #expect(
            try compile("(receive_time - time) / 2s > 0.5").instructions.suffix(3) == [
                .divide, .number(500_000_000), .greater,
            ])
        #expect(problem("(receive_time - time) / 2 < 1s").hasPrefix("right"))
    }

    @Test("fields of the other kind are refused")
    func kinds() throws {
        #expect(try compile("ask - bid > 0.01", .quote).instructions.count == 5)
        let advice = "bid is a field of quotes, and these are trades: pair them by a join"
        #expect(problem("bid > 1") == "character 1: \(advice)")
        #expect(problem("ask > 1 and size > 2", .quote).hasPrefix("character 13: size is a field"))
        #expect(problem("not unreported", .quote).contains("unreported is a field of trades"))
    }

    @Test("the canonical text has one blank between any two words")
    func canonical() throws {
        let text = "  price>0   and(size>=100 or\n exchange=='N')and symbol in[ SPY ,QQQ ]"
        let canonical =
            "price > 0 and (size >= 100 or exchange == \"N\") and symbol in [SPY, QQQ]"
        #expect(try compile(text).text == canonical)
        #expect(try compile(canonical).text == canonical)
        #expect(try compile(canonical) == compile(text))
    }

    @Test(
        "what is wrong is told with its character",
        arguments: [
            ("", "character 1: the expression is empty"),
            ("price", "character 1: the whole is a number"),
            ("prise > 1", "character 1: prise is no field or flag: did you mean price?"),
            ("price > 1 and", "character 14: a field, number or text is missing"),
            ("price > 1 size > 2", "character 11: size follows"),
            ("(price > 1", "character 11: a ')' is missing"),
            ("price = 1", "character 7: = is no comparison: write =="),
            ("price > 1 && size > 1", "character 11: write the words"),
            ("1 < price < 2", "character 11: compare two values at a time"),
            ("price > 1.0000000001", "character 9: 1.0000000001 is no number"),
            ("price > 7203.T", "character 9: 7203.T is no number"),
            ("price > \"1\"", "character 7: a number cannot be compared with the text"),
            ("exchange > \"A\"", "character 10: texts are compared by == and != alone"),
            ("exchange == \"TOO LONG TEXT\"", "longer than 8"),
            ("exchange == \"A", "character 13: this text has no end"),
            ("conditions has \"TI\"", "character 16: 'has' is followed by one character"),
            ("price has \"T\"", "character 7: 'has' asks for"),
            ("price in [1, 2]", "character 11: 1 is no item"),
            ("symbol in SPY", "character 11: 'in' is followed by a list"),
            ("symbol == SPY", "SPY is no field or flag"),
            ("price and size > 1", "character 7: 'and' takes conditions"),
            ("not price", "character 1: 'not' takes conditions"),
            ("price > #", "character 9: '#' means nothing here"),
            ("price > 1..2", "is no number"), ("-exchange == \"A\"", "has no sign"),
        ])
    func problems(text: String, part: String) {
        #expect(problem(text).contains(part), "\(problem(text))")
    }

    @Test("length, steps, stack and brackets are bounded")
    func bounds() {
        let brackets = String(repeating: "(", count: 5_00) + "price > 1"
        #expect(problem(brackets).contains("nested deeper"))
        #expect(
            problem(String(repeating: "not ", count: 500) + "delayed").contains("nested deeper"))
        #expect(problem(String(repeating: "-", count: 500) + "1 > 1").contains("nested deeper"))
        let many = Array(repeating: "delayed", count: 200).joined(separator: " or ")
        #expect(problem(many).contains("more than 256 steps"))
        #expect(problem(String(repeating: " ", count: 5_000) + "delayed").contains("longer than"))
        let deep =
            String(repeating: "delayed and (", count: 31) + "delayed"
            + String(repeating: ")", count: 31)
        #expect(problem(deep).hasPrefix("right"), "\(problem(deep))")
    }
}
