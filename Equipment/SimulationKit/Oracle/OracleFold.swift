internal import MarketModel
internal import Primitives
internal import StreamCore

/// The share that one tick adds to a bar by the rules of its node.
struct OracleShare {
    enum Part {
        /// It sets or may set a price, or adds to the volume.
        case share(price: Int64, size: Int64, last: Bool, range: Bool, volume: Bool)
        case condition(volume: Bool)
        case oddLot(volume: Bool)
        case filter
        case undefined
    }

    /// Returns the tick's part; `nil` when the tick has no effect on a bar.
    static func part(of tick: LoggedTick, _ rule: BarRule, isRepair: Bool) -> Part? {
        let header = tick.header
        if header.flags.contains(.backfilled), !isRepair { return nil }
        if header.action != TradeAction.new.rawValue || header.flags.contains(.snapshot) {
            return .filter
        }
        let day: Int64 = 86_400_000_000_000
        guard tick.header.eventTime.isDefined, abs(tick.time / day) < 106_000 else {
            return .undefined
        }
        if let trade = tick.trade { return part(of: trade, rule, lot: tick.lot) }
        if let quote = tick.quote { return part(of: quote, rule.field) }
        if let book = tick.book { return part(of: book, rule.field) }
        return nil
    }

    private static func part(of book: LoggedBook, _ field: InputField) -> Part {
        let value: Int128? =
            switch field {
            case .bookMiddle: book.middle
            case .microprice: book.microprice
            case .imbalance: book.imbalance
            case .trade, .bid, .ask, .middle, .spread: nil
            }
        guard let value, let price = Int64(exactly: value) else { return .undefined }
        return .share(price: price, size: 0, last: true, range: true, volume: true)
    }

    private static func part(of trade: Trade, _ rule: BarRule, lot: Int64) -> Part {
        guard trade.price.isDefined, trade.size.isDefined, trade.size.raw >= 0 else {
            return .undefined
        }
        var (last, range, volume) = (true, true, true)
        for listed in rule.conditions?.listed ?? []
        where trade.conditions.text.contains(listed.code) {
            last = last && listed.effect.contains(.last)
            range = range && listed.effect.contains(.range)
            volume = volume && listed.effect.contains(.volume)
        }
        func isOdd(_ limit: OddLotLimit) -> Bool {
            if case .size(let size) = limit { trade.size < size } else { trade.size.raw < lot }
        }
        switch rule.oddLots {
        case .exclude(let below) where isOdd(below): return .oddLot(volume: false)
        case .volumeOnly(let below) where isOdd(below): return .oddLot(volume: volume)
        default: break
        }
        guard last || range else { return .condition(volume: volume) }
        return .share(
            price: trade.price.raw, size: trade.size.raw, last: last, range: range, volume: volume)
    }

    private static func part(of quote: Quote, _ field: InputField) -> Part {
        let (bid, ask) = (quote.bidPrice, quote.askPrice)
        let value: Int128
        switch field {
        case .bid where bid.isDefined: value = Int128(bid.raw)
        case .ask where ask.isDefined: value = Int128(ask.raw)
        case .middle where bid.isDefined && ask.isDefined:
            let sum = Int128(bid.raw) + Int128(ask.raw)
            value = sum >= 0 ? sum / 2 : (sum - 1) / 2
        case .spread where bid.isDefined && ask.isDefined:
            value = Int128(ask.raw) - Int128(bid.raw)
        default: return .undefined
        }
        guard let price = Int64(exactly: value), price != Int64.max else { return .undefined }
        return .share(price: price, size: 0, last: true, range: true, volume: true)
    }
}

/// One tick in one window.
struct OracleEntry {
    let tick: LoggedTick
    let part: OracleShare.Part
    /// The source and provider that fed the symbol when the tick came.
    var feed: String { "\(tick.id.source)/\(tick.provider)" }

    /// Whether it has a place in the order of ticks.
    var isTick: Bool {
        switch part {
        case .share, .condition, .oddLot: true
        case .filter, .undefined: false
        }
    }

    /// Whether it changes anything but a count of exclusions.
    var hasEffect: Bool {
        switch part {
        case .share: true
        case .condition(let volume), .oddLot(let volume): volume
        case .filter, .undefined: false
        }
    }
}

/// Computes the numbers of a bar from its ticks in order, tick by tick.
struct OracleFold {
    /// Returns the bar; `nil` when nothing set a price.
    static func bar(
        of entries: [OracleEntry], from start: Int64, to end: Int64
    ) -> Bar? {
        var bar = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: start),
            closeTime: Timestamp(nanoseconds: end))
        var prices: [(price: Int64, last: Bool, range: Bool)] = []
        var feeds: Set<String> = []
        for entry in entries.sorted(by: { LoggedTick.isBefore($0.tick, $1.tick) }) {
            add(entry, to: &bar)
            if entry.hasEffect { feeds.insert(entry.feed) }
            guard case .share(let price, _, let last, let range, _) = entry.part else { continue }
            prices.append((price, last, range))
        }
        bar.flags = feeds.count > 1 ? [.final, .mixedProviders] : .final
        let lasts = prices.filter(\.last)
        let ends = lasts.isEmpty ? prices : lasts
        let ranges = prices.filter(\.range)
        let spans = ranges.isEmpty ? ends : ranges
        guard let open = ends.first, let close = ends.last else {
            bar.trades = 0
            bar.vwap = .undefined
            return entries.isEmpty ? nil : bar
        }
        bar.open = Price(raw: open.price)
        bar.close = Price(raw: close.price)
        bar.high = Price(raw: spans.map(\.price).reduce(Int64.min, max))
        bar.low = Price(raw: spans.map(\.price).reduce(Int64.max, min))
        bar.vwap = vwap(bar.notional, bar.volume)
        return bar
    }

    private static func add(_ entry: OracleEntry, to bar: inout Bar) {
        switch entry.part {
        case .share(let price, let size, _, _, let volume):
            bar.trades += 1
            if volume { addVolume(price: price, size: size, to: &bar) }
        case .condition(let volume):
            bar.excluded.condition += 1
            if volume { addVolume(of: entry.tick.trade, to: &bar) }
        case .oddLot(let volume):
            bar.excluded.oddLot += 1
            if volume { addVolume(of: entry.tick.trade, to: &bar) }
        case .filter: bar.excluded.filter += 1
        case .undefined: bar.excluded.undefined += 1
        }
    }

    private static func addVolume(of trade: Trade?, to bar: inout Bar) {
        guard let trade else { return }
        addVolume(price: trade.price.raw, size: trade.size.raw, to: &bar)
    }

    private static func addVolume(price: Int64, size: Int64, to bar: inout Bar) {
        bar.volume += Int128(size)
        bar.notional += Int128(price) * Int128(size)
    }

    /// Returns the VWAP, rounded half away from zero.
    static func vwap(_ notional: Int128, _ volume: Int128) -> Price {
        guard volume > 0 else { return .undefined }
        let magnitude = (2 * abs(notional) + volume) / (2 * volume)
        return Int64(exactly: notional < 0 ? -magnitude : magnitude).map(Price.init) ?? .undefined
    }
}
