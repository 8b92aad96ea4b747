import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("ExpressionEvaluator")
struct ExpressionEvaluatorTests {
    private typealias Instruction = TickExpression.Instruction

    private func isMet(
        _ instructions: [TickExpression.Instruction], by trade: Trade,
        lists: [[Symbol]] = [], symbols: [Symbol] = []
    ) -> Bool {
        var evaluator = ExpressionEvaluator(
            TickExpression(text: "", instructions: instructions, symbolLists: lists))
        for (index, symbol) in symbols.enumerated() { evaluator.define(UInt32(index), symbol) }
        return evaluator.isMet(by: trade)
    }

    private let trade = TickSamples.trade(
        price: 2_500_000_000, size: 400_000_000, id: 7, received: 1_000, exchange: "NYS",
        conditions: "@I", flags: .outOfSession)

    @Test("numbers are in 1e-9, and so is a product")
    func numbers() {
        #expect(isMet([.field(.price), .number(2_500_000_000), .equal], by: trade))
        #expect(isMet([.field(.size), .number(4_000_000_000), .equal], by: trade))
        #expect(isMet([.field(.id), .number(7_000_000_000), .equal], by: trade))
        #expect(isMet([.field(.receiveTime), .number(1_000), .equal], by: trade))
        #expect(
            isMet(
                [.field(.price), .field(.size), .multiply, .number(10_000_000_000), .equal],
                by: trade))
        #expect(
            isMet(
                [.field(.receiveTime), .field(.time), .subtract, .number(5), .greaterOrEqual],
                by: trade))
    }

    @Test("a quotient is rounded half away from zero to 1e-9; by zero there is none")
    func quotients() {
        let max = Int128.max
        let one: Int128 = 1_000_000_000
        let two: Int128 = 2_000_000_000
        let three: Int128 = 3_000_000_000
        let quarter: Int128 = 250_000_000
        let some: [(Int128, Int128, Int128)] = [
            (one, two, 500_000_000), (two, three, 666_666_667), (one, three, 333_333_333),
            (-two, three, -666_666_667), (two, -three, -666_666_667), (-quarter, -one, quarter),
            (0, -one, 0),
            // Exactly a half of 1e-9, and what is just below it.
            (1, two, 1), (-1, two, -1), (1, -two, -1), (1, 2_000_000_001, 0),
            // The dividend times 1e9 needs more than 128 bits, and the quotient does not.
            (max / 2, two, max / 4 + 1), (max - 1, max - 1, one),
        ]
        let none: [(Int128, Int128)] = [
            (max, one), (max, 1), (max, 2), (-max, 3), (one, 0), (0, 0),
        ]
        let all = some.map { ($0, $1, Optional($2)) } + none.map { ($0, $1, nil) }
        for (left, right, quotient) in all {
            let division: [TickExpression.Instruction] = [.number(left), .number(right), .divide]
            guard let quotient else {
                #expect(!isMet(division + [.number(0), .less], by: trade), "\(left) / \(right)")
                #expect(!isMet(division + [.number(0), .greaterOrEqual], by: trade))
                continue
            }
            #expect(
                isMet(division + [.number(quotient), .equal], by: trade), "\(left) / \(right)")
        }
        #expect(!isMet([.field(.bid), .number(one), .divide, .number(0), .notEqual], by: trade))
    }

    @Test("texts, codes, flags and symbols")
    func words() throws {
        let nys = try #require(ShortText("NYS"))
        #expect(isMet([.textIs(.exchange, nys)], by: trade))
        #expect(isMet([.textHas(.conditions, UInt8(ascii: "I"))], by: trade))
        #expect(!isMet([.textHas(.conditions, UInt8(ascii: "Z"))], by: trade))
        #expect(isMet([.hasFlag(.outOfSession)], by: trade))
        #expect(!isMet([.hasFlag(.delayed)], by: trade))
        let names = try ["A", "B"].map { try #require(Symbol($0)) }
        #expect(isMet([.symbolIsIn(0)], by: trade, lists: [[names[0]]], symbols: names))
        #expect(!isMet([.symbolIsIn(0)], by: trade, lists: [[names[1]]], symbols: names))
        #expect(isMet([.symbolIsIn(0), .not], by: trade, lists: [[names[1]]], symbols: names))
    }

    @Test("what is undefined or leaves 128 bits makes its comparison false")
    func undefined() {
        let undefined = TickSamples.trade(price: Int64.max, received: 1_000)
        for comparison: TickExpression.Instruction in [
            .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater,
        ] {
            #expect(!isMet([.field(.price), .number(0), comparison], by: undefined))
            #expect(!isMet([.field(.bid), .number(0), comparison], by: trade))
            #expect(
                !isMet(
                    [.number(Int128.max), .number(Int128.max), .multiply, .number(0), comparison],
                    by: trade))
        }
        #expect(isMet([.field(.price), .number(0), .greater, .not], by: undefined))
    }

    @Test("instructions that do not fit together let nothing through, and trap nothing")
    func malformed() {
        #expect(!isMet([], by: trade))
        #expect(!isMet([.and], by: trade))
        #expect(!isMet([.number(1), .less], by: trade))
        #expect(!isMet([.hasFlag([]), .hasFlag([])], by: trade))
        let deep = [TickExpression.Instruction](repeating: .hasFlag([]), count: 33)
        let ends = [TickExpression.Instruction](repeating: .and, count: 32)
        #expect(!isMet(deep + ends, by: trade))
        #expect(isMet(deep.dropLast() + ends.dropLast(), by: trade))
        #expect(!isMet([.symbolIsIn(3)], by: trade))
    }

    /// Returns a random condition with its value, computed while it is written.
    private func random(
        _ random: inout SeededRandom, depth: Int
    ) -> (instructions: [TickExpression.Instruction], value: Bool) {
        if depth == 0 {
            let left = Int128(Int64.random(in: 0...4, using: &random)) * 1_000_000_000
            let isLess = Bool.random(using: &random)
            return (
                [.field(.price), .number(left), isLess ? .less : .equal],
                isLess ? 2_500_000_000 < left : 2_500_000_000 == left
            )
        }
        let left = self.random(&random, depth: depth - 1)
        let right = self.random(&random, depth: depth - 1)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: return (left.instructions + right.instructions + [.and], left.value && right.value)
        case 1: return (left.instructions + right.instructions + [.or], left.value || right.value)
        default: return (left.instructions + [.not], !left.value)
        }
    }

    @Test("nested conditions", arguments: [1, 2, 3, 4] as [UInt64])
    func nested(seed: UInt64) {
        var generator = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let (instructions, value) = random(&generator, depth: 4)
            #expect(isMet(instructions, by: trade) == value, "seed \(seed)")
        }
    }
}
