import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

/// `desk.latest` of the Python package.
extension DeskPackageTests {
    @Test("the latest values: age, place, what is unknown, and never a lower ordinal")
    func latestRules() throws { try expectPassed(["rules"], script: "desk_latest.py") }

    @Test("the latest values of a writer's Valkey, with how far it is behind the tape")
    func latestOfServers() throws {
        let bench = try WriterBench("writer_desk_latest")
        let valkey = try ValkeyServer()
        let running = try bench.start(valkey: valkey)
        let symbol = try #require(Symbol("AAPL"))
        var source = TestSource(
            bench.tape, Partition(of: symbol, count: bench.tape.names.partitions),
            source: try #require(SourceName("test")))
        let number = source.define(symbol, of: nil)
        let now = SystemClock().now()
        for price in [1, 2] as [Int64] {
            source.append(
                Trade(
                    header: TickHeader(symbol: number, providerTime: now, receiveTime: now),
                    price: Price(raw: price * 1_000_000_000), size: Quantity(raw: 100_000_000)))
        }
        source.append { builder in
            builder.append(
                GapRecord(
                    header: TickHeader(symbol: number, providerTime: .undefined, receiveTime: now),
                    from: now.advanced(byNanoseconds: -1_000_000_000), to: .undefined,
                    kind: .trade, reason: .disconnected, state: .open))
                == .appended
        }
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        var environment = bench.environment()
        environment["TAPELINE_VALKEY"] =
            "valkey://:open%20sesame@127.0.0.1:\(valkey.port)"
        try expectPassed(["server", symbol.text], environment, script: "desk_latest.py")
        #expect(try running.stop() == .success)
    }
}
