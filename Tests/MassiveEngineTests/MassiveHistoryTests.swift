import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import TestSupport
import Testing

@testable import MassiveEngine

@Suite("A load of Massive's past")
struct MassiveHistoryTests {
    /// A Tuesday at noon, in nanoseconds.
    private static let start: Int64 = 1_779_796_800_000_000_000
    private static let minute: Int64 = 60_000_000_000

    fileprivate static func stamp(_ nanoseconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: start + nanoseconds)
    }

    private static func trade(
        _ time: Int64, _ sequence: Int, _ more: String = "\"size\":100"
    ) -> String {
        "{\"id\":\"0\",\"conditions\":[12,37],\"exchange\":4,"
            + "\"participant_timestamp\":\(start + time - 900),\"price\":114.125,"
            + "\"sequence_number\":\(sequence),\"sip_timestamp\":\(start + time),"
            + "\"tape\":3,\(more)}"
    }

    private static func bar(_ time: Int64) -> String {
        "{\"v\":300.5,\"vw\":1.25,\"o\":1,\"c\":2,\"h\":2.5,\"l\":0.5,"
            + "\"t\":\((start + time) / 1_000_000),\"n\":7}"
    }

    private typealias Bench = HistoryBench<MassiveHistoryService>

    /// Massive's number in the one on the tape.
    private static func number(_ trade: Trade) -> UInt64 {
        trade.header.providerID & (1 << 38 - 1)
    }

    @Test("trades have the tape's time, exact sizes, letters, and the number that they have live")
    func content() throws {
        var bench = try Bench()
        bench.run([[Self.trade(5, 77, "\"size\":0,\"decimal_size\":\"0.00000001\"")]])
        #expect(bench.history.phase == .finished && bench.gaps.isEmpty)
        let trade = try #require(bench.trades.first)
        #expect(trade.header.providerTime == Self.stamp(5) && trade.size.raw == 1)
        #expect(trade.price.raw == 114_125_000_000)
        #expect(trade.exchange.text == "D" && trade.conditions.text == "TI")
        #expect(trade.header.resolution == TimeResolution.nanosecond.rawValue)
        #expect(
            trade.header.providerID
                == TradeNumber.number(
                    exchange: UInt8(ascii: "D"), day: TradeNumber.day(of: Self.stamp(5)),
                    id: UInt64(UInt8(ascii: "0")) << 38 | 77))
    }

    @Test("the next page is asked of the same host, whatever address the service writes")
    func pages() throws {
        var bench = try Bench()
        bench.run([
            [Self.trade(1, 1), Self.trade(5, 9)], [], [Self.trade(5, 3), Self.trade(6, 4)],
        ])
        #expect(bench.trades.map(Self.number) == [1, 3, 9, 4])
        #expect(
            bench.targets[0]
                == "/v3/trades/BACpA?timestamp.gte=\(Self.start)&timestamp.lt="
                + "\(Self.start + 1_000_000)&order=asc&sort=timestamp&limit=10000")
        #expect(
            bench.targets[1...] == [
                "/v3/trades/BACpA?cursor=c0", "/v3/trades/BACpA?cursor=c1",
            ])
        // What is no address of a past is no page.
        let host = "https://api.massive.com"
        for next in ["ftp://api.massive.com", "\(host)/v1/other?x=", "\(host)/../x"] {
            var bench = try Bench()
            bench.run(Array(repeating: [], count: 20), next: next)
            #expect(bench.history.problem?.contains("no list of trades") == true, "\(next)")
        }
    }

    @Test("cancelled trades and errors come with a cancel, and reports about others are no trades")
    func corrections() throws {
        var bench = try Bench()
        let codes = [(1, 0), (2, 1), (3, 7), (4, 8), (5, 10), (6, 11), (7, 12)]
        bench.run([
            codes.map { Self.trade(Int64($0), $0, "\"size\":1,\"correction\":\($1)") }
        ])
        #expect(bench.trades.map(Self.number) == [1, 2, 3, 3, 4, 4])
        #expect(bench.trades.map(\.header.action) == [0, 0, 0, 2, 0, 2])
    }

    @Test("what the tape has of one time does not come again, but a cancel that may be missing")
    func continued() throws {
        let id = TradeNumber.number(
            exchange: UInt8(ascii: "D"), day: TradeNumber.day(of: Self.stamp(5)),
            id: UInt64(UInt8(ascii: "0")) << 38 | 9)
        var bench = try Bench(last: (id: id, time: Self.stamp(5)))
        bench.run([
            [
                Self.trade(5, 3), Self.trade(5, 9, "\"size\":1,\"correction\":8"),
                Self.trade(5, 12), Self.trade(6, 4),
            ]
        ])
        #expect(bench.targets[0].contains("timestamp.gte=\(Self.start + 5)&"))
        #expect(bench.trades.map(Self.number) == [9, 12, 4])
        #expect(bench.trades.map(\.header.action) == [2, 0, 0])
    }

    @Test("trades of one number and one time are others by their own ids, as on the stream")
    func twins() throws {
        var live = MassiveBench()
        let connection = live.begin("BACpA")
        let ids = ["00220725", "00220726", "00220725"]
        let stamp = (Self.start + 5_000_000) / 1_000_000
        for id in ids {
            live.receive(
                "[{\"ev\":\"T\",\"sym\":\"BACpA\",\"x\":62,\"i\":\"\(id)\",\"z\":3,\"p\":2,"
                    + "\"s\":1,\"t\":\(stamp),\"q\":130924}]", on: connection)
        }
        var bench = try Bench(to: Self.minute)
        bench.run([
            ids.map {
                "{\"id\":\"\($0)\",\"exchange\":62,\"price\":2,\"size\":1,"
                    + "\"sequence_number\":130924,\"sip_timestamp\":\(Self.start + 5_000_000)}"
            }
        ])
        #expect(bench.trades.count == 2)
        #expect(
            Set(bench.trades.map(\.header.providerID)) == Set(live.trades.map(\.header.providerID)))
    }

    @Test("a trade without its number, or with one that does not fit, is a gap")
    func misfits() throws {
        var bench = try Bench()
        bench.run([[Self.trade(1, 0), Self.trade(2, 2, "\"size\":1e30"), Self.trade(3, 3)]])
        #expect(bench.trades.map(Self.number) == [3])
        #expect(bench.gaps.map(\.reason) == [GapReason.scale, .scale].map(\.rawValue))
    }

    @Test("bars within the range have their trade count; a range without any is no failure")
    func bars() throws {
        var bench = try Bench(.fiveMinutes, to: 20 * Self.minute + 1)
        bench.run([[-5, 0, 5, 15, 20].map { Self.bar($0 * Self.minute) }])
        #expect(bench.bars.map(\.openTime) == [0, 5, 15].map { Self.stamp($0 * Self.minute) })
        let bar = try #require(bench.bars.first)
        #expect(bar.trades == 7 && bar.volume == 30_050_000_000 && bar.vwap.raw == 1_250_000_000)
        let from = Self.start / 1_000_000
        #expect(
            bench.targets == [
                "/v2/aggs/ticker/BACpA/range/5/minute/\(from)/\(from + 1_200_000)"
                    + "?adjusted=false&sort=asc&limit=50000"
            ])
        for (text, isRight) in [
            ("{\"status\":\"OK\",\"resultsCount\":0}", true), ("{\"status\":\"ERROR\"}", false),
            ("{\"status\":\"DELAYED\",\"results\":[]}", true), ("{\"results\":[{}]}", false),
        ] {
            var bench = try Bench(.minute)
            while let request = bench.turn() {
                bench.history.answered(request.number, .page(Array(text.utf8)), bench.now)
            }
            #expect((bench.history.phase == .finished) == isRight, "\(text)")
        }
    }
}

