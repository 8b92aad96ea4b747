import LatestValues
import MarketModel
import Primitives

/// All symbols with their last prices, as the hot state has them, and a line of each over the last
/// 15 minutes, as far as a page looked. Pure.
struct MarketBoard: Sendable {
    /// The most rows. Further symbols are counted, and not shown.
    static let rowsMax = 20_000
    /// A line has one price in this time, a slot.
    static let slotNanoseconds: Int64 = 15_000_000_000
    /// The most slots. The oldest ones are forgotten.
    static let slotsMax = 60
    /// The orders that are kept sorted, each until its round ends: rows do not jump meanwhile.
    static let ordersMax = 16
    /// The trades of a bar that ended longer ago say nothing about now.
    static let barAgeMaxSeconds = 150.0
    static let series = "1m"

    /// A symbol of a source.
    struct Key: Hashable, Sendable {
        let symbol: Symbol
        let source: SourceName
    }

    struct Row: Equatable, Sendable {
        /// With all its digits.
        var price = ""
        /// For order, change and line.
        var number: Double?
        var heardAt = Timestamp.undefined
        /// By the last bar.
        var tradesPerSecond: Double?
        /// The first price of the day in UTC. `nil` while it is not known.
        var dayOpen: Double?
        /// The oldest first. A slot in which no page looked is not a number.
        var line: [Float] = []
        fileprivate var slot = Int64.min
        fileprivate var round = 0

        /// The change of the day, as a part of its first price.
        var change: Double? {
            guard let number, let dayOpen, dayOpen != 0 else { return nil }
            return number / dayOpen - 1
        }
    }

    private(set) var rows: [Key: Row] = [:]
    /// How many symbols of sources are not shown.
    private(set) var hidden = 0
    /// When the last whole round began.
    private(set) var readAt = MonotonicTime.distantPast
    /// Why first prices of the day cannot be read now. `nil` if they can.
    var dayProblem: String?
    private var begunAt = MonotonicTime.distantPast
    private var round = 0
    private var orders: [MarketQuestion.Order: [Key]] = [:]
    /// The day in UTC whose first prices the rows have.
    private var day = Int64.min

    init() {}

    // MARK: reading

    /// Begins to take the values of all symbols. A new day has other first prices.
    mutating func begin(at now: MonotonicTime, _ time: Timestamp) {
        round += 1
        begunAt = now
        hidden = 0
        let today = time.nanoseconds / 86_400_000_000_000
        guard today != day else { return }
        day = today
        for key in rows.keys { rows[key]?.dayOpen = nil }
    }

    /// Takes values of some symbols: of each its trade, and its bar of the series.
    mutating func take(_ values: [LatestValue], at now: MonotonicTime, _ time: Timestamp) {
        for value in values where value.unknown == nil {
            guard let source = value.source else { continue }
            let key = Key(symbol: value.symbol, source: source)
            if value.kind == "trade" {
                takeTrade(value, of: key, at: now)
            } else if value.kind == "bar \(Self.series)", rows[key]?.round == round {
                let seconds = value.age(time).map { Double($0) / 1e9 } ?? .infinity
                let trades = Self.number("trades", value)
                rows[key]?.tradesPerSecond =
                    seconds <= Self.barAgeMaxSeconds ? trades.map { $0 / 60 } : nil
            }
        }
    }

    private mutating func takeTrade(_ value: LatestValue, of key: Key, at now: MonotonicTime) {
        guard rows[key] != nil || rows.count < Self.rowsMax else {
            hidden += 1
            return
        }
        var row = rows[key] ?? Row()
        row.price = value.values.first { $0.name == "price" }?.text ?? ""
        row.number = Double(row.price)
        row.heardAt = value.heardAt
        // Its bar comes after it, if there is one now.
        row.tradesPerSecond = nil
        row.round = round
        row.note(now.nanoseconds / Self.slotNanoseconds)
        rows[key] = row
    }

    private static func number(_ name: String, _ value: LatestValue) -> Double? {
        value.values.first { $0.name == name }.flatMap { Double($0.text) }
    }

    /// Ends a round: what had no trade in it is gone.
    mutating func end() {
        let own = round
        rows = rows.filter { $0.value.round == own }
        readAt = begunAt
        orders = [:]
    }

    /// Returns some of those whose first price of the day is not known.
    func withoutDay(_ most: Int) -> [Key] {
        Array(rows.lazy.filter { $0.value.dayOpen == nil }.prefix(most).map(\.key))
    }

    mutating func note(dayOpen: Double?, of key: Key) {
        // What has none yet may have one tomorrow: 0 gives no change.
        rows[key]?.dayOpen = dayOpen ?? 0
        orders = orders.filter { $0.key.column != .change }
    }

    // MARK: showing

    /// What a page shows of it.
    struct Page: Sendable {
        /// How many rows match.
        let total: Int
        let rows: [(key: Key, row: Row)]
    }

    /// Returns the rows that are asked for. Those without a value come last, in each order.
    mutating func page(_ question: MarketQuestion) -> Page {
        let all = sorted(question.order)
        let wanted = question.filter.uppercased()
        let found =
            wanted.isEmpty ? all : all.filter { $0.symbol.text.uppercased().contains(wanted) }
        let shown = found.dropFirst(question.from).prefix(question.count)
        return Page(
            total: found.count, rows: shown.compactMap { key in rows[key].map { (key, $0) } })
    }

    private mutating func sorted(_ order: MarketQuestion.Order) -> [Key] {
        if let known = orders[order] { return known }
        let sorted = rows.map { (key: $0.key, value: order.value(of: $0.key, $0.value)) }
            .sorted { order.isBefore($0, $1) }.map(\.key)
        if orders.count >= Self.ordersMax { orders = [:] }
        orders[order] = sorted
        return sorted
    }
}

extension MarketBoard.Row {
    /// Notes the price in a slot, with holes for those in which no page looked.
    fileprivate mutating func note(_ number: Int64) {
        let price = self.number.map { Float($0) } ?? .nan
        if number > slot {
            let passed = line.isEmpty ? 1 : Int(min(number - slot, Int64(MarketBoard.slotsMax)))
            line += Array(repeating: .nan, count: passed)
            line.removeFirst(max(0, line.count - MarketBoard.slotsMax))
            slot = number
        }
        line[line.count - 1] = price
    }
}
