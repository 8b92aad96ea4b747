import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

@Suite("What the exchange's limits say of themselves")
struct BinanceLimitTests {
    private static let second: Int64 = 1_000_000_000

    private func limit(
        _ name: ProviderLimit.Name, _ bench: EngineBench
    ) -> ProviderLimit? {
        bench.engine.limits(bench.now.monotonic).first { $0.name == name }
    }

    @Test("connections, streams and requests of a source that begins")
    func begins() {
        var bench = EngineBench { $0.merge.streamsMax = 2 }
        bench.follow(["BTCUSDT", "ETHUSDT", "SOLUSDT"])
        #expect(
            bench.engine.limits(bench.now.monotonic) == [
                ProviderLimit(.connections, used: 0, max: 2, waiting: 1),
                ProviderLimit(
                    .streams, used: 2, max: 2, waiting: 1,
                    reason: "a connection has at most 2 streams"),
                ProviderLimit(.requests, used: 0, max: 150),
                ProviderLimit(.weight, used: 0, max: 3_000),
            ])
        bench.connect()
        #expect(limit(.connections, bench) == ProviderLimit(.connections, used: 1, max: 2))
        #expect(limit(.requests, bench) == ProviderLimit(.requests, used: 1, max: 150))
    }

    @Test("an instrument without room begins when another one is removed, with what it lacks")
    func room() {
        var bench = EngineBench { $0.merge.streamsMax = 3 }
        let reached = EngineBench.origin.advanced(byNanoseconds: -60 * Self.second)
        bench.follow(
            ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"], reached: reached,
            gaps: [
                OpenGap(
                    instrument: 3, kind: .trade, from: reached, to: .undefined,
                    reason: .disconnected)
            ])
        bench.connect()
        #expect(bench.engine.status.feeds.suffix(2).map(\.state) == [.refused, .refused])
        // One that changes keeps its place.
        bench.follow([(1, EngineBench.coin("ETHUSDT", .trades))], ended: [1])
        #expect(bench.engine.status.feeds.count { $0.state == .refused } == 2)
        // What waits keeps what it lacks.
        let waiting = [(UInt32(3), "XRPUSDT"), (4, "ADAUSDT")].map {
            ($0.0, EngineBench.coin($0.1))
        }
        bench.follow(waiting, ended: [3, 4])
        bench.follow([], ended: [1])
        for _ in 0..<4 {
            bench.pass(Self.second)
            bench.answerAll()
        }
        let feeds = bench.engine.status.feeds.sorted { $0.instrument < $1.instrument }
        #expect(feeds.map(\.name) == ["BTCUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"])
        #expect(feeds.map(\.state) == [.live, .live, .live, .refused])
        #expect(limit(.streams, bench)?.waiting == 1)
        // What it lacks since an earlier process has its reason and an end.
        let gaps = bench.gaps.filter { $0.header.symbol == 3 }
        #expect(gaps.last?.from == reached && gaps.last?.to.isDefined == true)
        #expect(gaps.allSatisfy { $0.reason == GapReason.disconnected.rawValue })
        // The last one is removed while it waits.
        bench.follow([], ended: [4])
        bench.follow([], ended: [0])
        #expect(bench.engine.status.feeds.map(\.name) == ["SOLUSDT", "XRPUSDT"])
    }

    @Test("an instrument whose symbol another one has begins when that one is removed")
    func taken() {
        var bench = EngineBench()
        let begun = [
            EngineBench.coin("BTCUSDT"), EngineBench.coin("B", name: "BTCUSDT"),
        ]
        .enumerated().map {
            (UInt32($0.offset), $0.element)
        }
        bench.follow(begun)
        bench.pass(0)
        bench.connect()
        #expect(bench.engine.status.feeds.map(\.state) == [.live, .refused])
        bench.follow([], ended: [0])
        for _ in 0..<3 {
            bench.pass(Self.second)
            bench.answerAll()
        }
        #expect(bench.engine.status.feeds.map(\.state) == [.live])
        #expect(bench.engine.status.feeds.map(\.instrument) == [1])
    }

    @Test("streams that wait for the next requests say when the last one leaves")
    func waits() {
        var bench = EngineBench()
        bench.follow((0..<250).map { "S\($0)USDT" })
        bench.connect()
        // The first hundred are asked for; the others take two requests.
        let first = limit(.requests, bench)
        #expect(first?.used == 1 && first?.waiting == 150)
        #expect(
            first?.until == bench.now.monotonic + 2 * BinanceLimits.requestInterval)
    }

    @Test("a lost connection waits until the next attempt, and says why")
    func lost() throws {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"])
        bench.connect()
        bench.ended(1)
        let shown = self.limit(.connections, bench)
        let limit = try #require(shown)
        #expect(limit.used == 0 && limit.waiting == 1 && !limit.reason.isEmpty)
        let until = try #require(limit.until)
        #expect(until > bench.now.monotonic && until <= bench.now.monotonic + Self.second)
    }

    @Test(
        "too many requests: how many gaps wait, until when, and why",
        arguments: [
            (30, false, 30, "429: too many requests"),
            (nil, false, 30, "429: too many requests"),
            (200, true, 200, "418: the exchange has banned this address"),
        ] as [(Int64?, Bool, Int64, String)])
    func limited(_ retryAfter: Int64?, _ isBanned: Bool, _ wait: Int64, _ reason: String) throws {
        var bench = EngineBench.withHole()
        let fetch = try #require(bench.takeFetches().first)
        let before = try #require(limit(.weight, bench)?.used)
        bench.answer(
            fetch.number,
            .limited(retryAfter: retryAfter.map { $0 * Self.second }, isBanned: isBanned))
        #expect(
            limit(.weight, bench)
                == ProviderLimit(
                    .weight, used: before + 25, max: 3_000, waiting: 1,
                    until: bench.now.monotonic + wait * Self.second, reason: reason))
        bench.pass(201 * Self.second)
        #expect(limit(.weight, bench)?.reason == "")
    }
}