/// A process that loads one symbol. Each answer is the next page of rows.
extension HistoryBench<MassiveHistoryService> {
    fileprivate init(
        _ bars: BarLength? = nil, to: Int64 = 1_000_000, last: LastOfHistory? = nil
    ) throws {
        self.init(
            MassiveHistoryService(bars: bars ?? .minute, requestsPerMinute: 300, isDelayed: false),
            MassiveHistory.Settings(
                provider: "massive-history", from: MassiveHistoryTests.stamp(0),
                to: MassiveHistoryTests.stamp(to), seed: 1),
            at: MassiveHistoryTests.stamp(3_600_000_000_000_000),
            Kind(.stock, bars == nil ? .trades : .bars))
        try begin(
            ["BACpA"], last: last.map { ["BACpA": $0] } ?? [:],
            marks: last.map { ["BACpA": $0.time] } ?? [:])
    }

    fileprivate var targets: [String] { requests.map(\.target) }

    /// Answers with these pages, whose next pages are at `next`.
    fileprivate mutating func run(
        _ pages: [[String]], next: String = "https://elsewhere.example"
    ) {
        for (place, rows) in pages.enumerated() {
            // One turn hands out what came, and the next one asks.
            guard let request = turn() ?? turn() else { return }
            requests.append(request)
            let address = "\(next)/v3/trades/BACpA?cursor=c\(place)"
            let more = place < pages.count - 1 ? ",\"next_url\":\"\(address)\"" : ""
            let text = "{\"results\":[\(rows.joined(separator: ","))],\"status\":\"OK\"\(more)}"
            history.answered(request.number, .page(Array(text.utf8)), now)
        }
        _ = turn()
    }
}
