import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

/// What comes beside trades, while the list of instruments changes.
@Suite struct BinanceSideListTests {
    private static let second: Int64 = 1_000_000_000
    private static let minute: Int64 = 60_000
    private static let begin: Int64 = 1_700_000_040_000

    private func connected(_ feeds: Instrument.Feeds) -> EngineBench {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"], feeds)
        bench.connect()
        return bench
    }

    /// Ends and begins instrument 0.
    private func change(
        _ bench: inout EngineBench, ended: Bool, begun feeds: Instrument.Feeds?,
        name: String = "BTCUSDT"
    ) {
        let begun = feeds.map { [(0 as UInt32, EngineBench.coin("BTCUSDT", $0, name: name))] }
        bench.follow(begun ?? [], ended: ended ? [0] : [])
        bench.pass(Self.second)
        bench.answerAll()
        bench.pass(Self.second)
        bench.answerAll()
    }

    @Test("what an instrument lacks while nobody wants it is no gap")
    func unwanted() {
        var bench = connected([.quotes, .bars])
        bench.receive(BinanceSideTests.bar(Self.begin), on: 1)
        bench.receive(BinanceSideTests.quote(5), on: 1)
        change(&bench, ended: true, begun: nil)
        bench.pass(3_600 * Self.second)
        bench.records.removeAll()
        _ = bench.takeWishes()
        bench.follow(["BTCUSDT"], [.quotes, .bars])
        bench.pass(Self.second)
        bench.connect()
        bench.pass(Self.second)
        bench.connect()
        let leg = bench.lastConnection
        bench.receive(BinanceSideTests.bar(Self.begin + 60 * Self.minute), on: leg)
        #expect(bench.bars.count == 1 && bench.gaps.isEmpty)
        // An outage before the first quote begins when the new subscription did.
        let confirmed = bench.now.wall.advanced(byNanoseconds: -3 * Self.second)
        bench.ended(leg)
        let quotes = bench.gaps.filter { $0.kind == DataKind.quote.rawValue }
        #expect(quotes.count == 1 && quotes.allSatisfy { $0.from >= confirmed })
    }

    @Test("a kind that is left out of a list ends, and begins later without a gap")
    func leftOut() {
        var bench = connected([.trades, .bars])
        bench.trade("BTCUSDT", 10, on: 1)
        bench.receive(BinanceSideTests.bar(Self.begin), on: 1)
        change(&bench, ended: true, begun: .trades)
        let ended = bench.subscriptions.filter {
            $0.action == SubscriptionAction.stop.rawValue
        }
        #expect(ended.map(\.kind) == [DataKind.providerBar.rawValue])
        change(&bench, ended: true, begun: .bars)
        change(&bench, ended: true, begun: [.trades, .bars])
        bench.trade("BTCUSDT", 90, on: 1)
        bench.receive(BinanceSideTests.bar(Self.begin + 60 * Self.minute), on: 1)
        // Bars were wanted since the second change, trades since the third.
        #expect(bench.gaps.isEmpty)
        #expect(bench.ids == [10, 90])
        #expect(bench.bars.count == 2)
    }

    @Test("a kind that is left out during an outage ends its gap")
    func leftOutDown() {
        var bench = connected([.trades, .quotes])
        bench.receive(BinanceSideTests.quote(5), on: 1)
        bench.ended(1)
        change(&bench, ended: true, begun: .trades)
        let quotes = bench.gaps.filter { $0.kind == DataKind.quote.rawValue }
        #expect(quotes.last?.state == GapState.abandoned.rawValue)
        #expect(quotes.last?.to.isDefined == true)
    }

    @Test("another symbol of an instrument leaves a gap of each kind")
    func renamed() {
        var bench = connected([.trades, .quotes])
        bench.trade("BTCUSDT", 10, on: 1)
        bench.receive(BinanceSideTests.quote(5), on: 1)
        let last = bench.now.wall
        bench.pass(5 * Self.second)
        change(&bench, ended: true, begun: [.trades, .quotes], name: "BTCUSDC")
        for kind in [DataKind.trade, .quote] {
            let gaps = bench.gaps.filter { $0.kind == kind.rawValue }
            #expect(gaps.last?.state == GapState.abandoned.rawValue, "\(kind)")
            #expect(gaps.last?.from == last && gaps.last.map { $0.to > last } == true, "\(kind)")
        }
    }

    @Test("the reason of a failure is shown until a connection is open again")
    func reason() {
        var bench = connected(.quotes)
        bench.ended(1)
        #expect(bench.engine.status.reason == "cut")
        bench.pass(100 * Self.second)
        bench.connect()
        #expect(bench.engine.status.reason.isEmpty)
    }

    @Test("a second outage without a quote between begins where the first one ended")
    func twoOutages() {
        var bench = connected(.quotes)
        bench.receive(BinanceSideTests.quote(5), on: 1)
        for _ in 0..<2 {
            bench.pass(5 * Self.second)
            bench.ended(bench.lastConnection)
            bench.pass(100 * Self.second)
            bench.connect()
        }
        let lost = bench.gaps.filter { $0.state == GapState.abandoned.rawValue }
        #expect(lost.count == 2 && lost[0].to <= lost[1].from)
    }
}
