import MarketModel
import Primitives

/// Which rows of the market a page shows. Everything in it comes from outside.
struct MarketQuestion: Equatable, Sendable {
    static let path = "/market.json"
    /// The parameters that requests may have.
    static let parameters = ["filter", "order", "from", "count"]
    /// The most rows of one answer.
    static let countMax = 100
    static let filterBytesMax = 64

    enum Column: String, CaseIterable, Sendable {
        case symbol, source, price, change, rate, age
    }

    /// A column, and whether the highest value is the first.
    struct Order: Hashable, Sendable {
        var column = Column.symbol
        var isDown = false
    }

    var filter = ""
    var order = Order()
    var from = 0
    var count = MarketQuestion.countMax

    /// `order` is the name of a column, with a minus before it if the highest value is the first.
    init(_ parameters: [String: String]) throws(QuestionRefusal) {
        filter = parameters["filter"] ?? ""
        guard filter.utf8.count <= Self.filterBytesMax else {
            throw QuestionRefusal("a filter has at most \(Self.filterBytesMax) bytes")
        }
        let name = parameters["order"] ?? Column.symbol.rawValue
        guard let column = Column(rawValue: String(name.drop { $0 == "-" })) else {
            let names = Column.allCases.map(\.rawValue).joined(separator: ", ")
            throw QuestionRefusal("rows are in the order of \(names)")
        }
        order = Order(column: column, isDown: name.hasPrefix("-"))
        from = try Self.number(parameters["from"], 0...MarketBoard.rowsMax) ?? 0
        count = try Self.number(parameters["count"], 1...Self.countMax) ?? Self.countMax
    }

    private static func number(
        _ text: String?, _ range: ClosedRange<Int>
    ) throws(QuestionRefusal) -> Int? {
        guard let text, !text.isEmpty else { return nil }
        guard text.utf8.count <= 9, let number = Int(text), range.contains(number) else {
            throw QuestionRefusal(
                "a number of rows is from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}

extension MarketQuestion.Order {
    /// What rows are compared by: a text, or a number.
    enum Value: Sendable {
        case text(String)
        case number(Double)
        case missing
    }

    func value(of key: MarketBoard.Key, _ row: MarketBoard.Row) -> Value {
        switch column {
        case .symbol: .text(key.symbol.text)
        case .source: .text(key.source.text)
        case .price: Self.number(row.number)
        case .change: Self.number(row.change)
        case .rate: Self.number(row.tradesPerSecond)
        case .age:
            row.heardAt.isDefined ? .number(-Double(row.heardAt.nanoseconds)) : .missing
        }
    }

    private static func number(_ value: Double?) -> Value {
        value.map { .number($0) } ?? .missing
    }

    /// What is equal is in the order of symbols and sources, so that rows stay where they are.
    func isBefore(
        _ one: (key: MarketBoard.Key, value: Value), _ other: (key: MarketBoard.Key, value: Value)
    ) -> Bool {
        switch (one.value, other.value) {
        case (.missing, .missing): break
        case (.missing, _): return false
        case (_, .missing): return true
        case (.text(let first), .text(let second)):
            if first != second { return (first < second) != isDown }
        case (.number(let first), .number(let second)):
            if first != second { return (first < second) != isDown }
        case (.text, .number): return true
        case (.number, .text): return false
        }
        let (first, second) = (one.key.symbol.text, other.key.symbol.text)
        return first != second ? first < second : one.key.source.text < other.key.source.text
    }
}
