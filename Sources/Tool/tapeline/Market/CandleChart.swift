/// Candles in a terminal, one column each. The wick reaches from the lowest to the highest price,
/// the body from the first to the last. Without colour, a rising body is light and a falling one
/// dark.
struct CandleChart {
    private struct Column {
        var candle: Candle
        /// `nil` for a bar without prices.
        var prices: (open: Double, high: Double, low: Double, close: Double)?
    }

    private let shown: [Column]
    private let height: Int
    private let isColored: Bool
    private let labelWidth: Int
    private let hasFirstBar: Bool

    static let heightRange = 5...30
    private static let marks = (wick: "│", rising: "░", falling: "█")

    /// Shows the newest candles for which there is room. `isWhole`: they are all of their series.
    init(
        _ candles: [Candle], columns: Int, rows: Int, isColored: Bool, isWhole: Bool = false
    ) {
        let widest = candles.flatMap { [$0.high, $0.low] }.compactMap { $0?.count }.max() ?? 1
        labelWidth = widest
        // A row needs a price, a blank and the axis. The title, the notes and the times need lines.
        let room = max(1, columns - widest - 2)
        hasFirstBar = isWhole && candles.count <= room
        shown = candles.suffix(room).map { candle in
            let numbers = [candle.open, candle.high, candle.low, candle.close]
                .compactMap { $0.flatMap(Double.init) }.filter(\.isFinite)
            guard numbers.count == 4 else { return Column(candle: candle, prices: nil) }
            return Column(
                candle: candle, prices: (numbers[0], numbers[1], numbers[2], numbers[3]))
        }
        height = min(max(rows - 5, Self.heightRange.lowerBound), Self.heightRange.upperBound)
        self.isColored = isColored
    }

    var lines: [String] {
        guard let top = shown.compactMap({ $0.prices?.high }).max(),
            let bottom = shown.compactMap({ $0.prices?.low }).min()
        else { return ["none of these bars has a price"] }
        let drawnColumns = shown.map { cells(of: $0, bottom, top) }
        let drawn = (0..<height).map { row in
            let line = drawnColumns.map { $0[row] }.joined()
            return "\(label(row, bottom, top).leftPadded(to: labelWidth)) ┤\(line)"
        }
        let indent = String(repeating: " ", count: labelWidth + 2)
        let marks = shown.map { $0.candle.isWhole ? " " : "?" }.joined()
        let hasMarks = marks.contains("?")
        return drawn + (hasMarks ? [indent + marks] : []) + [indent + times]
            + (hasMarks ? [legend] : [])
    }

    /// What the mark of partial bars means. Before the first bar there is nothing to be missing.
    private var legend: String {
        let isBeginning = hasFirstBar && shown.dropFirst().allSatisfy(\.candle.isWhole)
        return isBeginning
            ? "?: partial, the series begins within it"
            : "?: partial, it overlaps a gap or the start of a subscription"
    }

    /// Labels the rows of the highest and the lowest price, as the database writes them.
    private func label(_ row: Int, _ bottom: Double, _ top: Double) -> String {
        if row == 0 { return shown.first { $0.prices?.high == top }?.candle.high ?? "" }
        guard row == height - 1 else { return "" }
        return shown.first { $0.prices?.low == bottom }?.candle.low ?? ""
    }

    private var times: String {
        guard let first = shown.first?.candle.time, let last = shown.last?.candle.time else {
            return ""
        }
        let room = shown.count - first.count - last.count
        guard room > 0 else { return "\(first) … \(last)" }
        return first + String(repeating: " ", count: room) + last
    }

    /// Returns the cells from top to bottom.
    private func cells(of column: Column, _ bottom: Double, _ top: Double) -> [String] {
        guard let prices = column.prices else {
            return Array(repeating: " ", count: height)
        }
        let row = { (price: Double) -> Int in
            guard top > bottom else { return height / 2 }
            let part = (top - price) / (top - bottom)
            return min(max(Int((part * Double(height - 1)).rounded()), 0), height - 1)
        }
        let isRising = prices.close >= prices.open
        let body = row(max(prices.open, prices.close))...row(min(prices.open, prices.close))
        let wick = row(prices.high)...row(prices.low)
        return (0..<height).map { place in
            guard wick.contains(place) else { return " " }
            let mark =
                body.contains(place)
                ? (isRising && !isColored ? Self.marks.rising : Self.marks.falling)
                : Self.marks.wick
            return isColored ? "\u{1B}[\(isRising ? 32 : 31)m\(mark)\u{1B}[0m" : mark
        }
    }
}
