internal import Primitives
internal import VenueWeb

/// What happens in a market, in the order in which the venue reports it. It remembers the bars that
/// may change, the day's totals, and what is still to come.
struct MassiveHappenings: Sendable {
    let market: MassiveMarket
    private let rate: Int
    /// Until when everything is reported.
    private var time: Timestamp
    /// By symbol, and by the bar's start.
    private var minutes: [[Timestamp: MassiveBar]] = []
    private var seconds: [[Timestamp: MassiveBar]] = []
    private var totals: [MassiveTotals] = []
    /// Cancellations that are due later, the next one last.
    private var busts: [MassiveBust] = []
    /// The bars of earlier minutes lack trades.
    private var firstMinute: Timestamp

    init(_ market: MassiveMarket, rate: Int, start: Timestamp) {
        (self.market, self.rate) = (market, rate)
        (time, firstMinute) = (start, start)
        prepare(at: start)
    }

    /// Takes in what was before a time, without a report.
    private mutating func prepare(at start: Timestamp) {
        let most = 60 + MassiveLimits.revisionSeconds
        let span = min(most, Int64(MassiveLimits.earlierTradesMax / max(1, rate)))
        let earliest = start.advanced(byNanoseconds: -span * MassiveMarket.secondNanoseconds)
        firstMinute = earliest.advanced(byNanoseconds: MassiveMarket.minuteNanoseconds - 1)
            .floored(toNanoseconds: MassiveMarket.minuteNanoseconds)
        minutes = Array(repeating: [:], count: market.symbols.count)
        seconds = minutes
        let day = MassiveTotals(day: MassiveMarket.day(of: earliest))
        totals = Array(repeating: day, count: market.symbols.count)
        busts = []
        time = start
        for symbol in market.symbols.indices {
            for trade in MassiveReports(market, symbol, after: earliest, until: start) {
                count(trade)
                if let bust = market.bust(of: trade), bust.time > start { keep(bust) }
            }
        }
        forget(before: start)
    }

    private mutating func keep(_ bust: MassiveBust) {
        let place = busts.firstIndex { $0.time <= bust.time } ?? busts.endIndex
        busts.insert(bust, at: place)
    }

    /// Returns the records after one time until another.
    mutating func records(after: Timestamp, until: Timestamp) -> [MassiveRecord] {
        // A stretch was left out.
        if after > time { prepare(at: after) }
        var records: [MassiveRecord] = []
        var boundary = after.floored(toNanoseconds: MassiveMarket.secondNanoseconds)
            .advanced(byNanoseconds: MassiveMarket.secondNanoseconds)
        for record in reports(after: after, until: until) {
            while boundary < record.time { finish(&boundary, &records) }
            records.append(record)
            if case .trade(let trade) = record.what, let bar = count(trade) {
                records.append(
                    MassiveRecord(
                        time: record.time, what: .minute(bar, totals[trade.symbol])))
            }
        }
        while boundary <= until { finish(&boundary, &records) }
        time = until
        return records
    }

    /// The trades, quotes and cancellations of a span, in their order.
    private mutating func reports(after: Timestamp, until: Timestamp) -> [MassiveRecord] {
        var records: [MassiveRecord] = []
        for symbol in market.symbols.indices {
            for trade in MassiveReports(market, symbol, after: after, until: until) {
                records.append(MassiveRecord(time: trade.reported, what: .trade(trade)))
                if let bust = market.bust(of: trade) { keep(bust) }
            }
            records += market.quoteNumbers(symbol, after: after, until: until).map {
                let quote = market.quote(symbol, $0)
                return MassiveRecord(time: quote.reported, what: .quote(quote))
            }
        }
        while let next = busts.last, next.time <= until {
            records.append(MassiveRecord(time: next.time, what: .bust(next)))
            busts.removeLast()
        }
        return records.enumerated().sorted {
            ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
        }.map(\.element)
    }

    // MARK: bars

    /// Counts a trade for its bars. Returns the bar of its minute if that was sent before.
    @discardableResult
    private mutating func count(_ trade: MassiveTrade) -> MassiveBar? {
        let symbol = trade.symbol
        let day = MassiveMarket.day(of: trade.reported)
        if totals[symbol].day != day { totals[symbol] = MassiveTotals(day: day) }
        totals[symbol].add(trade)
        let second = trade.happened.floored(toNanoseconds: MassiveMarket.secondNanoseconds)
        let wait = (1 + MassiveLimits.secondsWait) * MassiveMarket.secondNanoseconds
        if trade.reported.nanoseconds(since: second) <= wait {
            seconds[symbol][second, default: MassiveBar(symbol: symbol, start: second)].add(trade)
        }
        let minute = trade.happened.floored(toNanoseconds: MassiveMarket.minuteNanoseconds)
        guard minute >= firstMinute, MassiveMarket.isInTime(trade) else { return nil }
        minutes[symbol][minute, default: MassiveBar(symbol: symbol, start: minute)].add(trade)
        let isSent = trade.reported.nanoseconds(since: minute) > MassiveMarket.minuteNanoseconds
        return isSent ? minutes[symbol][minute].flatMap { $0.isEmpty ? nil : $0 } : nil
    }

    /// Sends the bars that are due at a full second, and goes on to the next one.
    private mutating func finish(_ boundary: inout Timestamp, _ records: inout [MassiveRecord]) {
        let time = boundary
        let second = MassiveMarket.secondNanoseconds
        boundary = time.advanced(byNanoseconds: second)
        let due = time.advanced(byNanoseconds: -(1 + MassiveLimits.secondsWait) * second)
        for symbol in market.symbols.indices {
            guard let bar = seconds[symbol].removeValue(forKey: due), !bar.isEmpty else { continue }
            records.append(MassiveRecord(time: time, what: .second(bar, totals[symbol])))
        }
        guard time.nanoseconds % MassiveMarket.minuteNanoseconds == 0 else { return }
        let minute = time.advanced(byNanoseconds: -MassiveMarket.minuteNanoseconds)
        for symbol in market.symbols.indices {
            guard let bar = minutes[symbol][minute], !bar.isEmpty else { continue }
            records.append(MassiveRecord(time: time, what: .minute(bar, totals[symbol])))
        }
        forget(before: time)
    }

    /// Forgets the bars that cannot change any more.
    private mutating func forget(before time: Timestamp) {
        let span =
            MassiveMarket.minuteNanoseconds
            + MassiveLimits.revisionSeconds * MassiveMarket.secondNanoseconds
        let oldest = time.advanced(byNanoseconds: -span)
        let wait = (1 + MassiveLimits.secondsWait) * MassiveMarket.secondNanoseconds
        let second = time.advanced(byNanoseconds: -wait)
        for symbol in market.symbols.indices {
            minutes[symbol] = minutes[symbol].filter { $0.key >= oldest }
            seconds[symbol] = seconds[symbol].filter { $0.key >= second }
        }
    }
}
