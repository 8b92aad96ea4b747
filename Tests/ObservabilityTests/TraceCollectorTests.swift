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

// Collectors that do not behave, behind a socket of the test.
extension TraceCollectionTests {
    private static func traces(
        _ listener: SilentListener, timeout milliseconds: Int
    ) throws -> (traces: PacketTraces, log: CapturedLog) {
        let service = try service(
            "provider-gateway",
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(listener.port)",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "\(milliseconds)", "OTEL_TRACES_SAMPLER_ARG": "1",
            ])
        let traces = try #require(try PacketTraces.begin(service.context, namespace: "md"))
        return (traces, service.log)
    }

    /// Takes one request whole, and answers with this text.
    private static func answer(_ listener: SilentListener, _ text: String) throws {
        let connection = try PlainConnection(to: listener)
        _ = try connection.receive { bytes in
            let end = bytes.indices.first { bytes[$0...].starts(with: "\r\n\r\n".utf8) }
            guard let end else { return false }
            let head = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
            let length = head.split(separator: "content-length: ").last
                .flatMap { Int($0.prefix { $0.isNumber }) }
            return bytes.count >= end + 4 + (length ?? 0)
        }
        try connection.send(Array(text.utf8))
    }

    @Test("a collector that takes requests and never answers costs spans, which are counted")
    func hanging() throws {
        let listener = try SilentListener()
        let (traces, log) = try Self.traces(listener, timeout: 50)
        traces.published(try packet().header, tickNanoseconds: nil, now: Self.after(22))
        let isCounted = eventually { traces.exporter.dropped.refused.value == 1 }
        #expect(isCounted)
        traces.end()
        #expect(log.count(of: "traces.refused") == 1)
    }

    @Test("a service ends while a collector does not answer, and counts what it had")
    func hangingEnd() throws {
        let listener = try SilentListener()
        let (traces, _) = try Self.traces(listener, timeout: 60_000)
        traces.published(try packet().header, tickNanoseconds: nil, now: Self.after(22))
        let asking = try PlainConnection(to: listener)
        traces.published(try packet(1_041).header, tickNanoseconds: nil, now: Self.after(22))
        traces.end()
        // The request's 60 s are not waited for.
        let isCounted = eventually(within: 30) { traces.exporter.dropped.refused.value == 2 }
        #expect(isCounted)
        withExtendedLifetime(asking) {}
    }

    @Test("a collector that answers garbage is asked again, and then served as any other")
    func garbage() throws {
        let listener = try SilentListener()
        let (traces, log) = try Self.traces(listener, timeout: 20_000)
        traces.published(try packet().header, tickNanoseconds: nil, now: Self.after(22))
        for text in ["\u{7}garbage\r\n\r\n", "<html>\r\n\r\n", ""] {
            try Self.answer(listener, text)
        }
        let isCounted = eventually { traces.exporter.dropped.refused.value == 1 }
        #expect(isCounted)
        #expect(log.count(of: "traces.refused") == 1)
        // A good status counts, whatever its body is.
        traces.published(try packet().header, tickNanoseconds: nil, now: Self.after(22))
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"
        try Self.answer(listener, head + "\u{a}\u{7f}hi")
        let isSent = eventually { traces.exporter.sent.value == 1 }
        #expect(isSent)
        traces.end()
    }
}
