internal import Primitives
internal import VenueWeb

/// How often special things happen in a market.
package struct MassiveRarities: Equatable, Sendable {
    /// There is one late trade for so many others; 0: none.
    package var late: UInt64 = 200
    /// One trade in so many is cancelled; 0: none.
    package var bust: UInt64 = 500
    /// One trade in so many of those outside of exchanges has a part of a share; 0: none.
    package var fraction: UInt64 = 4
    /// One trade in so many is reported with another one of its sequence, which is not cancelled;
    /// 0: none.
    package var twin: UInt64 = 0

    package init() {}
}

/// A market that can compute any trade, quote and bar in any order, from its seed.
struct MassiveMarket: Sendable {
    static let secondNanoseconds: Int64 = 1_000_000_000
    static let minuteNanoseconds: Int64 = 60 * secondNanoseconds
    static let dayNanoseconds: Int64 = 86_400 * secondNanoseconds
    /// Days begin at 05:00 UTC, midnight of New York in winter.
    private static let dayOffset: Int64 = 5 * 3_600 * secondNanoseconds
    private static let microsecond: Int64 = 1_000
    /// What reports trades outside of exchanges, and three exchanges, by turns.
    private static let exchanges = [4, 12, 11, 15]
    private static let reportFacility = 202
    private static let lateFacility = 201
    static let oddLot = 37
    static let averagePrice = 2
    /// The ids of twins are beyond those of other trades of a day.
    private static let twinIDs: UInt64 = 5_000_000
    private static let sweep = [14, 41]

    let symbols: [MassiveSymbol]
    private let rarities: MassiveRarities
    private let events: SeededEvents
    private let lateEvents: SeededEvents
    private let quoteEvents: SeededEvents
    private let places: [String: Int]

