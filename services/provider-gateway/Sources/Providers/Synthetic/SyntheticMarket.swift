import MarketModel
import Primitives

/// A synthetic market in which every tick depends only on the seed and the tick's number.
///
/// There is no state to restore: after a restart tick 1,000,000 is computed as it was before. Each
/// tick's provider id contains its number, so the last tick on the tape shows where to continue.
/// The seed and the number give a tick its time. The list of symbols only decides whose tick it is,
/// so the same market continues with other symbols.
struct SyntheticMarket: Sendable {
    struct Settings: Hashable, Sendable {
        var seed: UInt64
        var symbols: [Symbol]
        /// Ticks per second over all symbols.
        var rate: Int
    }

    static let rateRange = 1...1_000_000
    static let symbolsMax = ProviderLimits.instrumentsMax
    /// The number of a tick takes the lower 48 bits of its provider id.
    static let indexMax: UInt64 = 1 << 48 - 1

    let settings: Settings
    /// The time between two ticks.
    let intervalNanoseconds: Int64
    /// Distinguishes ticks of another seed or rate: the upper 16 bits of the provider id.
    let fingerprint: UInt64
    /// Per symbol, the number from which its prices follow. It depends on the name alone.
    private let lanes: [UInt64]

    init(_ settings: Settings) {
        precondition(Self.rateRange.contains(settings.rate))
        self.settings = settings
        intervalNanoseconds = 1_000_000_000 / Int64(settings.rate)
        // Never 0, as that means a provider without ids.
        fingerprint = Checksum.of("\(settings.seed) \(settings.rate)") % 0xffff + 1
        lanes = settings.symbols.map { Checksum.of($0.text) << 8 }
    }

    /// Returns the symbol of a tick, which exists only while there is a symbol. It decides the
    /// tick's partition, so it is computed before all else.
    @inline(__always)
    func symbol(ofTick index: UInt64) -> Int {
        Int(bits(index, 0) % UInt64(max(1, settings.symbols.count)))
    }

    /// Returns a time before which no tick from `index` on lies.
    func earliestTime(ofTick index: UInt64, origin: Timestamp) -> Timestamp {
        let (offset, overflow) = Int64(index).multipliedReportingOverflow(
            by: intervalNanoseconds)
        return origin.advanced(byNanoseconds: overflow ? Int64.max : offset)
    }

    /// Returns the event time of a tick. `origin` is that of tick 0.
    func time(ofTick index: UInt64, origin: Timestamp) -> Timestamp {
        earliestTime(ofTick: index, origin: origin)
            .advanced(byNanoseconds: jitter(ofTick: index))
    }

    /// The inverse of `time(ofTick:)`: returns the time of tick 0 when tick `index` is at `time`.
    func origin(ofTick index: UInt64, at time: Timestamp) -> Timestamp {
        let (offset, overflow) = Int64(index).multipliedReportingOverflow(
            by: intervalNanoseconds)
        return time.advanced(byNanoseconds: -jitter(ofTick: index))
            .advanced(byNanoseconds: overflow ? Int64.min : -offset)
    }

    /// Returns the latest tick whose time is not after `time`, or `nil` when tick 0 is after it.
    func lastTick(dueAt time: Timestamp, origin: Timestamp) -> UInt64? {
        let (elapsed, overflow) = time.nanoseconds.subtractingReportingOverflow(
            origin.nanoseconds)
        guard !overflow, elapsed >= 0 else { return nil }
        let index = min(UInt64(elapsed / intervalNanoseconds), Self.indexMax)
        // Its jitter may put it after `time`, but not the tick before it.
        if self.time(ofTick: index, origin: origin) <= time { return index }
        return index == 0 ? nil : index - 1
    }

    /// Returns how far the tick is after its place in a regular grid, in nanoseconds. It is below
    /// one interval, so the order of the ticks is kept.
    private func jitter(ofTick index: UInt64) -> Int64 {
        Int64(bits(index, 1) % UInt64(intervalNanoseconds))
    }

    // MARK: content

    enum Tick {
        case trade(Trade)
        case quote(Quote)
    }

    /// Returns whether the tick is a trade, without computing the tick.
    @inline(__always)
    func isTrade(tick index: UInt64) -> Bool { bits(index, 2) >> 8 % 4 == 0 }

