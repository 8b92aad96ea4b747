package import Primitives

/// A span as OpenTelemetry has it.
package struct Span: Equatable, Sendable {
    /// A value of an attribute.
    package enum Value: Equatable, Sendable {
        case text(String)
        case integer(Int64)
        case flag(Bool)
    }

    package struct Attribute: Equatable, Sendable {
        package let key: String
        package let value: Value

        package init(_ key: String, _ value: Value) {
            self.key = key
            self.value = value
        }
    }

    /// The numbers of `SpanKind`.
    package enum Kind: UInt64, Sendable {
        case `internal` = 1
        case producer = 4
        case consumer = 5
    }

    package let trace: TraceID
    package private(set) var id: UInt64
    /// 0: it is the root.
    package private(set) var parent: UInt64
    package let name: String
    package let kind: Kind
    package let start: Timestamp
    package let end: Timestamp
    package var attributes: [Attribute]
    /// Why it failed; `nil`: it did not.
    package var failure: String?
    /// The service in whose place another one has computed it; `nil`: its own sends it.
    package private(set) var computedFor: String?
    private let step: TraceStep

    /// A span of a step. A clock that went back makes none that ends before it begins.
    package init(
        _ step: TraceStep, of trace: TraceID, from start: Timestamp, to end: Timestamp,
        _ attributes: [Attribute] = []
    ) {
        self.step = step
        self.trace = trace
        id = trace.span(step)
        parent = step.parent.map { trace.span($0) } ?? 0
        name = step.name
        kind =
            switch step {
            case .receive: .internal
            case .publish: .producer
            case .process, .store: .consumer
            }
        self.start = start
        self.end = max(start, end)
        self.attributes = attributes
    }

    /// The span as the service of another step sends it, which has computed it.
    func computed(in finder: TraceStep) -> Span {
        var span = below(finder)
        span.id = trace.span(step, computedIn: finder)
        span.computedFor = step.service
        span.attributes.append(Attribute("tapeline.computed", .flag(true)))
        return span
    }

    /// The span below the one that the service of this step has computed.
    func below(_ finder: TraceStep) -> Span {
        var span = self
        span.parent = step.parent.map { trace.span($0, computedIn: finder) } ?? 0
        return span
    }
}
