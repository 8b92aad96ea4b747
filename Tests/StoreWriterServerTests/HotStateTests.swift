import MarketModel
import Primitives
import ServiceTestSupport
import ServiceRuntime
import TapeProtocol
import TapeCodec
import TestSupport
import Testing
import ValkeyClient

@testable import StoreWriter

@Suite("The hot state in a real Valkey")
struct HotStateTests {
    private func source(_ bench: WriterBench, _ symbols: [String]) throws -> TestSource {
        var source = TestSource(bench.tape, Partition(0), source: try #require(SourceName("test")))
        for symbol in symbols {
            try source.define(symbol)
        }
        return source
    }

    private func trade(_ symbol: UInt32, _ price: Int64, action: UInt8 = 0) -> Trade {
        Trade(
            header: TickHeader(
                symbol: symbol, action: action, providerTime: Timestamp(nanoseconds: 17),
                receiveTime: Timestamp(nanoseconds: 18)),
            price: Price(raw: price), size: Quantity(raw: 250_000_000))
    }

    private func publish(
        _ source: inout TestSource, _ symbol: UInt32, _ price: Int64
    ) throws {
        source.append(trade(symbol, price * 1_000_000_000))
        try source.publish(watermark: Timestamp(nanoseconds: 0))
    }

    private func price(_ bench: WriterBench, _ server: ValkeyServer, _ symbol: String) -> String {
        do {
            return try server.cli(
                "HGET", "\(bench.tape.names.namespace):trade:\(symbol):test", "price")
        } catch {
            return "\(error)"
        }
    }

    /// Waits until the hot state listens. It reads from the tape's end, so it misses what is
    /// published earlier.
    private func listens(
        _ bench: WriterBench, _ server: ValkeyServer, _ source: inout TestSource, _ symbol: UInt32,
        _ name: String
    ) throws {
        var number: Int64 = 1_000_000
        #expect(
            try eventually {
                number += 1
                try publish(&source, symbol, number)
                return price(bench, server, name).hasPrefix("1")
            })
    }

    @Test("the latest trade, quote and bar of each symbol, with a time to live")
    func latest() throws {
        let server = try ValkeyServer()
        let bench = try WriterBench("writer_30")
        var source = try source(bench, ["AAPL", "O'N \"x\"", "PROBE"])
        let running = try bench.start(valkey: server)
        try listens(bench, server, &source, 2, "PROBE")
        for number in 1...40 {
            source.append(trade(0, Int64(number) * 1_000_000_000))
            source.append(
                Quote(
                    header: TickHeader(
                        symbol: 1, providerTime: .undefined,
                        receiveTime: Timestamp(nanoseconds: Int64(number))),
                    bidPrice: .undefined, bidSize: .undefined,
                    askPrice: Price(raw: Int64(number) * 500_000_000),
                    askSize: Quantity(raw: 100_000_000)))
            // A correction is not the latest trade.
            source.append(trade(0, 999, action: TradeAction.correction.rawValue))
            try source.publish(watermark: Timestamp(nanoseconds: 0))
        }
        #expect(eventually { price(bench, server, "AAPL") == "40" })
        let key = "\(bench.tape.names.namespace):quote:O'N \"x\":test"
        #expect(try eventually { try server.cli("HGET", key, "ask") == "20" })
        let fields = ["ts", "bid", "bid_size", "ask", "ask_size", "receive_ts", "source"]
        #expect(
            try server.cli(["HMGET", key] + fields).split(
                separator: "\n", omittingEmptySubsequences: false
            ).map(String.init) == ["40", "", "", "20", "1", "40", "test"])
        let life = Int(try server.cli("PTTL", key)) ?? 0
        #expect((100_000_000...129_600_000).contains(life))
        #expect(try server.cli("HGET", key, "stale_after") == "300000")
        try bar(bench, server)
        #expect(try running.stop() == .success)
        #expect((running.service.metric("mds_hot_state_writes_total") ?? 0) > 2)
    }

    private func bar(_ bench: WriterBench, _ server: ValkeyServer) throws {
        var source = TestSource(bench.tape, Partition(0), source: .operator, kind: .bars)
        try source.define("AAPL", of: "test")
        try source.define(series: "1m", nanoseconds: 1)
        for open: Int64 in [60, 0] {
            var bar = Bar(from: open, width: 60)
            bar.open = Price(raw: 1_500_000_000)
            bar.volume = 12_345_000_000
            bar.trades = 7
            bar.flags = [.partial]
            source.append(bar)
        }
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        let key = "\(bench.tape.names.namespace):bar:AAPL:1m:test"
        // A revision of an older window in the same packet does not hide the newer bar.
        #expect(try eventually { try server.cli("HGET", key, "ts") == "60" })
        let sources = "\(bench.tape.names.namespace):sources"
        #expect(try server.cli("HGET", sources, "AAPL").hasPrefix("test:"))
        #expect(
            try server.cli("HMGET", key, "open", "high", "volume", "trades", "partial", "source")
                == "1.5\n\n123.45\n7\n1\ntest")
    }

    @Test("Valkey that is killed: the writer is ready without it, and the state is right again")
    func away() throws {
        let server = try ValkeyServer()
        let bench = try WriterBench("writer_31")
        var source = try source(bench, ["A", "PROBE"])
        let running = try bench.start(valkey: server)
        #expect(eventually { running.isReady }, "\(running.reasons)")
        try listens(bench, server, &source, 1, "PROBE")
        try publish(&source, 0, 1)
        #expect(eventually { price(bench, server, "A") == "1" })
        server.kill()
        // What arrives during the outage is written once the server is back.
        #expect(
            try eventually {
                try publish(&source, 1, 4)
                return running.degraded.contains { $0.hasPrefix("hot state") }
            })
        #expect(eventually { running.isReady }, "\(running.reasons)")
        try publish(&source, 0, 5)
        try server.restart()
        #expect(eventually { price(bench, server, "A") == "5" })
        #expect(eventually { running.degraded.isEmpty }, "\(running.degraded)")
        // The database was not affected.
        #expect(try eventually { try bench.missing() == "0" })
        #expect(try running.stop() == .success)
    }
}