    /// Computes a tick. One tick in four is a trade. The caller sets `header.symbol`.
    func tick(_ index: UInt64, origin: Timestamp, received: Timestamp) -> Tick {
        let symbol = symbol(ofTick: index)
        let time = time(ofTick: index, origin: origin)
        let header = TickHeader(
            symbol: 0, resolution: TimeResolution.nanosecond.rawValue, providerTime: time,
            receiveTime: received, providerID: fingerprint << 48 | index)
        let shape = bits(index, 2)
        let middle = cents(ofSymbol: symbol, at: time)
        let spread = Int64(1 + shape % 3)
        let bid = middle - spread / 2
        let ask = bid + spread
        if isTrade(tick: index) {
            let price = shape >> 16 % 2 == 0 ? bid : ask
            return .trade(
                Trade(
                    header: header, price: price.centsAsPrice,
                    size: Quantity(raw: lots(shape >> 24)), exchange: exchange(shape >> 40)))
        }
        return .quote(
            Quote(
                header: header, bidPrice: bid.centsAsPrice,
                bidSize: Quantity(raw: lots(shape >> 16)), askPrice: ask.centsAsPrice,
                askSize: Quantity(raw: lots(shape >> 24)), bidExchange: exchange(shape >> 32),
                askExchange: exchange(shape >> 40)))
    }

    /// Returns 1 to 500 shares, mostly round lots.
    private func lots(_ bits: UInt64) -> Int64 {
        let shares = bits % 8 == 0 ? 1 + bits >> 3 % 99 : (1 + bits >> 3 % 5) * 100
        return Int64(shares) * 100_000_000
    }

    private static let exchanges = ["NASDAQ", "NYSE", "ARCA", "IEX", "BATS", "EDGX"]
        .map { ShortText($0) ?? .empty }

    private func exchange(_ bits: UInt64) -> ShortText {
        Self.exchanges[Int(bits % UInt64(Self.exchanges.count))]
    }

    // MARK: prices

    /// Periods in seconds, and how far each swings in parts per million.
    private static let swings: [(seconds: Int64, ppm: Int64)] = [
        (5, 400), (60, 1_500), (900, 5_000), (7_200, 15_000), (86_400, 40_000),
    ]

    /// Returns the price of a symbol in cents. The walk can be computed for any time without the
    /// path to it: it is smooth noise of several periods, in integers, so that every machine
    /// computes the same cents.
    private func cents(ofSymbol symbol: Int, at time: Timestamp) -> Int64 {
        let base = 1_000 + Int64(mixed(lanes[symbol], 77) % 49_000)
        var ppm: Int64 = 1_000_000
        for (number, swing) in Self.swings.enumerated() {
            let period = swing.seconds * 1_000_000_000
            let step = time.floored(toNanoseconds: period).nanoseconds / period
            let within = time.nanoseconds - step * period
            let lane = lanes[symbol] | UInt64(number)
            let from = level(lane, step)
            let to = level(lane, step + 1)
            ppm += swing.ppm * (from + (to - from) * (within >> 20) / (period >> 20)) / 1_000
        }
        return max(1, base * ppm / 1_000_000)
    }

    /// Returns a pseudo-random level from -1,000 to 1,000.
    private func level(_ lane: UInt64, _ step: Int64) -> Int64 {
        Int64(mixed(lane, UInt64(bitPattern: step)) % 2_001) - 1_000
    }

    /// Returns pseudo-random bits that depend only on the seed and the two numbers.
    private func mixed(_ lane: UInt64, _ step: UInt64) -> UInt64 {
        SeededRandom.mixed(
            SeededRandom.mixed(settings.seed &+ lane &* 0x9e37_79b9_7f4a_7c15) ^ step)
    }

    /// Returns pseudo-random bits of a tick; `use` (0 to 3) names what they are for.
    @inline(__always)
    private func bits(_ index: UInt64, _ use: UInt64) -> UInt64 {
        SeededRandom.mixed(settings.seed &+ (index << 2 | use) &* 0x9e37_79b9_7f4a_7c15)
    }
}

extension SyntheticMarket.Tick {
    func stamped(aheadBy nanoseconds: Int64) -> Self {
        switch self {
        case .trade(var trade):
            trade.header.providerTime = trade.header.providerTime
                .advanced(byNanoseconds: nanoseconds)
            return .trade(trade)
        case .quote(var quote):
            quote.header.providerTime = quote.header.providerTime
                .advanced(byNanoseconds: nanoseconds)
            return .quote(quote)
        }
    }
}

extension Int64 {
    fileprivate var centsAsPrice: Price { Price(raw: self * 10_000_000) }
}
