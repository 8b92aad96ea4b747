import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("What is kept of ticks near outages")
struct ArrivedTickTests {
    private func trade(_ change: (inout Trade) -> Void = { _ in }) -> Trade {
        var trade = Trade(
            header: TickHeader(
                symbol: 1, providerTime: wallSeconds(7), receiveTime: wallSeconds(7)),
            price: Price(raw: 150_250_000_000), size: Quantity(raw: 10_000_000_000))
        trade.exchange = ShortText("ARCA") ?? .empty
        trade.conditions = ShortText("TI") ?? .empty
        change(&trade)
        return trade
    }

    private func quote(_ change: (inout Quote) -> Void = { _ in }) -> Quote {
        var quote = Quote(
            header: TickHeader(
                symbol: 1, providerTime: wallSeconds(7), receiveTime: wallSeconds(7)),
            bidPrice: Price(raw: 150_250_000_000), bidSize: Quantity(raw: 10_000_000_000),
            askPrice: Price(raw: 150_260_000_000), askSize: Quantity(raw: 20_000_000_000))
        change(&quote)
        return quote
    }

    @Test("a tick is known again by everything that history tells of it, and by nothing else")
    func fields() {
        let known = ArrivedTick.trade(trade())
        #expect(known.digest == TickLikeness(trade()).digest)
        #expect(known == .trade(trade { $0.header.receiveTime = wallSeconds(9) }))
        #expect(known == .trade(trade { $0.header.providerTime = wallSeconds(7.9) }))
        let others: [ArrivedTick] = [
            .trade(trade { $0.header.providerTime = wallSeconds(8) }),
            .trade(trade { $0.price = Price(raw: 150_250_000_001) }),
            .trade(trade { $0.size = Quantity(raw: 10_000_000_001) }),
            .trade(trade { $0.exchange = .empty }),
            .trade(trade { $0.conditions = .empty }),
            .trade(
                trade {
                    $0.exchange = ShortText("TI") ?? .empty
                    $0.conditions = ShortText("ARCA") ?? .empty
                }),
            .quote(quote()),
            .quote(quote { $0.header.providerTime = wallSeconds(8) }),
            .quote(quote { $0.bidPrice = Price(raw: 150_250_000_001) }),
            .quote(quote { $0.bidSize = Quantity(raw: 1) }),
            .quote(quote { $0.askPrice = .undefined }),
            .quote(quote { $0.askSize = .undefined }),
        ]
        #expect(Set(others + [known]).count == others.count + 1)
    }

    @Test("a hundred thousand ticks of one second have as many digests")
    func collisions() {
        var digests: Set<UInt64> = []
        for price in 0..<100 {
            for size in 0..<1_000 {
                let tick = trade {
                    $0.price = Price(raw: 150_000_000_000 + Int64(price) * 10_000_000)
                    $0.size = Quantity(raw: Int64(size) * 100_000_000)
                }
                digests.insert(TickLikeness(tick).digest)
            }
        }
        #expect(digests.count == 100_000)
    }

    @Test("what was taken once is not there any more")
    func multiset() {
        let bare = trade {
            $0.exchange = .empty
            $0.conditions = .empty
        }
        var counts = ArrivalCounts()
        counts.add(ArrivedTick.trade(bare))
        counts.add(ArrivedTick.trade(trade()))
        let history = [trade(), trade(), trade(), bare].map { TickLikeness($0) }
        let taken = history.map { counts.take($0) }
        #expect(taken == [true, false, false, true])
    }

    @Test("thousands are kept per instrument: each takes twelve bytes")
    func size() {
        #expect(MemoryLayout<ArrivedTick>.stride == 12)
    }
}
