import Glibc
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeTraces
import TestSupport
import Testing

@testable import ObservabilityTests

/// Our spans in a collector that others wrote, which reads them, and sends what it read to the
/// stub.
@Suite("Traces through a collector of others")
struct ForeignCollectorTests {
    private static let packages = "trace-collector"
    private static let script = "\(ServerPrograms.checkout)/Tests/ServicesNightTests/run_rotel.py"

    @Test("rotel takes the whole trace of a slow packet, and forwards it")
    func rotel() throws {
        let obstacles = [TraceCollectionTests.obstacle, PythonServer.obstacle(of: Self.packages)]
        if let obstacle = obstacles.compactMap({ $0 }).first { return print(obstacle) }
        let stub = try TraceCollectionTests.Collector()
        let rotel = try PythonServer(
            Self.script, ["http://127.0.0.1:\(stub.server.port())"], of: Self.packages)
        let isListening = eventually(within: 60) {
            guard let connection = LoopbackSocket.connect(to: rotel.port()) else { return false }
            return close(connection) == 0
        }
        try #require(isListening, "\(rotel.log)")
        let service = try TraceCollectionTests.service(
            "store-writer",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(rotel.port())",
                "OTEL_TRACES_SAMPLER_ARG": "0", "MDS_TRACE_SLOW": "50ms",
            ])
        let traces = try #require(try PacketTraces.begin(service.context, namespace: "md"))
        let packet = try TraceCollectionTests().packet()
        packet.withBytes {
            traces.read(
                packet.header, $0,
                PacketTraces.Reading(
                    .store("store"), from: TraceCollectionTests.after(30),
                    to: TraceCollectionTests.after(90)),
                stored: TraceCollectionTests.after(20))
        }
        traces.end()
        let spans = try stub.spans(4)
        for (name, owner) in [
            ("receive", "provider-gateway"), ("publish", "provider-gateway"),
            ("process", "operator-worker"), ("write store", "store-writer"),
        ] {
            let span = try #require(spans[name]?.first, "\(name)")
            #expect(span.at("service", "service.name")?.string == owner)
            #expect(
                span["trace"]?.string
                    == "\(TraceID(namespace: Checksum.of("md"), packet.header))")
        }
        #expect(service.log.count(of: "traces.refused") == 0)
    }
}
