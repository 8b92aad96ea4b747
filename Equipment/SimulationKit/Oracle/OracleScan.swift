package import MarketModel
package import Primitives
package import StreamCore

/// Computes what a scan must give, from the last versions of all bars.
///
/// It shares no code with the machine, and is slow.
package struct OracleScan {
    /// Identifies one number of a window, or of a symbol in it.
    package struct Place: Hashable, Sendable {
        package var number: String
        package var symbol: SourceSymbol?
        package var start: Timestamp

        package init(_ number: String, _ symbol: SourceSymbol?, _ start: Timestamp) {
            (self.number, self.symbol, self.start) = (number, symbol, start)
        }
    }

    /// The conditions of simulated scans, each as an expression and as plain code.
    package static let conditions: [(expression: TickExpression, holds: @Sendable (Bar) -> Bool)] =
        [
            (
                TickExpression(
                    text: "close >= open",
                    instructions: [.field(.close), .field(.open), .greaterOrEqual]),
                { $0.close.raw >= $0.open.raw }
            ),
            (
                TickExpression(
                    text: "high > low or count > 2",
                    instructions: [
                        .field(.high), .field(.low), .greater, .field(.count),
                        .number(2_000_000_000), .greater, .or,
                    ]),
                { $0.high.raw > $0.low.raw || $0.trades > 2 }
            ),
            (
                TickExpression(
                    text: "volume > 0", instructions: [.field(.volume), .number(0), .greater]),
                { $0.volume > 0 }
            ),
        ]

    private let rule: ScanRule
    private let holds: @Sendable (Bar) -> Bool
    private let bars: [BarKey: Bar]

    /// `condition` is the index in `conditions` of the rule's one.
    package init(_ rule: ScanRule, condition: Int, bars: [BarKey: Bar]) {
        self.rule = rule
        holds = Self.conditions[condition].holds
        self.bars = bars.filter { key, bar in
            key.series == rule.series && (bar.trades > 0 || bar.flags.contains(.withdrawn))
        }
    }

    /// What stands in the end. A symbol that is not listed has no number.
    package var numbers: [Place: Int128] {
        var numbers: [Place: Int128] = [:]
        for (start, all) in Dictionary(grouping: bars, by: \.value.openTime) {
            let met = all.filter { !$0.value.flags.contains(.withdrawn) && holds($0.value) }
            let listed = met.sorted { one, other in
                let ranks = [one, other].map { Self.number(rule.rank, $0.value) ?? Int128.min }
                return ranks[0] == ranks[1]
                    ? one.key.symbol < other.key.symbol : ranks[0] > ranks[1]
            }.prefix(rule.most)
            let one: Int128 = 1_000_000_000
            numbers[Place("met", nil, start)] = Int128(met.count) * one
            numbers[Place("left_out", nil, start)] = Int128(met.count - listed.count) * one
            for (key, bar) in listed {
                for field in rule.numbers {
                    numbers[Place(field.rawValue, key.symbol, start)] = Self.number(field, bar)
                }
            }
        }
        return numbers
    }

    /// Returns a number of a bar in 1e-9; `nil` when the bar has none.
    private static func number(_ field: TickField, _ bar: Bar) -> Int128? {
        let prices: [TickField: Price] = [
            .open: bar.open, .high: bar.high, .low: bar.low, .close: bar.close, .vwap: bar.vwap,
        ]
        if let price = prices[field] { return price.isDefined ? Int128(price.raw) : nil }
        return field == .volume ? bar.volume * 10 : Int128(bar.trades) * 1_000_000_000
    }
}
