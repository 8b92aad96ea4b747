public import MarketModel
public import Primitives

/// The parts of a provider's daily bar that breadth needs.
public struct DailyBar: Hashable, Sendable {
    public var openTime: Timestamp
    public var closeTime: Timestamp
    public var high: Price
    public var low: Price
    public var close: Price

    public init(
        openTime: Timestamp, closeTime: Timestamp, high: Price, low: Price, close: Price
    ) {
        self.openTime = openTime
        self.closeTime = closeTime
        self.high = high
        self.low = low
        self.close = close
    }
}

/// The past days of a partition's symbols, as a provider gave them for a breadth node that warms
/// up. To *pass on* a day is to publish it as three values, which the share over all partitions
/// reads. Each day is passed on once, and again when the provider changes it.
///
/// Providers send the complete past with each request. So days that are known already are not
/// passed on again.
///
/// A value that one thread owns. Pure: its results follow from the calls alone.
public struct DailyHistory: Sendable {
    /// A day to pass on.
    public struct PublishedDay: Hashable, Sendable {
        /// The caller's number of the symbol.
        public var symbol: UInt32
        public var bar: DailyBar
        /// False when it was passed on before, with other prices.
        public var isFirst: Bool
    }

    /// Days that one call of `publish` passes on at most. The owner calls it with each packet, so
    /// that a past of years is not published in one batch.
    public static let turnMax = 256

    struct Day: Hashable, Sendable {
        /// The date as yyyymmdd.
        var day: Int32
        var bar: DailyBar
        /// Whether its present prices were passed on.
        var isPassedOn = false
        /// Whether any prices of the day were passed on, even if they have changed since.
        var wasPublished = false
    }

    let rule: BreadthRule
    let days: BreadthDays
    /// The symbols that count; empty when all do.
    private let universe: Set<Symbol>
    /// By the caller's number of the symbol: the days, in order.
    var symbols: [[Day]] = []
    /// Numbers of symbols with days to pass on, each once, in the order in which they are served.
    var waiting: [UInt32] = []
    /// The number of days of all symbols.
    private var dayCount = 0
    /// Days for which there was no room.
    public internal(set) var refused: UInt64 = 0

    public init(rule: BreadthRule, calendar: SessionCalendar?) {
        self.rule = rule
        days = BreadthDays(calendar: calendar)
        universe = Set(rule.universe)
    }

    /// The number of known days.
    public var count: Int { dayCount }

    /// Takes a provider's bar of any length. It is ignored unless it is a finished daily bar of
    /// trades. `symbol` is the caller's number.
    public mutating func take(_ bar: ProviderBar, symbol: UInt32, named name: Symbol) {
        guard bar.kind == ProviderBarKind.trades.rawValue, !bar.flags.contains(.inProgress),
            bar.high.isDefined, bar.low.isDefined, bar.close.isDefined,
            symbol < StreamLimits.symbolsMax, universe.isEmpty || universe.contains(name),
            let day = days.day(from: bar.openTime, to: bar.closeTime)
        else { return }
        while symbols.count <= symbol { symbols.append([]) }
        let isWaiting = symbols[Int(symbol)].contains { !$0.isPassedOn }
        let found = DailyBar(
            openTime: bar.openTime, closeTime: bar.closeTime, high: bar.high, low: bar.low,
            close: bar.close)
        if keep(Day(day: day, bar: found), symbol), !isWaiting { waiting.append(symbol) }
    }

    /// Stores a day. Returns false when it is known with the same prices, when it is older than the
    /// days to keep, or when there is no room.
    private mutating func keep(_ day: Day, _ symbol: UInt32) -> Bool {
        let number = Int(symbol)
        var index = symbols[number].count
        while index > 0, symbols[number][index - 1].day > day.day { index -= 1 }
        if index > 0, symbols[number][index - 1].day == day.day {
            guard symbols[number][index - 1].bar != day.bar else { return false }
            symbols[number][index - 1].bar = day.bar
            symbols[number][index - 1].isPassedOn = false
            return true
        }
        if symbols[number].count >= rule.historyMax {
            guard index > 0 else { return false }
            symbols[number].removeFirst()
            index -= 1
            dayCount -= 1
        }
        guard dayCount < StreamLimits.historyDaysMax else {
            refused &+= 1
            return false
        }
        symbols[number].insert(day, at: index)
        dayCount += 1
        return true
    }

