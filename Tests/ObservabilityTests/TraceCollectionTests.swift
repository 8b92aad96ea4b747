import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import TapeTraces

/// Spans on their way to a collector, which reads them with the messages of OpenTelemetry.
@Suite("Traces that arrive") struct TraceCollectionTests {
    private static let packages = "trace-readers"
    static let obstacle = PythonServer.obstacle(of: packages)
    private static let start = Timestamp(nanoseconds: 1_750_000_000_000_000_000)

    static func after(_ milliseconds: Int64) -> Timestamp {
        start.advanced(byNanoseconds: milliseconds * 1_000_000)
    }

    static func service(
        _ name: String, _ environment: [String: String]
    ) throws -> TestService {
        let description = ServiceDescription(
            name: name, version: "1.0.0", summary: "Sends traces.",
            keys: ConfigurationKey.logging + ConfigurationKey.tracing,
            rules: [TraceSettings.rule])
        return try TestService(description, environment)
    }

    /// Returns why a service does not start with these settings.
    private static func refusal(_ settings: [String: String]) -> String {
        do {
            _ = try service("provider-gateway", settings)
            return ""
        } catch { return "\(error)" }
    }

    /// The collector, with the statuses of its first answers.
    final class Collector {
        let server: PythonServer

        init(_ statuses: String...) throws {
            server = try PythonServer(Self.script, statuses, of: TraceCollectionTests.packages)
        }

        /// One with a certificate, which is asked over TLS.
        init(_ certificates: Certificates, _ file: String) throws {
            server = try PythonServer(
                Self.script,
                ["--tls", certificates.certificate(file), certificates.key(file)],
                of: TraceCollectionTests.packages)
        }

        private static let script =
            "\(ServerPrograms.checkout)/Tests/ObservabilityTests/collect_traces.py"

        var environment: [String: String] {
            ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(server.port())/"]
        }

        func said() throws -> JSONValue {
            let answer = try HTTPProbe.get(
                host: "127.0.0.1", port: server.port(), path: "/", timeout: .seconds(10))
            return try JSONValue.parse(answer.body)
        }

        /// Waits for so many spans, and returns them by their names.
        func spans(_ count: Int) throws -> [String: [JSONValue]] {
            var found: [JSONValue] = []
            let isThere = try eventually(within: 60) {
                found = try said()["spans"]?.array ?? []
                return found.count >= count
            }
            #expect(isThere && found.count == count, "\(found.count) of \(count)")
            return Dictionary(grouping: found) { $0["name"]?.string ?? "" }
        }

        var statuses: [Int] {
            get throws { try said()["statuses"]?.array?.compactMap(\.int) ?? [] }
        }
    }

