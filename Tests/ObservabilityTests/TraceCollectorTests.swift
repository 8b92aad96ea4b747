import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import TapeTraces

extension TraceCollectionTests {
    @Test(
        "a collector with an authority of one's own is trusted if its file is named, or refused",
        .enabled(if: obstacle == nil && Certificates.obstacle == nil))
    func authority() throws {
        let certificates = try Certificates()
        try certificates.make("right", name: "127.0.0.1")
        let collector = try Collector(certificates, "right")
        for (authority, taken) in [("authority", 1), ("otherAuthority", 0)] {
            let service = try Self.service(
                "provider-gateway",
                [
                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":
                        "https://127.0.0.1:\(collector.server.port())/v1/traces",
                    "OTEL_EXPORTER_OTLP_CERTIFICATE": certificates.certificate(authority),
                    "OTEL_TRACES_SAMPLER_ARG": "1",
                ])
            let traces = try #require(
                try PacketTraces.begin(service.context, namespace: "md"))
            traces.published(try packet().header, tickNanoseconds: nil, now: Self.after(22))
            let isOver = eventually {
                traces.exporter.sent.value + traces.exporter.dropped.refused.value == 1
            }
            traces.end()
            #expect(isOver && traces.exporter.sent.value == UInt64(taken), "\(authority)")
            #expect("\(service.log.lines)".contains("certificate") == (taken == 0))
        }
    }

    @Test("a file that holds no certificates ends the service's start, with the setting's name")
    func noAuthority() throws {
        let service = try Self.service(
            "provider-gateway",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1",
                "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nonexistent/file",
            ])
        var said = ""
        do {
            _ = try PacketTraces.begin(service.context, namespace: "md")
        } catch { said = "\(error)" }
        #expect(said.contains("OTEL_EXPORTER_OTLP_CERTIFICATE"), "\(said)")
        #expect(said.contains("/nonexistent/file"), "\(said)")
    }
}