    /// Appends the next days to pass on, at most `turnMax`.
    public mutating func publish(into published: inout [PublishedDay]) {
        var room = Self.turnMax
        var done = 0
        for symbol in waiting {
            let number = Int(symbol)
            for index in symbols[number].indices where !symbols[number][index].isPassedOn {
                guard room > 0 else { break }
                let day = symbols[number][index]
                published.append(
                    PublishedDay(symbol: symbol, bar: day.bar, isFirst: !day.wasPublished))
                symbols[number][index].isPassedOn = true
                symbols[number][index].wasPublished = true
                room -= 1
            }
            guard symbols[number].allSatisfy(\.isPassedOn) else { break }
            done += 1
        }
        if done > 0 { waiting.removeFirst(done) }
    }

    /// Passes on everything again, because the earlier days did not arrive.
    public mutating func publishAgain() {
        waiting.removeAll()
        for number in symbols.indices where !symbols[number].isEmpty {
            waiting.append(UInt32(number))
            for index in symbols[number].indices { symbols[number][index].isPassedOn = false }
        }
    }

    // MARK: as bytes

    static let envelope = StateEnvelope("TLDH", version: 1)
    /// The length in bytes of a day.
    private static let dayBytes = 45

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: refused)
        bytes.append(integer: UInt32(symbols.count))
        for days in symbols {
            bytes.append(integer: UInt32(days.count))
            for day in days {
                bytes.append(integer: day.day)
                bytes.append(integer: day.bar.openTime.nanoseconds)
                bytes.append(integer: day.bar.closeTime.nanoseconds)
                bytes.append(integer: day.bar.high.raw)
                bytes.append(integer: day.bar.low.raw)
                bytes.append(integer: day.bar.close.raw)
                bytes.append((day.isPassedOn ? 1 : 0) | (day.wasPublished ? 2 : 0))
            }
        }
        bytes.append(integer: UInt32(waiting.count))
        for symbol in waiting { bytes.append(integer: symbol) }
        Self.envelope.seal(&bytes, from: start)
    }

    /// Restores the history whose `encode` wrote these bytes, for the same rule and calendar.
    public init(
        rule: BreadthRule, calendar: SessionCalendar?, restoring bytes: RawSpan
    ) throws(CheckpointError) {
        self.init(rule: rule, calendar: calendar)
        var reader = try Self.envelope.open(bytes)
        refused = try reader.tally(in: bytes)
        let count = try reader.count(
            of: .symbol, max: StreamLimits.symbolsMax, bytesEach: 4, in: bytes)
        for _ in 0..<count { symbols.append(try Self.days(&reader, bytes, rule)) }
        dayCount = symbols.reduce(0) { $0 + $1.count }
        guard dayCount <= StreamLimits.historyDaysMax else { throw reader.malformed(.symbol) }
        var isWaiting = Array(repeating: false, count: count)
        for _ in 0..<(try reader.count(of: .symbol, max: count, bytesEach: 4, in: bytes)) {
            let symbol = Int(try reader.uint32(in: bytes))
            guard symbol < count, !isWaiting[symbol] else { throw reader.malformed(.symbol) }
            isWaiting[symbol] = true
            waiting.append(UInt32(symbol))
        }
        try reader.finish()
    }

    private static func days(
        _ reader: inout StateReader, _ bytes: RawSpan, _ rule: BreadthRule
    ) throws(CheckpointError) -> [Day] {
        var days: [Day] = []
        let count = try reader.count(
            of: .symbol, max: rule.historyMax, bytesEach: dayBytes, in: bytes)
        for _ in 0..<count {
            let day = Int32(bitPattern: try reader.uint32(in: bytes))
            let bar = DailyBar(
                openTime: Timestamp(nanoseconds: try reader.int64(in: bytes)),
                closeTime: Timestamp(nanoseconds: try reader.int64(in: bytes)),
                high: Price(raw: try reader.int64(in: bytes)),
                low: Price(raw: try reader.int64(in: bytes)),
                close: Price(raw: try reader.int64(in: bytes)))
            let flags = try reader.uint8(in: bytes)
            guard day > days.last?.day ?? 0, flags < 4 else { throw reader.malformed(.symbol) }
            days.append(
                Day(day: day, bar: bar, isPassedOn: flags & 1 != 0, wasPublished: flags & 2 != 0))
        }
        return days
    }
}