    /// `rate` is in trades per second over all symbols.
    init(symbols: [MassiveSymbol], seed: UInt64, rate: Int, rarities: MassiveRarities) {
        self.symbols = symbols
        self.rarities = rarities
        events = SeededEvents(seed: seed, lanes: symbols.count, rate: rate)
        quoteEvents = SeededEvents(seed: seed ^ 0x71, lanes: symbols.count, rate: rate)
        let isNever = rate == 0 || rarities.late == 0
        let between = Int64(symbols.count) * Int64(clamping: rarities.late)
        lateEvents = SeededEvents(
            seed: seed ^ 0x6c, lanes: symbols.count,
            interval: isNever ? nil : max(1, between * Self.secondNanoseconds / Int64(rate)))
        places = Dictionary(
            symbols.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func place(of name: String) -> Int? { places[name] }

    static func day(of time: Timestamp) -> Timestamp {
        time.advanced(byNanoseconds: -dayOffset).floored(toNanoseconds: dayNanoseconds)
            .advanced(byNanoseconds: dayOffset)
    }

    /// The microseconds since the beginning of the day.
    static func sequence(at time: Timestamp) -> Int64 {
        time.nanoseconds(since: day(of: time)) / microsecond
    }

    /// A report has the whole microsecond after its event, so that none comes from before another.
    private static func reported(_ time: Timestamp) -> Timestamp {
        time.advanced(byNanoseconds: microsecond - 1).floored(toNanoseconds: microsecond)
    }

    // MARK: trades

    /// The numbers of the late trades of a symbol, or of the others, that are reported in a span.
    func tradeNumbers(
        _ symbol: Int, isLate: Bool, after: Timestamp, until: Timestamp
    ) -> Range<UInt64> {
        (isLate ? lateEvents : events).numbers(of: symbol, after: after, until: until)
    }

    func trade(_ symbol: Int, isLate: Bool, _ number: UInt64) -> MassiveTrade {
        let own = isLate ? lateEvents : events
        let random = own.mixed(symbol, number, salt: 32)
        let reported = Self.reported(own.time(of: symbol, number))
        let happened = reported.advanced(
            byNanoseconds: -(isLate ? Self.lateness(random) : Self.latency(random)))
        let exchange = isLate ? Self.exchanges[0] : Self.exchanges[Int(number % 4)]
        let isOutside = exchange == Self.exchanges[0]
        let size = size(random, isOutside: isOutside)
        return MassiveTrade(
            symbol: symbol, isLate: isLate, number: number, reported: reported,
            happened: happened, exchange: exchange,
            facility: isLate ? Self.lateFacility : isOutside ? Self.reportFacility : nil,
            id: id(symbol, number, reported, isLate), price: price(symbol, happened, random),
            size: size, conditions: Self.conditions(random, size, isOutside: isOutside))
    }

    /// Returns the trade that is reported with another one, in the same moment and with the same
    /// sequence; `nil`: there is none. It has an id of its own.
    func twin(of trade: MassiveTrade) -> MassiveTrade? {
        guard !trade.isLate, !trade.isTwin, rarities.twin > 0 else { return nil }
        let random = events.mixed(trade.symbol, trade.number, salt: 35)
        guard (random & 0xffff) % rarities.twin == 0 else { return nil }
        let size = trade.size + MassiveSymbol.share
        return MassiveTrade(
            symbol: trade.symbol, isLate: false, isTwin: true, number: trade.number,
            reported: trade.reported, happened: trade.happened, exchange: trade.exchange,
            facility: trade.facility, id: trade.id + Self.twinIDs,
            price: trade.price + MassiveSymbol.cent, size: size,
            conditions: Self.conditions(random, size, isOutside: trade.facility != nil))
    }

    /// Most late trades come within a minute, some after up to 20 minutes.
    private static func lateness(_ random: UInt64) -> Int64 {
        let limit = random >> 30 & 3 == 0 ? MassiveLimits.latenessSeconds * 1_000 : 60_000
        return (1_000 + Int64(random >> 32 & 0xff_ffff) % (limit - 1_000)) * 1_000_000
    }

    private static func latency(_ random: UInt64) -> Int64 {
        (100 + Int64(random >> 32 & 0xffff) % (MassiveLimits.latencyMicroseconds - 100))
            * microsecond
    }

    private func price(_ symbol: Int, _ happened: Timestamp, _ random: UInt64) -> Int64 {
        let cents = symbols[symbol].level / MassiveSymbol.cent
        let level = events.level(symbol, events.last(of: symbol, at: happened), around: cents)
        // One in eight is between two cents.
        let half = random >> 57 & 7 == 0 ? MassiveSymbol.cent / 2 : 0
        return max(1, level + Int64(random % 3) - 1) * MassiveSymbol.cent + half
    }

    private func size(_ random: UInt64, isOutside: Bool) -> Int64 {
        if isOutside, rarities.fraction > 0, (random >> 40 & 0xffff) % rarities.fraction == 0 {
            return 1 + Int64(random >> 4 & 0xffff_ffff) % (5 * MassiveSymbol.share)
        }
        return (1 + Int64(random >> 4 & 0xffff) % 400) * MassiveSymbol.share
    }

    private static func conditions(
        _ random: UInt64, _ size: Int64, isOutside: Bool
    ) -> [Int] {
        if size < 100 * MassiveSymbol.share { return [oddLot] }
        guard random >> 60 & 7 == 0 else { return [] }
        return isOutside ? [averagePrice] : sweep
    }

    /// An exchange counts its own trades of a day.
    private func id(
        _ symbol: Int, _ number: UInt64, _ reported: Timestamp, _ isLate: Bool
    ) -> UInt64 {
        let before = (isLate ? lateEvents : events).last(of: symbol, at: Self.day(of: reported))
        return isLate ? number - min(number, before) : (number - min(number, before & ~3)) / 4 + 1
    }

    /// Returns whether a trade is cancelled later.
    func bust(of trade: MassiveTrade) -> MassiveBust? {
        let random = (trade.isLate ? lateEvents : events).mixed(
            trade.symbol, trade.number, salt: 33)
        guard !trade.isTwin, rarities.bust > 0, (random & 0xffff) % rarities.bust == 0
        else { return nil }
        let wait = 1 + Int64(random >> 40 & 0xff) % MassiveLimits.bustSeconds
        return MassiveBust(
            trade: trade, correction: random >> 48 & 1 == 1 ? 7 : 8,
            time: trade.reported.advanced(byNanoseconds: wait * Self.secondNanoseconds))
    }

    // MARK: quotes

    func quoteNumbers(_ symbol: Int, after: Timestamp, until: Timestamp) -> Range<UInt64> {
        quoteEvents.numbers(of: symbol, after: after, until: until)
    }

    func quote(_ symbol: Int, _ number: UInt64) -> MassiveQuote {
        let reported = Self.reported(quoteEvents.time(of: symbol, number))
        let random = quoteEvents.mixed(symbol, number, salt: 32)
        let middle = events.level(
            symbol, events.last(of: symbol, at: reported),
            around: symbols[symbol].level / MassiveSymbol.cent)
        return MassiveQuote(
            symbol: symbol, reported: reported,
            happened: reported.advanced(byNanoseconds: -Self.latency(random)),
            bidExchange: Self.exchanges[1 + Int(random % 3)],
            askExchange: Self.exchanges[1 + Int((random >> 4) % 3)],
            bid: max(1, middle - 1 - Int64(random >> 8 & 1)) * MassiveSymbol.cent,
            ask: (max(1, middle) + 1 + Int64(random >> 9 & 1)) * MassiveSymbol.cent,
            bidSize: (1 + Int64(random >> 16 & 0xf)) * 100,
            askSize: (1 + Int64(random >> 24 & 0xf)) * 100,
            hasIndicator: random >> 32 & 7 == 0)
    }

    // MARK: bars

    /// How many trades a bar from one time until another is made of, at most.
    func tradeCount(_ symbol: Int, from start: Timestamp, until end: Timestamp) -> Int64 {
        [false, true].reduce(0) {
            let count = Int64(clamping: candidates(symbol, isLate: $1, start, end).count)
            return $0 + (rarities.twin > 0 ? 2 : 1) * count
        }
    }

    /// The numbers of the trades that may have happened from one time until another.
    private func candidates(
        _ symbol: Int, isLate: Bool, _ start: Timestamp, _ end: Timestamp
    ) -> Range<UInt64> {
        let most =
            isLate
            ? MassiveLimits.latenessSeconds * Self.secondNanoseconds
            : MassiveLimits.latencyMicroseconds * Self.microsecond
        return tradeNumbers(
            symbol, isLate: isLate, after: start.advanced(byNanoseconds: -1),
            until: end.advanced(byNanoseconds: most + Self.microsecond))
    }

    /// Returns the bar of a minute or of a day with what the venue counts for it at one time;
    /// `nil`: nobody gets one.
    func bar(
        _ symbol: Int, start: Timestamp, width: Int64, at now: Timestamp
    ) -> MassiveBar? {
        let end = start.advanced(byNanoseconds: width)
        // At the end of the day, late trades count and cancelled ones do not.
        let dayEnd = Self.day(of: start).advanced(byNanoseconds: Self.dayNanoseconds)
        let isFinal = dayEnd <= now
        let isDay = width == Self.dayNanoseconds
        var bar = MassiveBar(symbol: symbol, start: start)
        for isLate in [false, true] {
            for number in candidates(symbol, isLate: isLate, start, end) {
                let trade = trade(symbol, isLate: isLate, number)
                guard trade.happened >= start, trade.happened < end, trade.reported <= now,
                    isFinal || isDay || Self.isInTime(trade)
                else { continue }
                if let twin = twin(of: trade) { bar.add(twin) }
                if isFinal, let bust = bust(of: trade), bust.time <= now { continue }
                bar.add(trade)
            }
        }
        return bar.isEmpty ? nil : bar
    }

    /// The trade changes the bar of its minute.
    static func isInTime(_ trade: MassiveTrade) -> Bool {
        let start = trade.happened.floored(toNanoseconds: minuteNanoseconds)
        return trade.reported.nanoseconds(since: start)
            < minuteNanoseconds + MassiveLimits.revisionSeconds * secondNanoseconds
    }
}

/// The trades of one symbol in the order of their reports, or from the last one to the first.
struct MassiveReports: Sequence, IteratorProtocol {
    private let market: MassiveMarket
    private let symbol: Int
    private let isDescending: Bool
    /// Of the trades that are not late, and of the late ones.
    private var ranges: [Range<UInt64>]
    private var heads: [MassiveTrade?] = [nil, nil]
    /// The second one of two that are reported together.
    private var second: MassiveTrade?

    /// Those whose report came after one time until another.
    init(
        _ market: MassiveMarket, _ symbol: Int, after: Timestamp, until: Timestamp,
        isDescending: Bool = false
    ) {
        (self.market, self.symbol, self.isDescending) = (market, symbol, isDescending)
        ranges = [false, true].map {
            market.tradeNumbers(symbol, isLate: $0, after: after, until: until)
        }
        for place in ranges.indices { heads[place] = take(place) }
    }

    private mutating func take(_ place: Int) -> MassiveTrade? {
        let number = isDescending ? ranges[place].last : ranges[place].first
        guard let number else { return nil }
        ranges[place] = isDescending ? ranges[place].dropLast() : ranges[place].dropFirst()
        return market.trade(symbol, isLate: place == 1, number)
    }

    mutating func next() -> MassiveTrade? {
        if let trade = second {
            second = nil
            return trade
        }
        guard let trade = nextNumber() else { return nil }
        guard let twin = market.twin(of: trade) else { return trade }
        second = isDescending ? trade : twin
        return isDescending ? twin : trade
    }

    private mutating func nextNumber() -> MassiveTrade? {
        let place: Int
        switch (heads[0], heads[1]) {
        case (nil, nil): return nil
        case (.some, nil): place = 0
        case (nil, .some): place = 1
        // Of two in the same microsecond the late one is the second.
        case (let first?, let second?):
            place = (first.reported <= second.reported) != isDescending ? 0 : 1
        }
        defer { heads[place] = take(place) }
        return heads[place]
    }
}
