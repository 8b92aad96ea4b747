internal import Primitives
internal import VenueWeb

/// How often special things happen in a market.
package struct AlpacaRarities: Equatable, Sendable {
    /// One trade in so many is corrected, cancelled or reported late; 0: none.
    package var correction: UInt64 = 400
    package var cancel: UInt64 = 500
    package var late: UInt64 = 200
    /// Seconds between two halts of a symbol; 0: none.
    package var haltSeconds: Int64 = 1_800
    /// Seconds between two articles of news; 0: none.
    package var newsSeconds: Int64 = 10
    /// So many facilities report trades outside of exchanges, each with ids of its own, and no
    /// message names them.
    package var facilities: UInt64 = 1

    package init() {}
}

/// A market that can compute any trade, quote and bar in any order, from its seed.
struct AlpacaMarket: Sendable {
    static let iex = "V"
    /// The exchanges by turns, so that each has every fourth trade.
    private static let exchanges = [iex, "K", "Q", "D"]
    /// The place of trades outside of exchanges among them.
    private static let outside: UInt64 = 3
    /// By how many ids a facility is ahead of the one before it.
    private static let facilityLead: UInt64 = 25
    private static let haltNanoseconds: Int64 = 15_000_000_000
    /// The days of bars and ids begin at 05:00 UTC, midnight of New York in winter.
    private static let dayOffset: Int64 = 5 * 3_600 * 1_000_000_000
    static let dayNanoseconds: Int64 = 86_400 * 1_000_000_000
    static let minuteNanoseconds: Int64 = 60_000_000_000

    let symbols: [AlpacaSymbol]
    /// It has no exchanges, changes, late trades and halts.
    let isCrypto: Bool
    private let rarities: AlpacaRarities
    private let events: SeededEvents
    private let quoteEvents: SeededEvents
    private let places: [String: Int]

