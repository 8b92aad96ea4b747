import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeListing
import TapeProtocol
@testable import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline tail --live")
struct LiveTailTests {
    private func parse(_ arguments: [String]) throws -> TailCommand {
        try TailCommand.parse(arguments, now: Timestamp(nanoseconds: 0))
    }

    @Test("it listens to the kinds and symbols that are asked for")
    func subjects() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 4))
        func subjects(_ arguments: [String]) throws -> [String] {
            LiveTail.subjects(try parse(["--live"] + arguments), names)
        }
        #expect(
            try subjects([]) == [
                "md.live.trade.*.*", "md.live.quote.*.*", "md.live.provider-bar.*.*",
                "md.live.bar.*.*.*",
            ])
        #expect(try subjects(["--bars"]) == ["md.live.bar.*.*.*"])
        #expect(try subjects(["--kind", "indicator"]) == ["md.live.value.>"])
        #expect(
            try subjects(["--kind", "trade", "BRK.B", "ES=F"])
                == ["md.live.trade.BRK%2EB.*", "md.live.trade.ES%3DF.*"])
        #expect(
            try subjects(["--kind", "trade", "BRK.B", "--source", "ibkr"])
                == ["md.live.trade.BRK%2EB.ibkr"])
        #expect(
            try subjects(["--bars", "--source", "ibkr"]) == ["md.live.bar.*.*.ibkr"])
        #expect(
            try subjects(["--kind", "indicator", "A"])
                == ["md.live.value.*.A.*", "md.live.value.*.*.A.*"])
    }

    @Test("a message that is none is not taken")
    func messages() {
        var tick = ListedTick()
        let good = """
            {"v":1,"kind":"trade","symbol":"A","time":"x","time_ns":5,"price":"1.50",\
            "flags":["delayed"],"receive_time":"x","receive_time_ns":7,"provider_id":3,\
            "source":"s","partition":1,"ordinal":2,"epoch":3}
            """
        #expect(LiveMessage.read(good, into: &tick))
        #expect(tick.time.nanoseconds == 5 && tick.symbol == "A" && tick.ordinal == 2)
        #expect(tick.fields.map(\.name) == ["price", "flags", "receive_time", "provider_id"])
        #expect(tick.fields.map(\.value)[0] == .text("1.50"))
        #expect(tick.fields.map(\.value)[2] == .time(Timestamp(nanoseconds: 7)))
        let value = good.replacing("trade", with: "indicator")
            .replacing("\"symbol\":\"A\",", with: "")
        #expect(LiveMessage.read(value, into: &tick))
        #expect(tick.kind == .record(.indicator) && tick.symbol.isEmpty)
        for (old, new) in [
            ("\"symbol\":\"A\",", ""), ("{", ""), ("trade", "bust"), ("\"A\"", "\"\""),
            ("\"s\"", "\"S\""),
            ("\"partition\":1", "\"partition\":5000"), ("\"ordinal\":2,", ""),
            ("\"epoch\":3", "\"e\":3"),
            ("{", "{\n"), (#""v":1"#, #""v":2"#),
        ] {
            #expect(!LiveMessage.read(good.replacing(old, with: new), into: &tick), "\(old)")
        }
    }

    @Test("a bar of an open window is taken without a place on the tape, and shown as that")
    func barsInProgress() throws {
        var builder = PacketBuilder(
            kind: .bars, partition: Partition(1), source: .operator)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "", since: .undefined,
                source: SourceName("synthetic")))
        let series = builder.register(
            SeriesDefinition(
                name: try #require(SeriesName("1m")), widthNanoseconds: 60_000_000_000))
        var bar = Bar(
            symbol: symbol, series: series, openTime: Timestamp(nanoseconds: 0),
            closeTime: Timestamp(nanoseconds: 60_000_000_000))
        bar.open = Price(raw: 1_500_000_000)
        bar.trades = 7
        let isIn = builder.append(bar)
        try #require(isIn)
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined))
        let names = try #require(TapeNames(namespace: "md", partitions: 4))
        var encoder = LiveEncoder(names)
        var messages: [String] = []
        try packet.withBytes { bytes throws(PacketError) in
            try encoder.encode(bytes) { _, _, json in
                messages.append(String(decoding: json, as: UTF8.self))
            }
        }
        let text = try #require(messages.first)
        #expect(text.contains("in_progress"))
        var tick = ListedTick()
        #expect(LiveMessage.read(text, into: &tick), "\(text)")
        #expect(tick.kind == .record(.bar) && tick.symbol == "AAPL" && !tick.isOnTape)
        #expect(line(of: tick, .table).hasSuffix("  in progress\n"))
        #expect(line(of: tick, .csv).contains(",,,,,\"{") && line(of: tick, .csv).contains("true"))
        #expect(!line(of: tick, .json).contains("ordinal"))
        // Only bars have open windows. A later tick of the tape has a position again.
        #expect(!LiveMessage.read(text.replacing("\"bar\"", with: "\"trade\""), into: &tick))
        #expect(!LiveMessage.read(text.replacing("true", with: "false"), into: &tick))
    }

    private func line(of tick: ListedTick, _ format: TailCommand.Format) -> String {
        var output = OutputBuffer(descriptor: -1, capacity: 1_024)
        TailPrinter(format: format).line(tick, &output)
        return String(decoding: output.bytes, as: UTF8.self)
    }

    @Test("what a publisher offers is shown as JSON, CSV and a table, digit by digit")
    func shows() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "tlive")
        var source = try bench.source(0, ["BRK.B", "ES=F"])
        source.append(TailBench.trade(0, 1))
        source.append(TailBench.quote(1, 2))
        let packet = source.seal(watermark: .undefined)
        let live = try LivePublisher(
            NatsConfiguration(urls: [bench.tape.server.url], clientName: "test"),
            names: bench.tape.names,
            telemetry: TelemetryHub(
                logger: Logger(
                    service: "test", level: .error, format: .json, sink: CapturedLog().sink),
                metrics: MetricRegistry()), threads: ThreadWatch())
        defer { live.close() }
        func tail(_ arguments: [String]) throws -> Said {
            // Publishes until enough was received.
            let talking = ShutdownSignal()
            let thread = try ServiceThread(name: "talking") {
                while !talking.wait(timeout: .milliseconds(5)) { live.offer(packet) }
            }
            defer {
                talking.request("heard")
                thread.join()
            }
            return try bench.tail(["--live", "--limit", "3"] + arguments)
        }
        let trades = try tail(["--json", "BRK.B"])
        #expect(trades.code == .success && trades.lines.count == 3, "\(trades.errors)")
        let first = try #require(try trades.objects().first)
        #expect(first["symbol"]?.string == "BRK.B" && first["price"]?.string == "1.234500001")
        #expect(try trades.places() == ["test/0/1", "test/0/1", "test/0/1"])
        let table = try tail(["--kind", "quote"])
        #expect(table.lines.allSatisfy { $0.contains("ES=F") && $0.contains("-0.000000005") })
        let csv = try tail(["--csv", "--kind", "trade"])
        #expect(csv.output.contains(",BRK.B,trade,1.234500001,1.00000001,Q,@ F,"), "\(csv.output)")
    }

    @Test("what somebody else publishes there is told, and an end is an end")
    func strangers() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "tlive2")
        let shutdown = ShutdownSignal()
        let connection = bench.tape.client.connection
        let talking = ShutdownSignal()
        let thread = try ServiceThread(name: "talking") {
            while !talking.wait(timeout: .milliseconds(5)) {
                let sent = Result {
                    try Array("no".utf8).withRawSpan { bytes throws(NatsError) in
                        try connection.publish(bytes, to: "tlive2.live.trade.X.x")
                    }
                }
                if case .failure = sent { return }
                if bench.errors.contains("live.trade.X.x") {
                    shutdown.request("seen")
                }
            }
        }
        let outcome = try bench.tail(["--live"], shutdown: shutdown)
        talking.request("over")
        thread.join()
        #expect(outcome.code == .dataError && outcome.output.isEmpty)
        #expect(outcome.errors.contains("not a message of the live fan-out"), "\(outcome.errors)")
        #expect(outcome.errors.contains("0 ticks"))
    }
}
