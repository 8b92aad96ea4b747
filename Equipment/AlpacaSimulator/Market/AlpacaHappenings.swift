internal import Primitives
internal import VenueWeb

/// What happens in a market, in the order in which the venue reports it. It remembers what is
/// reported later than it happened, and the bars of the day.
struct AlpacaHappenings: Sendable {
    let market: AlpacaMarket
    /// The feeds that have bars of their own.
    private let feeds: [AlpacaFeed]
    /// What is due later, the next one last.
    private var pending: [AlpacaRecord] = []
    private var days: [AlpacaFeed: [Int: AlpacaBar]] = [:]

    private static let halfMinute = AlpacaMarket.minuteNanoseconds / 2

    init(_ market: AlpacaMarket, start: Timestamp) {
        self.market = market
        feeds = market.isCrypto ? [.all] : [.all, .iex]
        // Trades of before the start, and their changes, may still have to be reported.
        let span = AlpacaLimits.latenessSeconds + AlpacaLimits.changeSeconds + 1
        let earliest = start.advanced(byNanoseconds: -span * 1_000_000_000)
        for symbol in market.symbols.indices {
            for number in market.tradeNumbers(symbol, after: earliest, until: start) {
                guard let trade = market.trade(symbol, number) else { continue }
                for record in records(of: trade) where record.time > start { keep(record) }
            }
        }
    }

    /// Returns the records after one time until another.
    mutating func records(after: Timestamp, until: Timestamp) -> [AlpacaRecord] {
        var records: [AlpacaRecord] = []
        for symbol in market.symbols.indices {
            for number in market.tradeNumbers(symbol, after: after, until: until) {
                guard let trade = market.trade(symbol, number) else { continue }
                for record in self.records(of: trade) {
                    if record.time <= until { records.append(record) } else { keep(record) }
                }
            }
            for number in market.quoteNumbers(symbol, after: after, until: until) {
                let quote = market.quote(symbol, number)
                records.append(AlpacaRecord(time: quote.time, what: .quote(quote)))
            }
            records += market.statuses(symbol, after: after, until: until).map {
                AlpacaRecord(time: $0.time, what: .status($0))
            }
        }
        while let next = pending.last, next.time <= until {
            records.append(next)
            pending.removeLast()
        }
        records += bars(after: after, until: until)
        return records.enumerated().sorted {
            ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
        }.map(\.element)
    }

    /// A trade, and what later becomes of it.
    private func records(of trade: AlpacaTrade) -> [AlpacaRecord] {
        let first = AlpacaRecord(time: trade.published, what: .trade(trade))
        guard let change = market.change(of: trade) else { return [first] }
        switch change.kind {
        case .corrected:
            return [first, AlpacaRecord(time: change.time, what: .correction(trade, change))]
        case .cancelled:
            return [first, AlpacaRecord(time: change.time, what: .cancel(trade, change))]
        }
    }

    private mutating func keep(_ record: AlpacaRecord) {
        let place = pending.firstIndex { $0.time <= record.time } ?? pending.endIndex
        pending.insert(record, at: place)
    }

    // MARK: bars

    /// The bars of a minute come at its end. Half a minute later they come again, if what was
    /// reported meanwhile changes them.
    private mutating func bars(after: Timestamp, until: Timestamp) -> [AlpacaRecord] {
        var records: [AlpacaRecord] = []
        var time = after.floored(toNanoseconds: Self.halfMinute)
        while true {
            time = time.advanced(byNanoseconds: Self.halfMinute)
            guard time <= until else { return records }
            let isMinute = time.nanoseconds % AlpacaMarket.minuteNanoseconds == 0
            for feed in feeds {
                for symbol in market.symbols.indices {
                    let bars = isMinute ? ended(symbol, time, feed) : updated(symbol, time, feed)
                    records += bars.map { kind, bar in
                        AlpacaRecord(time: time, what: .bar(kind, bar, feed))
                    }
                }
            }
        }
    }

    private mutating func ended(
        _ symbol: Int, _ time: Timestamp, _ feed: AlpacaFeed
    ) -> [(BarKind, AlpacaBar)] {
        let minute = time.advanced(byNanoseconds: -AlpacaMarket.minuteNanoseconds)
        guard let bar = market.bar(symbol, minute: minute, of: feed, at: time) else { return [] }
        let day = AlpacaMarket.day(of: minute)
        if let before = days[feed]?[symbol], before.start == day {
            days[feed]?[symbol]?.add(bar)
        } else {
            days[feed, default: [:]][symbol] = AlpacaBar(day: day, bar)
        }
        return [(.minute, bar)] + (days[feed]?[symbol].map { [(.daily, $0)] } ?? [])
    }

    private func updated(
        _ symbol: Int, _ time: Timestamp, _ feed: AlpacaFeed
    ) -> [(BarKind, AlpacaBar)] {
        let end = time.advanced(byNanoseconds: -Self.halfMinute)
        let minute = end.advanced(byNanoseconds: -AlpacaMarket.minuteNanoseconds)
        guard let bar = market.bar(symbol, minute: minute, of: feed, at: time),
            bar != market.bar(symbol, minute: minute, of: feed, at: end)
        else { return [] }
        return [(.updated, bar)]
    }
}

/// News from a seed.
struct AlpacaNewsroom: Sendable {
    private let names: [String]
    private let events: SeededEvents
    private static let headlines = [
        "reports a quarter", "opens a factory", "names a new board", "buys a rival",
        "explains its \"plans\"",
    ]

    init(symbols: [AlpacaSymbol], seed: UInt64, rarities: AlpacaRarities) {
        names = symbols.map(\.name)
        let seconds = rarities.newsSeconds
        events = SeededEvents(
            seed: seed ^ 0x6e, lanes: 1, interval: seconds > 0 ? seconds * 1_000_000_000 : nil)
    }

    func records(after: Timestamp, until: Timestamp) -> [AlpacaRecord] {
        events.numbers(of: 0, after: after, until: until).map { number in
            let random = events.mixed(0, number, salt: 32)
            // Some articles are about no symbol, some about two.
            let first = Int(random >> 8 % UInt64(names.count))
            let second = (first + 1) % names.count
            let about = [[], [first], [first], Array(Set([first, second])).sorted()]
            let symbols = about[Int(random & 3)].map { names[$0] }
            let subject = symbols.first ?? "The market"
            let headline = Self.headlines[Int(random >> 4 % UInt64(Self.headlines.count))]
            let time = events.time(of: 0, number)
            return AlpacaRecord(
                time: time,
                what: .news(
                    AlpacaArticle(
                        id: number, time: time, symbols: symbols,
                        headline: "\(subject) \(headline)")))
        }
    }
}