    /// `rate` is in trades per second over all symbols.
    init(
        symbols: [AlpacaSymbol], seed: UInt64, rate: Int, isCrypto: Bool, rarities: AlpacaRarities
    ) {
        self.symbols = symbols
        self.isCrypto = isCrypto
        self.rarities = rarities
        events = SeededEvents(seed: seed, lanes: symbols.count, rate: rate)
        quoteEvents = SeededEvents(seed: seed ^ 0x71, lanes: symbols.count, rate: rate)
        places = Dictionary(
            symbols.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func place(of name: String) -> Int? { places[name] }

    static func day(of time: Timestamp) -> Timestamp {
        time.advanced(byNanoseconds: -dayOffset).floored(toNanoseconds: dayNanoseconds)
            .advanced(byNanoseconds: dayOffset)
    }

    // MARK: trades

    func tradeNumbers(_ symbol: Int, after: Timestamp, until: Timestamp) -> Range<UInt64> {
        events.numbers(of: symbol, after: after, until: until)
    }

    func time(ofTrade number: UInt64, _ symbol: Int) -> Timestamp {
        events.time(of: symbol, number)
    }

    /// Returns `nil` if the symbol was halted.
    func trade(_ symbol: Int, _ number: UInt64) -> AlpacaTrade? {
        let what = symbols[symbol]
        let time = events.time(of: symbol, number)
        guard !isHalted(symbol, time) else { return nil }
        let random = events.mixed(symbol, number, salt: 32)
        let level = events.level(symbol, number, around: what.level / what.tick)
        let late = Int64(random >> 20 & 0xffff) % AlpacaLimits.latenessSeconds * 1_000_000_000
        let isLate = !isCrypto && rarities.late > 0 && random >> 36 & 0xffff % rarities.late == 0
        let size = isCrypto ? Self.coins(random) : 1 + Int64(random >> 4 & 0xffff) % 400
        return AlpacaTrade(
            symbol: symbol, number: number, id: id(symbol, number, time),
            exchange: isCrypto ? "" : Self.exchanges[Int(number % 4)], time: time,
            published: isLate ? time.advanced(byNanoseconds: late) : time,
            price: max(1, level + Int64(random % 3) - 1) * what.tick, size: size,
            isBuy: random >> 60 & 1 == 1)
    }

    /// Returns the size of a trade in coins. One in 32 has all nine decimals, the others eight.
    private static func coins(_ random: UInt64) -> Int64 {
        let units = 1 + Int64(random >> 4 & 0xff_ffff) * 97
        return random >> 40 & 31 == 0 ? units : units / 10 * 10 + 10
    }

    /// An exchange counts its own trades of a day, and so does a facility.
    private func id(_ symbol: Int, _ number: UInt64, _ time: Timestamp) -> UInt64 {
        guard !isCrypto else { return number }
        let before = events.last(of: symbol, at: Self.day(of: time)) & ~3
        let count = (number - before) / 4
        guard number % 4 == Self.outside else { return count + 1 }
        // So that trades of one id are some time apart.
        let (round, facility) = count.quotientAndRemainder(dividingBy: max(1, rarities.facilities))
        return round + 1 + facility * Self.facilityLead
    }

    /// Returns what later becomes of a trade; `nil`: it stays.
    func change(of trade: AlpacaTrade) -> VenueChange? {
        guard !isCrypto else { return nil }
        let random = events.mixed(trade.symbol, trade.number, salt: 33)
        let wait = 1 + Int64(random >> 40 & 0xff) % AlpacaLimits.changeSeconds
        let time = trade.published.advanced(byNanoseconds: wait * 1_000_000_000)
        if rarities.correction > 0, random & 0xffff % rarities.correction == 0 {
            let tick = symbols[trade.symbol].tick
            let price = trade.price + (1 + Int64(random >> 50 & 3)) * tick
            return VenueChange(
                kind: .corrected(
                    id: trade.id + 500_000_000, price: price, size: trade.size + 1), time: time)
        }
        if rarities.cancel > 0, random >> 16 & 0xffff % rarities.cancel == 0 {
            let action = random >> 48 & 1 == 1 ? "C" : "E"
            return VenueChange(kind: .cancelled(action: action), time: time)
        }
        return nil
    }

    // MARK: quotes

    func quoteNumbers(_ symbol: Int, after: Timestamp, until: Timestamp) -> Range<UInt64> {
        quoteEvents.numbers(of: symbol, after: after, until: until)
    }

    func quote(_ symbol: Int, _ number: UInt64) -> AlpacaQuote {
        let what = symbols[symbol]
        let time = quoteEvents.time(of: symbol, number)
        let random = quoteEvents.mixed(symbol, number, salt: 32)
        let middle = events.level(
            symbol, events.last(of: symbol, at: time), around: what.level / what.tick)
        // Every fourth quote is one of IEX alone.
        let places = number % 4 == 0 ? (0, 0) : (Int(random % 4), Int(random >> 2 % 4))
        let scale: Int64 = isCrypto ? 1_000_030 : 1
        return AlpacaQuote(
            symbol: symbol, time: time,
            bidExchange: isCrypto ? "" : Self.exchanges[places.0],
            askExchange: isCrypto ? "" : Self.exchanges[places.1],
            bid: max(1, middle - 1 - Int64(random >> 8 & 1)) * what.tick,
            ask: (middle + 1 + Int64(random >> 9 & 1)) * what.tick,
            bidSize: (1 + Int64(random >> 16 & 0xf)) * scale,
            askSize: (1 + Int64(random >> 24 & 0xf)) * scale)
    }

    // MARK: bars, halts and news

    /// Returns the bar of a minute with what the venue had reported at one time; `nil`: there was
    /// no trade.
    func bar(
        _ symbol: Int, minute: Timestamp, of feed: AlpacaFeed, at time: Timestamp
    ) -> AlpacaBar? {
        let end = minute.advanced(byNanoseconds: Self.minuteNanoseconds - 1)
        var bar: AlpacaBar?
        let numbers = events.numbers(
            of: symbol, after: minute.advanced(byNanoseconds: -1), until: end)
        for number in numbers {
            guard let trade = trade(symbol, number), feed == .all || trade.isOfIEX,
                trade.published <= time
            else { continue }
            var (price, size) = (trade.price, trade.size)
            if let change = change(of: trade), change.time <= time {
                guard case .corrected(_, let newPrice, let newSize) = change.kind else { continue }
                (price, size) = (newPrice, newSize)
            }
            if bar == nil {
                bar = AlpacaBar(symbol: symbol, start: minute, price: price, size: size)
            } else {
                bar?.add(price: price, size: size)
            }
        }
        return bar
    }

    /// Returns the beginning of the halt of the period that contains this time.
    private func halt(_ symbol: Int, _ time: Timestamp) -> Timestamp? {
        guard !isCrypto, rarities.haltSeconds > 0 else { return nil }
        let period = rarities.haltSeconds * 1_000_000_000
        let start = time.floored(toNanoseconds: period)
        let number = UInt64(clamping: start.nanoseconds / period)
        let place = Int64(events.mixed(symbol, number, salt: 34) % 1_000)
        return start.advanced(byNanoseconds: period / 2_000 * place)
    }

    private func isHalted(_ symbol: Int, _ time: Timestamp) -> Bool {
        guard let halt = halt(symbol, time) else { return false }
        return halt <= time && time < halt.advanced(byNanoseconds: Self.haltNanoseconds)
    }

    func statuses(_ symbol: Int, after: Timestamp, until: Timestamp) -> [AlpacaStatus] {
        guard let halt = halt(symbol, until) else { return [] }
        let end = halt.advanced(byNanoseconds: Self.haltNanoseconds)
        return [(halt, true), (end, false)].compactMap { time, isHalt in
            after < time && time <= until
                ? AlpacaStatus(symbol: symbol, time: time, isHalt: isHalt) : nil
        }
    }
}