    /// A packet of a trade that came after 10 ms, sealed after 15 ms.
    func packet(_ ordinal: UInt64 = 1_040) throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(3), source: try #require(SourceName("ibkr")))
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "ibkr", since: .undefined))
        let isIn = builder.append(
            Trade(
                header: TickHeader(
                    symbol: symbol, providerTime: Self.start, receiveTime: Self.after(10)),
                price: try Price("10"), size: try Quantity("5")))
        try #require(isIn)
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: ordinal, watermark: Self.start, sendTime: Self.after(15)))
    }

    @Test(
        "three services send the spans of one trace, without telling each other",
        .enabled(if: obstacle == nil))
    func threeServices() throws {
        let collector = try Collector()
        let packet = try packet()
        var all = collector.environment
        all["OTEL_TRACES_SAMPLER_ARG"] = "1"
        for name in ["provider-gateway", "operator-worker", "store-writer"] {
            let service = try Self.service(name, all)
            let traces = try #require(
                try PacketTraces.begin(service.context, namespace: "md"))
            let step: TraceStep = name == "store-writer" ? .store("store") : .process
            if name == "provider-gateway" {
                traces.published(packet.header, tickNanoseconds: 12_000_000, now: Self.after(22))
            } else {
                packet.withBytes {
                    traces.read(
                        packet.header, $0,
                        PacketTraces.Reading(
                            step, from: Self.after(30), to: Self.after(40)),
                        stored: Self.after(20))
                }
            }
            traces.end()
            #expect(traces.exporter.sent.value == (name == "provider-gateway" ? 2 : 1))
        }
        let spans = try collector.spans(4)
        let one = try ["receive", "publish", "process", "write store"].map {
            try #require(spans[$0]?.first)
        }
        #expect(Set(one.map { $0["trace"]?.string }).count == 1)
        #expect(one[0]["trace"]?.string?.count == 32)
        let ids = one.map { $0["id"]?.string }
        #expect(one.map { $0["parent"]?.string } == ["", ids[0], ids[1], ids[1]])
        #expect(one.map { $0["kind"]?.int } == [1, 4, 5, 5])
        #expect(one[1]["start"]?.int == Int(Self.after(15).nanoseconds))
        #expect(one[3].at("service", "service.name")?.string == "store-writer")
        #expect(one[3].at("attributes", "tapeline.ordinal")?.int == 1_040)
    }

    @Test(
        "a slow packet is sent with the others' spans, but 20 of them in a second",
        .enabled(if: obstacle == nil))
    func slow() throws {
        let collector = try Collector()
        let service = try Self.service(
            "store-writer",
            collector.environment.merging(
                ["OTEL_TRACES_SAMPLER_ARG": "0", "MDS_TRACE_SLOW": "50ms"]) { $1 })
        let traces = try #require(try PacketTraces.begin(service.context, namespace: "md"))
        for ordinal in 1...23 as ClosedRange<UInt64> {
            let packet = try packet(ordinal)
            packet.withBytes {
                // The first one is quick. It came at 10 ms.
                let end = Self.after(ordinal == 1 ? 60 : 61)
                traces.read(
                    packet.header, $0,
                    PacketTraces.Reading(
                        .store("store"), from: Self.after(30), to: end),
                    stored: Self.after(20))
            }
        }
        let spans = try collector.spans(80)
        traces.end()
        #expect(spans["publish"]?.count == 20)
        #expect(
            spans["publish"]?.allSatisfy {
                $0.at("attributes", "tapeline.computed") == .bool(true)
            } == true)
        // They stand under their services, as those' own ones do.
        func services(_ name: String) -> Set<String?> {
            Set((spans[name] ?? []).map { $0.at("service", "service.name")?.string })
        }
        #expect(services("receive") == ["provider-gateway"])
        #expect(services("publish") == ["provider-gateway"])
        #expect(services("process") == ["operator-worker"])
        #expect(services("write store") == ["store-writer"])
        #expect(traces.exporter.dropped.limit.value == 2)
    }

    @Test(
        "what a worker finds late a writer completes, which learns it from the tape",
        .enabled(if: obstacle == nil))
    func late() throws {
        let collector = try Collector()
        let settings = collector.environment.merging(["OTEL_TRACES_SAMPLER_ARG": "0"]) { $1 }
        let packet = try packet()
        let output = try Self.output(late: packet.header)
        for name in ["operator-worker", "store-writer"] {
            let service = try Self.service(name, settings)
            let traces = try #require(
                try PacketTraces.begin(service.context, namespace: "md"))
            let isWorker = name == "operator-worker"
            let reading = PacketTraces.Reading(
                isWorker ? .process : .store("store"), from: Self.after(30), to: Self.after(40),
                isWorker ? .late(1) : nil)
            packet.withBytes {
                traces.read(packet.header, $0, reading, stored: Self.after(20))
            }
            if !isWorker {
                output.withBytes {
                    traces.read(output.header, $0, reading, stored: Self.after(60))
                }
            }
            traces.end()
        }
        let spans = try collector.spans(4)
        let one = try ["receive", "publish", "process", "write store"].map {
            try #require(spans[$0]?.first)
        }
        let ids = one.map { $0["id"]?.string }
        #expect(one.map { $0["parent"]?.string } == ["", ids[0], ids[1], ids[1]])
        #expect(Set(one.map { $0["trace"]?.string }).count == 1)
        #expect(one[2].at("attributes", "tapeline.late")?.int == 1)
    }

    /// A packet of an operator that lists the first tick of another one as late.
    private static func output(late header: PacketHeader) throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .bars, partition: header.partition, source: .operator)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "ibkr", since: .undefined,
                source: header.source))
        let series = builder.register(
            SeriesDefinition(
                name: try #require(SeriesName("1s")), widthNanoseconds: 1_000_000_000))
        let trade = Trade(
            header: TickHeader(symbol: symbol, providerTime: start, receiveTime: after(10)),
            price: try Price("10"), size: try Quantity("5"))
        let isIn = builder.append(
            LateTickRecord(
                trade, source: header.source, ordinal: header.firstOrdinal, series: series,
                openTime: start, closeTime: after(1_000), reason: .windowClosed))
        try #require(isIn)
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: start, sendTime: after(35)))
    }

    @Test(
        "a collector that is busy is asked again, one that refuses is not, and losses are counted",
        .enabled(if: obstacle == nil))
    func refusals() throws {
        let collector = try Collector("503", "200", "400")
        let service = try Self.service(
            "provider-gateway",
            collector.environment.merging(["OTEL_TRACES_SAMPLER_ARG": "1"]) { $1 })
        let traces = try #require(try PacketTraces.begin(service.context, namespace: "md"))
        let header = try packet().header
        traces.published(header, tickNanoseconds: nil, now: Self.after(22))
        _ = try collector.spans(1)
        traces.published(header, tickNanoseconds: nil, now: Self.after(22))
        let isRefused = eventually { traces.exporter.dropped.refused.value == 1 }
        #expect(isRefused)
        traces.end()
        #expect(try collector.statuses == [503, 200, 400])
        #expect(service.log.count(of: "traces.refused") == 1)
        #expect(traces.exporter.sent.value == 1)
    }
}

