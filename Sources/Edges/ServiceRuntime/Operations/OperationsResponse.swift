public import Primitives

/// An answer of the operations port.
public struct OperationsResponse: Sendable {
    public var status: Int
    public var contentType: String
    public var body: [UInt8]

    public init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// Returns plain text with a line end added.
    public static func text(_ text: String, status: Int = 200) -> OperationsResponse {
        OperationsResponse(
            status: status, contentType: "text/plain; charset=utf-8",
            body: Array((text + "\n").utf8))
    }

    public static func json(
        status: Int = 200, _ write: (inout JSONWriter) -> Void
    ) -> OperationsResponse {
        var writer = JSONWriter(capacity: 1_024)
        writer.object(write)
        return OperationsResponse(
            status: status, contentType: "application/json", body: writer.bytes)
    }

    static func metrics(_ body: [UInt8], _ format: MetricFormat) -> OperationsResponse {
        OperationsResponse(contentType: format.contentType, body: body)
    }
}
