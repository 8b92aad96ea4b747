import EngineKit
import IBEngine
import IBSimulator
import MarketModel
import Primitives
import Testing

@Suite("A load of the past of a simulated TWS")
struct IBHistoryTests {
    @Test("every trade of the range is there once, in the order of time, with an id of its second")
    func trades() throws {
        let bench = try HistoryBench(["AAPL", "MSFT"], rate: 600, seed: 7, seconds: 20..<150)
            .finished()
        #expect(bench.history.phase == .finished, "\(bench.problems)")
        #expect(bench.disorder.isEmpty)
        for place in 0..<2 {
            #expect(bench.loaded(place) == bench.traded(place))
            #expect(bench.loaded(place).count > 1_500)
            #expect(bench.gaps(place).isEmpty)
            for trade in bench.trades(place) {
                let second = trade.header.eventTime.nanoseconds / HistoryBench.second
                let (own, number) = trade.header.providerID.quotientAndRemainder(
                    dividingBy: 1_000_000)
                #expect(own == UInt64(second) && number > 0 && number <= 200)
                #expect(!trade.header.flags.contains(.backfilled))
            }
        }
        #expect(bench.problems.isEmpty)
    }

    @Test("all trades come to a feed of all of them, and level 1 has them, too")
    func unreported() throws {
        for feeds in [Instrument.Feeds.allTrades, .level1] {
            let bench = try HistoryBench(
                ["AAPL"], rate: 300, seed: 3, seconds: 0..<40, feeds: feeds
            ).finished()
            #expect(bench.loaded(0) == bench.traded(0, unreported: true))
            #expect(bench.loaded(0).count > bench.traded(0).count)
        }
    }

    @Test("a second with more trades than a page is loaded as a whole")
    func denseSecond() throws {
        let bench = try HistoryBench(["AAPL"], rate: 32_000, seed: 5, seconds: 0..<3).finished()
        #expect(bench.loaded(0) == bench.traded(0))
        #expect(bench.loaded(0).count > 3_000)
    }

    @Test("old servers count stocks in lots, and the tape has shares")
    func lots() throws {
        let bench = try HistoryBench(["AAPL"], rate: 300, seed: 3, seconds: 0..<20, version: 160)
            .finished()
        #expect(bench.history.phase == .finished)
        #expect(bench.trades(0).allSatisfy { $0.size.raw % 100_000_000 == 0 })
        #expect(bench.trades(0).contains { $0.size.raw >= 100 * 100_000_000 })
    }

    @Test("bars of a minute end the range whole, and have their close as event time")
    func bars() throws {
        let bench = try HistoryBench(
            ["AAPL", "MSFT"], rate: 20, seed: 9, seconds: 90..<3_630, feeds: .bars
        ).finished()
        #expect(bench.history.phase == .finished && bench.disorder.isEmpty, "\(bench.problems)")
        for place in 0..<2 {
            let bars = bench.bars(place)
            // Those that begin and end in it.
            #expect(bars.count == 58, "\(bars.count)")
            #expect(bars.first?.openTime == bench.range.lowerBound.advanced(by: 30))
            #expect(bars.last?.closeTime == bench.range.upperBound.advanced(by: -30))
            #expect(bars.allSatisfy { $0.header.eventTime == $0.closeTime })
            #expect(bars.allSatisfy { $0.closeTime == $0.openTime.advanced(by: 60) })
            #expect(bars.allSatisfy { $0.trades > 0 && $0.header.flags.isEmpty })
            #expect(zip(bars, bars.dropFirst()).allSatisfy { $0.closeTime <= $1.openTime })
        }
    }

    @Test("bars of five seconds come in many requests, each once")
    func smallBars() throws {
        let bench = try HistoryBench(
            ["AAPL"], rate: 40, seed: 9, seconds: 3..<6_903, feeds: .bars, bars: .fiveSeconds
        ).finished()
        let opens = bench.bars(0).map(\.openTime)
        #expect(Set(opens).count == opens.count)
        let wanted = Set(
            bench.traded(0).compactMap { Int64($0.split(separator: " ")[0]) }
                .map { $0 / 5 * 5 }
        ).filter {
            $0 * HistoryBench.second >= bench.range.lowerBound.nanoseconds
                && ($0 + 5) * HistoryBench.second <= bench.range.upperBound.nanoseconds
        }
        #expect(Set(opens.map { $0.nanoseconds / HistoryBench.second }) == wanted)
        #expect(bench.client.requests >= 3)
    }

    @Test("what cannot be loaded is refused before anything comes")
    func refusals() throws {
        func problem(_ contract: Instrument.Contract?, _ name: String = "AAPL") throws -> String {
            var bench = HistoryBench([name], rate: 30, seed: 1, seconds: 0..<10)
            try bench.begin(contracts: contract.map { [name: $0] } ?? [:])
            bench.run(turns: 200)
            #expect(bench.history.phase == .failed && bench.trades(0).isEmpty)
            return bench.history.problem ?? ""
        }
        var unknown = HistoryBench.stock
        unknown.providerSymbol = "NOPE"
        #expect(try problem(unknown).contains("AAPL: "))
        #expect(try problem(Instrument.Contract(.forex)).contains("no trades at Interactive"))
    }

    @Test("an account that may not see a past is told so")
    func permission() throws {
        var bench = HistoryBench(["AAPL"], rate: 30, seed: 1, seconds: 0..<10)
        _ = bench.simulator.control("permission AAPL none", now: bench.now.wall)
        try bench.begin()
        bench.run(turns: 200)
        #expect(bench.history.phase == .failed)
        #expect(bench.history.problem?.contains("the account may not see it") == true)
    }
}

extension Timestamp {
    fileprivate func advanced(by seconds: Int64) -> Timestamp {
        advanced(byNanoseconds: seconds * HistoryBench.second)
    }
}