extension TraceCollectionTests {
    @Test(
        "a collector that says when to ask again is not asked before", .enabled(if: obstacle == nil)
    )
    func retryAfter() throws {
        let collector = try Collector("429:3", "200")
        let service = try Self.service(
            "provider-gateway",
            collector.environment.merging(["OTEL_TRACES_SAMPLER_ARG": "1"]) { $1 })
        let traces = try #require(try PacketTraces.begin(service.context, namespace: "md"))
        traces.published(try packet().header, tickNanoseconds: nil, now: Self.after(22))
        _ = try collector.spans(1)
        traces.end()
        let times = try #require(try collector.said()["times"]?.array?.compactMap(\.double))
        #expect(times.count == 2 && times[1] - times[0] >= 2.9, "\(times)")
        #expect(traces.exporter.sent.value == 1)
    }

    @Test("slow packets take no room of those that are late or refused")
    func room() throws {
        let service = try Self.service(
            "operator-worker",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER_ARG": "0",
                "MDS_TRACE_SLOW": "1ms",
            ])
        let traces = try #require(try PacketTraces.begin(service.context, namespace: "md"))
        let packet = try packet()
        func read(_ reason: PacketTrace.Reason?) {
            packet.withBytes {
                traces.read(
                    packet.header, $0,
                    PacketTraces.Reading(
                        .process, from: Self.after(30), to: Self.after(40), reason),
                    stored: Self.after(20))
            }
        }
        for _ in 0..<(TraceChoice.foundPerSecond + 3) { read(nil) }
        read(.late(1))
        read(.refused(1))
        #expect(traces.exporter.dropped.limit.value == 3)
        traces.end()
    }

    @Test("a packet whose spans were dropped has no trace for an exemplar")
    func exemplar() throws {
        let service = try Self.service(
            "provider-gateway",
            ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER_ARG": "1"])
        let traces = try #require(try PacketTraces.begin(service.context, namespace: "md"))
        let header = try packet().header
        let sent = traces.published(header, tickNanoseconds: 1, now: Self.after(22))
        #expect(sent == TraceID(namespace: Checksum.of("md"), header))
        traces.end()
        // A queue that has ended takes as little as a full one.
        let dropped = traces.published(header, tickNanoseconds: 1, now: Self.after(22))
        #expect(dropped == nil)
    }

    @Test("what has no room is dropped and counted, without a wait")
    func full() throws {
        let service = try Self.service("provider-gateway", [:])
        // Nothing takes from it.
        let exporter = try TraceExporter(
            TraceSettings(url: "http://127.0.0.1:1/v1/traces", service: "s"), service.context)
        let span = Span(
            .receive, of: TraceID(high: 1, low: 2), from: Self.start, to: Self.start)
        for _ in 0..<(TraceExporter.tracesMax + 3) { exporter.send([span, span]) }
        #expect(exporter.dropped.full.value == 6)
    }

    @Test("what still waits when a service ends without its collector is counted")
    func rest() throws {
        let service = try Self.service("provider-gateway", [:])
        let exporter = try TraceExporter(
            TraceSettings(url: "http://127.0.0.1:1/v1/traces", service: "s"), service.context)
        let span = Span(
            .receive, of: TraceID(high: 1, low: 2), from: Self.start, to: Self.start)
        // More than one request has.
        let traces = TraceExporter.tracesPerRequest + 3
        for _ in 0..<traces { exporter.send([span, span]) }
        exporter.close()
        exporter.run()
        #expect(exporter.dropped.refused.value == UInt64(2 * traces))
        #expect(exporter.sent.value == 0)
    }

    @Test("without a collector there is nothing, and what is none is refused with its name")
    func settings() throws {
        let service = try Self.service("provider-gateway", ["MDS_TRACE_SLOW": "2s"])
        #expect(try PacketTraces.begin(service.context, namespace: "md") == nil)
        let other = try Self.service(
            "provider-gateway",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SERVICE_NAME": "mine",
                "OTEL_TRACES_SAMPLER_ARG": "0.25",
            ])
        let settings = try #require(try TraceSettings(other.context.configuration))
        #expect(settings.url == "http://collector:4318/v1/traces")
        #expect(settings.service == "mine" && settings.share == 0.25)
        #expect(settings.slowNanoseconds == 1_000_000_000)
        #expect(settings.timeout == .seconds(10) && settings.headers.isEmpty)
        // The address for traces is taken as it is, and first.
        let whole = try Self.service(
            "provider-gateway",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://other:443/in/",
            ])
        let given = try #require(try TraceSettings(whole.context.configuration))
        #expect(given.url == "https://other:443/in/")
    }

    @Test("attributes are read as OpenTelemetry has them, and those that are set count")
    func attributes() throws {
        func attributes(_ text: String, name: String = "") throws -> [Span.Attribute] {
            let service = try Self.service(
                "provider-gateway",
                [
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
                    "OTEL_RESOURCE_ATTRIBUTES": text, "OTEL_SERVICE_NAME": name,
                ])
            return try #require(try TraceSettings(service.context.configuration))
                .resource().attributes
        }
        let some = try attributes("service.name=a, deployment.environment = x%2Cy%3d1 ,host.name=h")
        #expect(some.contains(Span.Attribute("service.name", .text("a"))))
        #expect(some.contains(Span.Attribute("deployment.environment", .text("x,y=1"))))
        #expect(
            some.filter { $0.key == "host.name" } == [Span.Attribute("host.name", .text("h"))])
        let named = try attributes("service.name=a", name: "b")
        #expect(
            named.filter { $0.key == "service.name" }
                == [Span.Attribute("service.name", .text("b"))])
        for wrong in ["a", "=b", "a=%4", "a=%zz", "a=%ff"] {
            #expect(throws: ServiceRefused.self, "\(wrong)") { try attributes(wrong) }
        }
    }

    @Test("a wrong share is a complaint beside a collector that is named")
    func wrongShare() {
        let said = Self.refusal([
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
            "OTEL_TRACES_SAMPLER_ARG": "2",
        ])
        #expect(said.contains("OTEL_TRACES_SAMPLER_ARG"), "\(said)")
    }

    @Test("no complaint shows a header or an address, which may have a key")
    func secrets() throws {
        for settings in [
            ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:hush@collector:4318"],
            ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/?key=hush"],
            ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://me:hush@collector:4318/v1/traces"],
            ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/in?key=hush"],
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
                "OTEL_EXPORTER_OTLP_HEADERS": "hush",
            ],
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
                "OTEL_EXPORTER_OTLP_HEADERS": "hush=",
            ],
        ] {
            let said = Self.refusal(settings)
            #expect(said.contains("OTEL_EXPORTER_OTLP_") && !said.contains("hush"), "\(said)")
        }
    }

    @Test("headers reach the collector, and no line of the log", .enabled(if: obstacle == nil))
    func headers() throws {
        let collector = try Collector("401")
        let service = try Self.service(
            "provider-gateway",
            collector.environment.merging([
                "OTEL_TRACES_SAMPLER_ARG": "1",
                "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20hush, x-tenant = one",
            ]) { $1 })
        let traces = try #require(try PacketTraces.begin(service.context, namespace: "md"))
        traces.published(try packet().header, tickNanoseconds: nil, now: Self.after(22))
        traces.end()
        let headers = try #require(try collector.said()["headers"]?.array?.first)
        #expect(headers["authorization"]?.string == "Bearer hush")
        #expect(headers["x-tenant"]?.string == "one")
        #expect(service.log.count(of: "traces.refused") == 1)
        #expect(!"\(service.log.lines)".contains("hush"))
    }
}
