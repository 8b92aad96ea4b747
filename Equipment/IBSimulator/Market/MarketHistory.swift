internal import Primitives

/// Answers history requests from the market.
struct MarketHistory {
    enum Show: String {
        case trades = "TRADES"
        case midpoint = "MIDPOINT"
        case bid = "BID"
        case ask = "ASK"
        case bidAsk = "BID_ASK"
    }

    struct TooMuch: Error {}

    let market: SimulatedMarket
    let version: Int32
    /// Events at or after this time are not past yet.
    let now: Timestamp

    // MARK: ticks

    /// Returns the first `count` ticks from a second on, and the rest of the last second. Without a
    /// start it returns the last `count` ticks before the end.
    func ticks(
        of instrument: Int, from start: Int64?, until end: Int64?, count: Int,
        where isWanted: (MarketEvent) -> Bool
    ) throws(TooMuch) -> [MarketEvent] {
        let last = min(end ?? Int64.max, now.nanoseconds / 1_000_000_000 + 1)
        if let start {
            return try forward(instrument, max(start, market.firstSecond), last, count, isWanted)
        }
        return try backward(instrument, last, count, isWanted)
    }

    private func forward(
        _ instrument: Int, _ start: Int64, _ end: Int64, _ count: Int,
        _ isWanted: (MarketEvent) -> Bool
    ) throws(TooMuch) -> [MarketEvent] {
        var found: [MarketEvent] = []
        var second = start
        while second < end, found.count < count {
            guard second - start < SimulatorLimits.historySecondsMax else { throw TooMuch() }
            found += past(instrument, second).filter(isWanted)
            second += 1
        }
        return found
    }

    private func backward(
        _ instrument: Int, _ end: Int64, _ count: Int, _ isWanted: (MarketEvent) -> Bool
    ) throws(TooMuch) -> [MarketEvent] {
        var seconds: [[MarketEvent]] = []
        var total = 0
        var second = end - 1
        while second >= market.firstSecond, total < count {
            guard end - second <= SimulatorLimits.historySecondsMax else { throw TooMuch() }
            seconds.append(past(instrument, second).filter(isWanted))
            total += seconds.last?.count ?? 0
            second -= 1
        }
        return seconds.reversed().flatMap { $0 }
    }

    private func past(_ instrument: Int, _ second: Int64) -> [MarketEvent] {
        market.events(of: instrument, in: second).filter { $0.time < now }
    }

    // MARK: bars

    struct Bar {
        var start: Int64
        var texts: BarTexts
    }

    /// Returns bars aligned to 1970. A span without events has no bar.
    func bars(
        of instrument: Int, from start: Int64, until end: Int64, width: Int64, show: Show
    ) throws(TooMuch) -> [Bar] {
        let first = max(start, market.firstSecond)
        guard end - first <= SimulatorLimits.historySecondsMax else { throw TooMuch() }
        var bars: [Bar] = []
        var read = 0
        var open = first - first % width
        while open < end {
            var building = BarBuilder(show: show)
            for second in max(open, first)..<min(open + width, max(end, open + 1)) {
                let events = past(instrument, second)
                read += events.count
                for event in events { building.add(event) }
            }
            guard read <= SimulatorLimits.historyEventsMax else { throw TooMuch() }
            if let texts = building.texts(market.instruments[instrument], version) {
                bars.append(Bar(start: open, texts: texts))
            }
            open += width
        }
        return bars.suffix(SimulatorLimits.historyBarsMax)
    }

    /// Returns one bar. Without events it repeats the price and has no volume.
    func bar(of instrument: Int, from start: Int64, width: Int64, show: Show) -> BarTexts {
        var building = BarBuilder(show: show)
        for second in start..<start + width {
            for event in past(instrument, second) { building.add(event) }
        }
        let quoted = market.instruments[instrument]
        if let texts = building.texts(quoted, version) { return texts }
        let price = quoted.priceText(market.level(of: instrument, at: start, nanosecond: 0))
        let nothing = show == .trades ? "0" : "-1"
        return BarTexts(
            open: price, high: price, low: price, close: price, volume: nothing,
            average: show == .trades ? price : "-1", count: nothing)
    }

    /// Returns the volume per price.
    func histogram(of instrument: Int, seconds: Int64) throws(TooMuch) -> [(Int64, Int64)] {
        let end = now.nanoseconds / 1_000_000_000 + 1
        guard seconds <= SimulatorLimits.historySecondsMax else { throw TooMuch() }
        var volumes: [Int64: Int64] = [:]
        for second in max(end - seconds, market.firstSecond)..<end {
            for event in past(instrument, second) {
                guard case .trade(let trade) = event.kind, !trade.isUnreported else { continue }
                volumes[trade.price, default: 0] += trade.size
            }
        }
        return volumes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

/// A bar under construction. Prices are doubled, so that the middle of two prices is an integer.
struct BarBuilder {
    let show: MarketHistory.Show
    private var open: Int64 = 0
    private var high = Int64.min
    private var low = Int64.max
    private var close: Int64 = 0
    private var events: Int64 = 0
    private var volume: Int64 = 0
    private var turnover: Int128 = 0

    init(show: MarketHistory.Show) { self.show = show }

    mutating func add(_ event: MarketEvent) {
        switch (event.kind, show) {
        case (.trade(let trade), .trades):
            // An unreported trade counts in no total.
            guard !trade.isUnreported else { return }
            add(trade.price * 2, trade.price * 2, trade.price * 2)
            volume += trade.size
            turnover += Int128(trade.price) * Int128(trade.size)
        case (.quote(let quote), .bid): add(quote.bid * 2, quote.bid * 2, quote.bid * 2)
        case (.quote(let quote), .ask): add(quote.ask * 2, quote.ask * 2, quote.ask * 2)
        case (.quote(let quote), .midpoint):
            let middle = quote.bid + quote.ask
            add(middle, middle, middle)
        case (.quote(let quote), .bidAsk): add(quote.bid * 2, quote.bid * 2, quote.ask * 2)
        default: break
        }
    }

    private mutating func add(_ first: Int64, _ lowest: Int64, _ highest: Int64) {
        if events == 0 { open = first }
        high = max(high, highest)
        low = min(low, lowest)
        close = highest
        events += 1
    }

    /// Returns `nil` if there was no event.
    func texts(_ instrument: SimulatedInstrument, _ version: Int32) -> BarTexts? {
        guard events > 0 else { return nil }
        var texts = BarTexts(
            open: instrument.halfPriceText(open), high: instrument.halfPriceText(high),
            low: instrument.halfPriceText(low), close: instrument.halfPriceText(close))
        guard show == .trades else { return texts }
        texts.volume = instrument.sizeText(volume, version: version, isPast: true)
        texts.average = instrument.averageText(turnover, volume)
        texts.count = String(events)
        return texts
    }
}

extension SimulatedInstrument {
    /// Returns turnover (steps times units) divided by volume, with six decimals more than a price.
    func averageText(_ turnover: Int128, _ volume: Int64) -> String {
        guard volume > 0 else { return "0" }
        let scaled = turnover * Int128(step) * 1_000_000 / Int128(volume)
        return FixedPoint.text(scaled, decimals: priceDecimals + 6)
    }
}
