import MarketModel
import Primitives
import Testing

@testable import ProviderGateway

@Suite("The synthetic market")
struct SyntheticMarketTests {
    private let origin = Timestamp(nanoseconds: 1_700_000_000_123_456_789)
    private let received = Timestamp(nanoseconds: 1_700_000_100_000_000_000)

    private func market(
        seed: UInt64 = 7, symbols: [String] = ["AAPL", "MSFT", "SPY"], rate: Int = 1_000
    ) -> SyntheticMarket {
        SyntheticMarket(
            SyntheticMarket.Settings(
                seed: seed, symbols: symbols.compactMap { Symbol($0) }, rate: rate))
    }

    /// Returns all fields of a tick in one line.
    private func line(_ market: SyntheticMarket, _ index: UInt64) -> String {
        switch market.tick(index, origin: origin, received: received) {
        case .trade(let trade): "\(trade)"
        case .quote(let quote): "\(quote)"
        }
    }

    @Test("the same seed gives the same ticks, in any order of asking")
    func repeatable() {
        let forwards = (0..<2_000).map { line(market(), $0) }
        let backwards = (0..<2_000).reversed().map { line(market(), $0) }
        #expect(forwards == backwards.reversed())
    }

    @Test("other seeds and rates give other ticks and fingerprints, other symbols other ticks")
    func different() {
        let one = market()
        for other in [market(seed: 8), market(rate: 999)] {
            let same = (0..<1_000).count { line(one, $0) == line(other, $0) }
            #expect(same == 0)
            #expect(one.fingerprint != other.fingerprint)
        }
        // The same ticks in time, of other symbols, with the prices of each name.
        let other = market(symbols: ["MSFT", "AAPL", "SPY"])
        #expect(one.fingerprint == other.fingerprint)
        let times = { (market: SyntheticMarket) in
            (0..<1_000).map { market.time(ofTick: $0, origin: origin) }
        }
        #expect(times(one) == times(other))
        #expect((0..<1_000).allSatisfy { (line(one, $0) == line(other, $0)) == isSPY(one, $0) })
        let fingerprints = (0..<2_000).map { market(seed: $0).fingerprint }
        #expect(fingerprints.allSatisfy { (1...0xffff).contains($0) })
        #expect(Set(fingerprints).count > 1_900)
    }

    private func isSPY(_ market: SyntheticMarket, _ index: UInt64) -> Bool {
        market.symbol(ofTick: index) == 2
    }

    @Test(
        "times rise strictly and stay inside their interval",
        arguments: [1, 3, 1_000, 7_919, 999_999])
    func times(rate: Int) {
        let market = market(rate: rate)
        var last = Timestamp(nanoseconds: Int64.min)
        for index: UInt64 in 0..<20_000 {
            let time = market.time(ofTick: index, origin: origin)
            let earliest = market.earliestTime(ofTick: index, origin: origin)
            #expect(time > last)
            #expect(time >= earliest)
            #expect(time < market.earliestTime(ofTick: index + 1, origin: origin))
            last = time
        }
    }

    @Test("at a million per second an interval is a microsecond, and times still rise")
    func highestRate() {
        let market = market(rate: SyntheticMarket.rateRange.upperBound)
        #expect(market.intervalNanoseconds == 1_000)
        let times = (0..<10_000).map { market.time(ofTick: $0, origin: origin) }
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("the origin follows from any tick and its time")
    func origins() {
        var random = SeededRandom(seed: 11)
        for rate in [1, 10, 12_345, 1_000_000] {
            let market = market(seed: random.next(), rate: rate)
            for _ in 0..<500 {
                // The time is within three hundred years of the origin at every rate.
                let index = random.next() % 9_000_000_000
                let time = market.time(ofTick: index, origin: Timestamp(nanoseconds: 0))
                #expect(market.origin(ofTick: index, at: time).nanoseconds == 0)
            }
        }
    }

    @Test("a trade in four; bid below ask; trades at one of them; sizes are whole shares")
    func content() throws {
        let market = market()
        var trades = 0
        var perSymbol: [Int: Int] = [:]
        for index: UInt64 in 0..<20_000 {
            perSymbol[market.symbol(ofTick: index), default: 0] += 1
            switch market.tick(index, origin: origin, received: received) {
            case .trade(let trade):
                trades += 1
                #expect(trade.price.raw > 0 && trade.price.raw % 10_000_000 == 0)
                #expect(trade.size.raw > 0 && trade.size.raw % 100_000_000 == 0)
                #expect(trade.size.raw <= 500 * 100_000_000)
                #expect(!trade.exchange.text.isEmpty)
                expectTick(trade.header, index, market)
            case .quote(let quote):
                #expect(quote.bidPrice.raw > 0)
                #expect(quote.bidPrice < quote.askPrice)
                #expect(quote.askPrice.raw - quote.bidPrice.raw <= 3 * 10_000_000)
                #expect(quote.bidSize.raw > 0 && quote.askSize.raw > 0)
                expectTick(quote.header, index, market)
            }
        }
        #expect((4_600...5_400).contains(trades))
        #expect(perSymbol.count == 3 && perSymbol.values.allSatisfy { $0 > 6_000 })
    }

    /// Expects the times, the number and the resolution of a tick of the market.
    private func expectTick(_ header: TickHeader, _ index: UInt64, _ market: SyntheticMarket) {
        #expect(header.providerTime == market.time(ofTick: index, origin: origin))
        #expect(header.receiveTime == received)
        #expect(header.providerID == market.fingerprint << 48 | index)
        #expect(header.resolution == TimeResolution.nanosecond.rawValue)
    }

    @Test("prices move smoothly: little within a second, within bounds over days")
    func prices() throws {
        let market = market(symbols: ["A"], rate: 100)
        var last: Int64?
        var lowest = Int64.max
        var highest = Int64.min
        // About one tick in ten thousand over eleven days, then each tick of some minutes.
        for index in Array(stride(from: UInt64(0), to: 95_000_000, by: 10_007)) {
            let price = middle(market, index)
            lowest = min(lowest, price)
            highest = max(highest, price)
        }
        for index: UInt64 in 0..<20_000 {
            let price = middle(market, index)
            if let last {
                // Within ten milliseconds the price moves less than a tenth of a percent, plus the
                // rounding to cents.
                #expect(abs(price - last) <= last / 1_000 + 30_000_000, "\(index)")
            }
            last = price
        }
        #expect(lowest > 0)
        #expect(highest > lowest)
        #expect(Double(highest) / Double(lowest) < 1.3)
    }

    private func middle(_ market: SyntheticMarket, _ index: UInt64) -> Int64 {
        switch market.tick(index, origin: origin, received: received) {
        case .trade(let trade): trade.price.raw
        case .quote(let quote): (quote.bidPrice.raw + quote.askPrice.raw) / 2
        }
    }

    @Test("the ends of all ranges do not trap")
    func extremes() {
        let origins = [Int64.min, -1, 0, Int64.max - 1].map { Timestamp(nanoseconds: $0) }
        for rate in [SyntheticMarket.rateRange.lowerBound, SyntheticMarket.rateRange.upperBound] {
            for seed in [0, UInt64.max] {
                let market = market(seed: seed, rate: rate)
                for index in [0, 1, SyntheticMarket.indexMax - 1, SyntheticMarket.indexMax] {
                    for origin in origins {
                        _ = market.tick(index, origin: origin, received: origin)
                        _ = market.origin(ofTick: index, at: origin)
                        let time = market.time(ofTick: index, origin: origin)
                        #expect(time >= market.earliestTime(ofTick: index, origin: origin))
                    }
                }
            }
        }
    }
}
