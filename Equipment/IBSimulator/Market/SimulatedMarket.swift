internal import Primitives

/// A market that can compute any second in any order. The seed, the instrument and the second alone
/// determine the events. So no past is stored, and a history request returns exactly what a client
/// missed.
package struct SimulatedMarket: Sendable {
    package let instruments: [SimulatedInstrument]
    package let seed: UInt64
    /// The market has no data before this second.
    package let firstSecond: Int64

    /// The rates: from a second on, thousandths of an event per second and instrument.
    private var rates: [(from: Int64, milli: Int64)]

    /// `rate` is in events per second over all instruments.
    package init(
        instruments: [SimulatedInstrument], seed: UInt64, rate: Int, firstSecond: Int64
    ) {
        precondition(
            (1...SimulatorLimits.instrumentsMax).contains(instruments.count),
            "a market has 1 to \(SimulatorLimits.instrumentsMax) instruments")
        self.instruments = instruments
        self.seed = seed
        self.firstSecond = firstSecond
        rates = []
        rates = [(Int64.min, milli(rate))]
    }

    private func milli(_ rate: Int) -> Int64 { Int64(rate) * 1_000 / Int64(instruments.count) }

    /// Sets the rate from a second on. Returns false if it has been changed too often.
    package mutating func setRate(_ rate: Int, from second: Int64) -> Bool {
        guard rates.count < SimulatorLimits.rateChangesMax,
            rates.last.map({ $0.from < second }) ?? true
        else { return false }
        rates.append((second, milli(rate)))
        return true
    }

    // MARK: what happens

    /// Returns the events of a second in the order of time.
    package func events(of instrument: Int, in second: Int64) -> [MarketEvent] {
        guard second >= firstSecond else { return [] }
        var random = generator(instrument, second, salt: 1)
        let milli = rates.last { $0.from <= second }?.milli ?? 0
        let fraction = Int64(random.next() % 1_000) < milli % 1_000 ? 1 : 0
        let count = milli / 1_000 + Int64(fraction)
        guard count > 0 else { return [] }
        let slot = 1_000_000_000 / count
        var events: [MarketEvent] = []
        events.reserveCapacity(Int(count))
        for index in 0..<count {
            let offset = index * slot + Int64(random.next() % UInt64(slot))
            let level = level(of: instrument, at: second, nanosecond: offset)
            events.append(
                MarketEvent(
                    time: Timestamp(nanoseconds: second * 1_000_000_000 + offset),
                    instrument: instrument, kind: kind(level, &random)))
        }
        return events
    }

    /// Returns the last quote before a time, searched within one minute. Otherwise returns a quote
    /// around the price level.
    func quote(of instrument: Int, before time: Timestamp) -> MarketQuote {
        let second = time.nanoseconds / 1_000_000_000
        for past in 0..<60 {
            for event in events(of: instrument, in: second - Int64(past)).reversed()
            where event.time < time {
                if case .quote(let quote) = event.kind { return quote }
            }
        }
        let level = level(of: instrument, at: second, nanosecond: 0)
        return MarketQuote(bid: level - 1, ask: level + 1, bidSize: 100, askSize: 100)
    }

    /// Returns the headline of an instrument in a second, if there is one: on average every 20
    /// seconds.
    func news(of instrument: Int, in second: Int64) -> NewsItem? {
        guard second >= firstSecond else { return nil }
        var random = generator(instrument, second, salt: 2)
        guard random.next() % 20 == 0 else { return nil }
        let provider = random.next() % 2 == 0 ? "SIMA" : "SIMB"
        let symbol = instruments[instrument].symbol
        return NewsItem(
            second: second, provider: provider,
            articleID: "\(provider)$\(String(random.next(), radix: 16))",
            headline: "{K:0.\(random.next() % 100):n/a} \(symbol) at \(second), says nobody",
            extra: "A:\(instruments[instrument].conID):L:en:K:0.9:")
    }

    /// Returns a random generator for data without events. It is the same for the same second.
    func generator(_ instrument: Int, _ second: Int64, salt: UInt64) -> SeededRandom {
        let contract = UInt64(UInt32(bitPattern: instruments[instrument].conID))
        var mixed = SeededRandom.mixed(seed ^ salt &* 0x9e37_79b9_7f4a_7c15)
        mixed = SeededRandom.mixed(mixed ^ contract)
        return SeededRandom(seed: SeededRandom.mixed(mixed ^ UInt64(bitPattern: second)))
    }

    // MARK: how

    private func kind(_ level: Int64, _ random: inout SeededRandom) -> MarketEvent.Kind {
        let bits = random.next()
        switch bits % 10 {
        case 0..<5:
            let spread = Int64(bits >> 8 % 3) & 1
            var quote = MarketQuote(
                bid: level - 1, ask: level + 1 + spread,
                bidSize: Int64(bits >> 16 & 31) * 100 + 100,
                askSize: Int64(bits >> 24 & 31) * 100 + 100)
            quote.isPastLow = bits >> 32 & 63 == 0
            quote.isPastHigh = bits >> 38 & 63 == 0
            return .quote(quote)
        case 5..<9:
            let isOdd = bits >> 8 & 3 == 0
            let size = isOdd ? Int64(bits >> 16 % 99) & 63 + 1 : Int64(bits >> 16 & 15) * 100 + 100
            var trade = MarketTrade(
                price: level + Int64(bits >> 24 & 1) * 2 - 1, size: size,
                exchange: Int(bits >> 32) % SimulatedInstrument.exchanges.count,
                conditions: isOdd ? "I" : bits >> 40 & 7 == 0 ? "T" : "")
            trade.isPastLimit = bits >> 44 & 63 == 0
            trade.isUnreported = bits >> 50 & 15 == 0
            return .trade(trade)
        default:
            return .book(bits: random.next())
        }
    }

    /// Returns the price level at a moment, in steps: waves of noise with periods from hours to
    /// seconds.
    func level(of instrument: Int, at second: Int64, nanosecond: Int64) -> Int64 {
        let base = instruments[instrument].basePrice
        var level = base
        for (octave, wave) in Self.waves.enumerated() {
            let lattice = second / wave.seconds
            let from = noise(instrument, lattice, octave)
            let to = noise(instrument, lattice + 1, octave)
            let place = second % wave.seconds * 1_000 + nanosecond / 1_000_000
            let value = from + (to - from) * place / (wave.seconds * 1_000)
            level += base * value / 1_000_000 * wave.millionths / 1_000_000
        }
        return max(level, 10)
    }

    private static let waves: [(seconds: Int64, millionths: Int64)] = [
        (21_600, 40_000), (1_800, 10_000), (120, 2_000), (7, 500),
    ]

    /// Returns a number from -1,000,000 to 1,000,000.
    private func noise(_ instrument: Int, _ lattice: Int64, _ octave: Int) -> Int64 {
        var random = generator(instrument, lattice, salt: 16 + UInt64(octave))
        return Int64(random.next() % 2_000_001) - 1_000_000
    }
}
