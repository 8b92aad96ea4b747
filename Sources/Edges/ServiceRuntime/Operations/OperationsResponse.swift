package import Primitives

/// A complete answer of a server.
package struct OperationsResponse: Sendable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]
    /// Sent besides the type of the content. `Cache-Control` is `no-store` unless it is here.
    package var headers: [WebHeader]

    package init(
        status: Int = 200, contentType: String, body: [UInt8], headers: [WebHeader] = []
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.headers = headers
    }

    /// Returns plain text with a line end added.
    package static func text(_ text: String, status: Int = 200) -> OperationsResponse {
        OperationsResponse(
            status: status, contentType: "text/plain; charset=utf-8",
            body: Array((text + "\n").utf8))
    }

    package static func json(
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
