import LatestValues
import MarketModel
import Primitives

/// The latest values as the lines of a table.
enum LatestTable {
    static let head = [
        "SYMBOL", "KIND", "SOURCE", "VALUE", "ORDINAL", "AGE", "FROM", "FEED", "WATERMARK",
        "BEHIND", "GAPS",
    ]
    /// The columns of numbers.
    static let numbers: Set<Int> = [4, 5, 9, 10]

    static func line(_ value: LatestValue, _ now: Timestamp) -> [String] {
        let who = [value.symbol.text, value.kind, value.source?.text ?? "-"]
        if let why = value.unknown {
            return who + ["unknown: \(why)"] + Array(repeating: "-", count: head.count - 4)
        }
        let age = value.age(now).map { "\(Duration.nanoseconds($0).shown)" }
        let watermark = value.feed?.watermark ?? .undefined
        return who + [
            value.values.map { "\($0.name) \($0.text)" }.joined(separator: " "),
            value.ordinal.map(String.init) ?? "unknown", age ?? "unknown",
            value.isOfDatabase ? "Valkey (database)" : "Valkey (tape)",
            value.feed?.state(now) ?? "unknown",
            watermark.isDefined ? "\(watermark)" : "unknown",
            value.behind.map(String.init) ?? "unknown", value.gaps.map(String.init) ?? "unknown",
        ]
    }
}
