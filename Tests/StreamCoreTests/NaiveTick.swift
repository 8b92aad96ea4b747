import MarketModel
import Primitives

@testable import StreamCore

/// A tick in the naive calculation: its content, and how far the rules let it count.
struct NaiveTick {
    typealias Feed = (source: SourceName, provider: String)

    let time: Int64
    let source: String
    let provider: String
    var ordinal: UInt64
    var price: Int64 = 0
    var size: Int64 = 0
    var setsLast = false
    var setsRange = false
    var addsVolume = false
    var isBackfilled = false
    /// Why it is left out. `nil` if it sets a price.
    var left: String?

    var setsPrice: Bool { setsLast || setsRange }
    /// True if the tick would have changed a bar, so that it belongs into the list of late ticks.
    var changesSomething: Bool { setsPrice || addsVolume }

    /// A moment that is no tick, such as that at which a subscription began again.
    init(mark time: Int64, _ source: String) {
        (self.time, self.source, provider, ordinal) = (time, source, "", 0)
        left = "mark"
    }

    var isMark: Bool { left == "mark" }

    private init(_ header: TickHeader, _ feed: Feed, _ ordinal: UInt64) {
        time =
            (header.providerTime.isDefined ? header.providerTime : header.receiveTime).nanoseconds
        source = feed.source.text
        provider = feed.provider
        isBackfilled = header.flags.contains(.backfilled)
        self.ordinal = ordinal
        let isEvent = header.action == 0 && !header.flags.contains(.snapshot)
        left = isEvent ? nil : "filter"
    }

    init(excluded header: TickHeader, _ feed: Feed) {
        self.init(header, feed, 0)
        left = "filter"
    }

    init(_ trade: Trade, _ rule: BarRule, _ feed: Feed, _ ordinal: UInt64) {
        self.init(trade.header, feed, ordinal)
        guard left == nil else { return }
        guard trade.price.isDefined, trade.size.isDefined, trade.size.raw >= 0 else {
            left = "undefined"
            return
        }
        price = trade.price.raw
        size = trade.size.raw
        var effects: [TradeEffect] = [.last, .range, .volume]
        let listed = rule.conditions?.listed ?? []
        for code in trade.conditions.text {
            guard let found = listed.first(where: { $0.code == code }) else { continue }
            effects = effects.filter { found.effect.contains($0) }
        }
        var reason = "condition"
        if case .volumeOnly(.size(let below)) = rule.oddLots, trade.size < below {
            effects = effects.filter { $0 == .volume }
            reason = "oddLot"
        }
        if case .exclude(.size(let below)) = rule.oddLots, trade.size < below {
            effects = []
            reason = "oddLot"
        }
        setsLast = effects.contains(.last)
        setsRange = effects.contains(.range)
        addsVolume = effects.contains(.volume)
        left = setsPrice ? nil : reason
    }

    init(_ quote: Quote, _ rule: BarRule, _ feed: Feed, _ ordinal: UInt64) {
        self.init(quote.header, feed, ordinal)
        guard left == nil else { return }
        let bid = quote.bidPrice.isDefined ? Int128(quote.bidPrice.raw) : nil
        let ask = quote.askPrice.isDefined ? Int128(quote.askPrice.raw) : nil
        let value: Int128? =
            switch rule.field {
            case .bid: bid
            case .ask: ask
            case .middle: bid.flatMap { bid in ask.map { Self.half(bid + $0) } }
            case .spread: bid.flatMap { bid in ask.map { $0 - bid } }
            // No random rule is of books.
            case .trade, .bookMiddle, .microprice, .imbalance: nil
            }
        guard let value, let raw = Int64(exactly: value), raw != Int64.max else {
            left = "undefined"
            return
        }
        price = raw
        setsLast = true
        setsRange = true
        addsVolume = true
    }

    private static func half(_ sum: Int128) -> Int128 {
        sum >= 0 ? sum / 2 : -((1 - sum) / 2)
    }

    static func count(_ reasons: [String?]) -> Bar.Excluded {
        func count(_ reason: String) -> UInt32 { UInt32(reasons.count { $0 == reason }) }
        return Bar.Excluded(
            condition: count("condition"), oddLot: count("oddLot"), filter: count("filter"),
            undefined: count("undefined"))
    }
}

extension [NaiveTick] {
    /// In order of time. At one time the sources' names decide, and then the ordinals.
    var inOrder: [NaiveTick] {
        sorted { ($0.time, $0.source, $0.ordinal) < ($1.time, $1.source, $1.ordinal) }
    }
}
