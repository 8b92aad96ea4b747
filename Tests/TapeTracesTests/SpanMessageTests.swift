import Primitives
import Testing

@testable import TapeTraces

@Suite("Spans as bytes of OTLP")
struct SpanMessageTests {
    @Test("a request has these bytes")
    func golden() {
        let trace = TraceID(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10)
        var span = Span(
            .receive, of: trace, from: Timestamp(nanoseconds: 1), to: Timestamp(nanoseconds: 258),
            [Span.Attribute("a", .integer(-1)), Span.Attribute("b", .flag(true))])
        span.failure = "no"
        let resource = SpanMessage.Resource(
            [Span.Attribute("service.name", .text("g"))], scope: "tapeline", version: "1")
        let id = (0..<8).map { UInt8(truncatingIfNeeded: span.id >> (56 - 8 * UInt64($0))) }
        let wanted: [[UInt8]] = [
            // The spans of a resource, of 134 bytes.
            [0x0a, 0x86, 0x01],
            [0x0a, 0x15, 0x0a, 0x13, 0x0a, 0x0c], Array("service.name".utf8),
            [0x12, 0x03, 0x0a, 0x01, 0x67],
            // The spans of a scope.
            [0x12, 0x6d, 0x0a, 0x0d, 0x0a, 0x08], Array("tapeline".utf8), [0x12, 0x01, 0x31],
            // The span: its ids, without a parent, its name and its kind.
            [0x12, 0x5c, 0x0a, 0x10], Array(1...16), [0x12, 0x08], id,
            [0x2a, 0x07], Array("receive".utf8), [0x30, 0x01],
            // Both times, little endian.
            [0x39, 1, 0, 0, 0, 0, 0, 0, 0], [0x41, 2, 1, 0, 0, 0, 0, 0, 0],
            [0x4a, 0x10, 0x0a, 0x01, 0x61, 0x12, 0x0b, 0x18],
            Array(repeating: 0xff, count: 9), [0x01],
            [0x4a, 0x07, 0x0a, 0x01, 0x62, 0x12, 0x02, 0x10, 0x01],
            // The status of a failure.
            [0x7a, 0x06, 0x12, 0x02, 0x6e, 0x6f, 0x18, 0x02],
        ]
        #expect(SpanMessage.bytes([span], of: resource) == wanted.flatMap { $0 })
    }

    @Test("what was computed in the place of a service stands under its name")
    func computed() {
        let time = Timestamp(nanoseconds: 1)
        let span = Span(.publish, of: TraceID(high: 1, low: 2), from: time, to: time)
        func services(_ spans: [Span]) -> [Bool] {
            let bytes = SpanMessage.bytes(
                spans,
                of: SpanMessage.Resource(
                    [Span.Attribute("service.name", .text("writer"))], scope: "s", version: "1"))
            return ["writer", "provider-gateway"].map { name in
                bytes.indices.contains { bytes[$0...].starts(with: name.utf8) }
            }
        }
        #expect(services([span]) == [true, false])
        let computed = span.computed(in: .process)
        #expect(services([computed]) == [false, true])
        #expect(services([span, computed]) == [true, true])
    }

    @Test("a span has its parent after its own id")
    func parent() {
        let trace = TraceID(high: 1, low: 2)
        let time = Timestamp(nanoseconds: 1)
        let span = Span(.publish, of: trace, from: time, to: time)
        #expect(span.parent == trace.span(.receive))
        let parent = (0..<8).map { UInt8(truncatingIfNeeded: span.parent >> (56 - 8 * UInt64($0))) }
        let bytes = SpanMessage.bytes(
            [span], of: SpanMessage.Resource([], scope: "s", version: "1"))
        #expect(bytes.indices.contains { bytes[$0...].starts(with: [0x22, 0x08] + parent) })
    }
}
