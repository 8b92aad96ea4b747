/// A stored bar for display. Numbers are texts as the database writes them.
struct Candle: Equatable, Sendable {
    var time = ""
    var open: String?
    var high: String?
    var low: String?
    var close: String?
    var volume = ""
    var vwap: String?
    var trades = ""
    var version = ""
    var reason = ""
    var isWhole = true
    var isMixed = false
    var source = ""
    /// Whether it is not certain that this was known at the time that was asked for.
    var isUncertain = false

    init() {}

    /// Takes the columns in the order in which `BarsCommand` selects them.
    init(_ row: [String?]) {
        time = row[0] ?? "-"
        (open, high, low, close) = (row[1], row[2], row[3], row[4])
        volume = row[5] ?? "-"
        vwap = row[6]
        trades = row[7] ?? "-"
        version = row[8] ?? "-"
        reason = row[9] ?? "-"
        isWhole = row[10] == "t"
        isMixed = row[11] == "t"
        source = row[12] ?? "-"
        isUncertain = row[13] == "t"
    }

    /// Remarks that a person must know before trusting the numbers.
    var note: String {
        var notes: [String] = isUncertain ? ["uncertain"] : []
        if !isWhole { notes.append("partial") }
        if isMixed { notes.append("two providers") }
        if version != "1" { notes.append("version \(version): \(reason)") }
        return notes.joined(separator: ", ")
    }

    static func table(_ candles: [Candle], withSource: Bool) -> [String] {
        let numbers = ["OPEN", "HIGH", "LOW", "CLOSE", "VOLUME", "VWAP", "TRADES"]
        let head = ["TIME"] + numbers + (withSource ? ["SOURCE"] : []) + ["NOTE"]
        let rows = candles.map { candle in
            [
                candle.time, candle.open ?? "-", candle.high ?? "-", candle.low ?? "-",
                candle.close ?? "-", candle.volume, candle.vwap ?? "-", candle.trades,
            ] + (withSource ? [candle.source] : []) + [candle.note]
        }
        return TextTable.lines([head] + rows, numbers: Set(1...7)).map(\.trimmed)
    }
}

extension String {
    /// The text without trailing blanks.
    fileprivate var trimmed: String {
        String(self[..<(lastIndex { $0 != " " }.map { index(after: $0) } ?? startIndex)])
    }
}
