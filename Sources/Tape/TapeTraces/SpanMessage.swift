internal import Primitives

/// Writes `ExportTraceServiceRequest` of OTLP 1, in the binary form of protobuf.
package struct SpanMessage {
    /// What made the spans.
    package struct Resource: Equatable, Sendable {
        package let attributes: [Span.Attribute]
        package let scope: String
        package let version: String

        package init(_ attributes: [Span.Attribute], scope: String, version: String) {
            self.attributes = attributes
            self.scope = scope
            self.version = version
        }

        /// That of spans which are computed in the place of a service: its host is not known.
        fileprivate func of(_ service: String) -> Resource {
            Resource(
                [Span.Attribute("service.name", .text(service))], scope: scope, version: version)
        }
    }

    private var bytes: [UInt8] = []

    package static func bytes(_ spans: [Span], of resource: Resource) -> [UInt8] {
        var message = SpanMessage()
        message.spans(spans.filter { $0.computedFor == nil }, of: resource)
        for service in Set(spans.compactMap(\.computedFor)).sorted() {
            message.spans(spans.filter { $0.computedFor == service }, of: resource.of(service))
        }
        return message.bytes
    }

    private mutating func spans(_ spans: [Span], of resource: Resource) {
        if spans.isEmpty { return }
        message(1) { message in
            message.message(1) { message in
                for attribute in resource.attributes { message.attribute(1, attribute) }
            }
            message.message(2) { message in
                message.message(1) { message in
                    message.text(1, resource.scope)
                    message.text(2, resource.version)
                }
                for span in spans { message.message(2) { $0.span(span) } }
            }
        }
    }

    private mutating func span(_ span: Span) {
        key(1, .bytes)
        varint(16)
        bigEndian(span.trace.high)
        bigEndian(span.trace.low)
        id(2, span.id)
        if span.parent != 0 { id(4, span.parent) }
        text(5, span.name)
        key(6, .varint)
        varint(span.kind.rawValue)
        time(7, span.start)
        time(8, span.end)
        for attribute in span.attributes { self.attribute(9, attribute) }
        guard let failure = span.failure else { return }
        message(15) { message in
            message.text(2, failure)
            message.key(3, .varint)
            message.varint(Self.error)
        }
    }

    /// `STATUS_CODE_ERROR`
    private static let error: UInt64 = 2

    private mutating func attribute(_ field: UInt64, _ attribute: Span.Attribute) {
        message(field) { message in
            message.text(1, attribute.key)
            message.message(2) { value in
                switch attribute.value {
                case .text(let text): value.text(1, text)
                case .flag(let flag):
                    value.key(2, .varint)
                    value.varint(flag ? 1 : 0)
                case .integer(let number):
                    value.key(3, .varint)
                    value.varint(UInt64(bitPattern: number))
                }
            }
        }
    }

    // MARK: protobuf

    private enum Wire: UInt64 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
    }

    private mutating func key(_ field: UInt64, _ wire: Wire) { varint(field << 3 | wire.rawValue) }

    private mutating func varint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func text(_ field: UInt64, _ text: String) {
        key(field, .bytes)
        varint(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    private mutating func id(_ field: UInt64, _ id: UInt64) {
        key(field, .bytes)
        varint(8)
        bigEndian(id)
    }

    private mutating func bigEndian(_ word: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: word >> shift))
        }
    }

    private mutating func time(_ field: UInt64, _ time: Timestamp) {
        key(field, .fixed64)
        let nanoseconds = UInt64(clamping: time.nanoseconds)
        for shift in stride(from: 0, through: 56, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: nanoseconds >> shift))
        }
    }

    /// Writes a message within this one. Its length comes before it.
    private mutating func message(_ field: UInt64, _ body: (inout SpanMessage) -> Void) {
        var inner = SpanMessage()
        body(&inner)
        key(field, .bytes)
        varint(UInt64(inner.bytes.count))
        bytes += inner.bytes
    }
}
