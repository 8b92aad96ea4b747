import Primitives
import Testing

@testable import IBSimulator

@Suite("A market that can be asked for any second")
struct SimulatedMarketTests {
    private static let first: Int64 = 1_767_600_000

    private func market(seed: UInt64 = 3, rate: Int = 60) -> SimulatedMarket {
        SimulatedMarket(
            instruments: InstrumentList.make(symbols: ["SPY", "QQQ"], others: false), seed: seed,
            rate: rate, firstSecond: Self.first)
    }

    @Test("the same seed and second give the same events, whatever was asked before")
    func repeats() {
        let market = market()
        let early = market.events(of: 0, in: Self.first + 100)
        _ = market.events(of: 1, in: Self.first + 5)
        #expect(market.events(of: 0, in: Self.first + 100) == early)
        #expect(self.market(seed: 4).events(of: 0, in: Self.first + 100) != early)
        #expect(early.count == 30)
        #expect(market.events(of: 0, in: Self.first - 1).isEmpty)
    }

    @Test("events are in order, inside of their second, and quotes have a bid below the ask")
    func order() {
        for second in Self.first..<Self.first + 50 {
            let events = market().events(of: 1, in: second)
            #expect(zip(events, events.dropFirst()).allSatisfy { $0.time <= $1.time })
            for event in events {
                #expect(event.second == second)
                if case .quote(let quote) = event.kind {
                    #expect(quote.bid < quote.ask && quote.bidSize > 0 && quote.askSize > 0)
                }
                if case .trade(let trade) = event.kind { #expect(trade.size > 0) }
            }
        }
    }

    @Test("a cursor gives each event once, however the time is cut")
    func cursor() {
        let market = market()
        let start = Timestamp(nanoseconds: (Self.first + 10) * 1_000_000_000 + 300_000_000)
        var cursor = MarketCursor(market, from: start)
        var random = SeededRandom(seed: 5)
        var now = start
        var taken: [MarketEvent] = []
        while now.nanoseconds < (Self.first + 20) * 1_000_000_000 {
            now = now.advanced(byNanoseconds: Int64(random.next() % 700_000_000))
            taken += cursor.take(until: now, of: market)
        }
        let all = (Self.first + 10...Self.first + 30)
            .flatMap { second in (0...1).flatMap { market.events(of: $0, in: second) } }
            .filter { $0.time >= start && $0.time < now }
            .sorted { ($0.time, $0.instrument) < ($1.time, $1.instrument) }
        #expect(taken == all)
    }

    @Test("after a jump of the clock only the last seconds are sent")
    func jump() {
        let market = market()
        let start = Timestamp(nanoseconds: Self.first * 1_000_000_000)
        var cursor = MarketCursor(market, from: start)
        let later = start.advanced(byNanoseconds: 3_600_000_000_000)
        let taken = cursor.take(until: later, of: market)
        #expect(taken.count == 60 * Int(SimulatorLimits.catchUpSeconds))
    }

    @Test("a change of the rate holds from its second on, and the past stays")
    func rate() {
        var market = market()
        let before = market.events(of: 0, in: Self.first + 9)
        let isChanged = market.setRate(200, from: Self.first + 10)
        #expect(isChanged)
        #expect(market.events(of: 0, in: Self.first + 9) == before)
        #expect(market.events(of: 0, in: Self.first + 10).count == 100)
        let isChangedBack = market.setRate(1, from: Self.first + 10)
        #expect(!isChangedBack)
    }

    @Test("bars of the past are those of its trades that were reported")
    func bars() throws {
        let market = market()
        let now = Timestamp(nanoseconds: (Self.first + 300) * 1_000_000_000)
        let history = MarketHistory(market: market, version: 187, now: now)
        let bars = try history.bars(
            of: 0, from: Self.first, until: Self.first + 300, width: 60, show: .trades)
        #expect(bars.count == 5)
        var volume: Int64 = 0
        for second in Self.first..<Self.first + 60 {
            for event in market.events(of: 0, in: second) {
                if case .trade(let trade) = event.kind, !trade.isUnreported { volume += trade.size }
            }
        }
        #expect(bars[0].texts.volume == String(volume))
        #expect(throws: MarketHistory.TooMuch.self) {
            try history.bars(
                of: 0, from: Self.first - 1, until: Self.first + 100 * 86_400, width: 60,
                show: .trades)
        }
    }

    @Test("ticks of the past end with a whole second, and nothing of the future is among them")
    func ticks() throws {
        let market = market()
        let now = Timestamp(nanoseconds: (Self.first + 100) * 1_000_000_000 + 500_000_000)
        let history = MarketHistory(market: market, version: 187, now: now)
        let forward = try history.ticks(
            of: 0, from: Self.first + 10, until: nil, count: 40, where: { _ in true })
        #expect(forward.count == 60)
        let backward = try history.ticks(
            of: 0, from: nil, until: Self.first + 200, count: 20, where: { _ in true })
        #expect(backward.count >= 20)
        #expect(backward.allSatisfy { $0.time < now })
    }

    @Test("times as texts, and back", arguments: [Int64(0), 1_767_623_400, 951_782_399])
    func times(second: Int64) {
        let (date, clock) = (MarketTime.date(second), MarketTime.clock(second))
        #expect(MarketTime.parse("\(date)-\(clock)") == second)
        #expect(MarketTime.parse("\(date) \(clock) UTC") == second)
        #expect(MarketTime.parse(MarketTime.newsTime(second)) == second)
        #expect(MarketTime.parse("\(date) \(clock) US/Eastern") == nil)
        #expect(MarketTime.parse("20260230-00:00:00") == nil)
    }
}
