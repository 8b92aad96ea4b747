package import Primitives

/// An answer of HTTP/1.1.
package struct HTTPAnswer: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// What its line in the truth log says besides the status, as JSON without braces; empty:
    /// nothing.
    package var details = ""

    package init(
        status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        (self.status, self.headers, self.body) = (status, headers, body)
    }

    private static let texts = [
        101: "Switching Protocols", 200: "OK", 400: "Bad Request", 401: "Unauthorized",
        403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 418: "I'm a teapot",
        422: "Unprocessable Entity", 423: "Locked", 429: "Too Many Requests",
        451: "Unavailable For Legal Reasons", 500: "Internal Server Error",
        503: "Service Unavailable",
    ]
    private static let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// An answer in JSON.
    package static func json(
        _ status: Int = 200, _ body: (inout JSONWriter) -> Void
    ) -> HTTPAnswer {
        var writer = JSONWriter(capacity: 4_096)
        body(&writer)
        return HTTPAnswer(
            status: status, headers: [("Content-Type", "application/json;charset=UTF-8")],
            body: writer.bytes)
    }

    /// Accepts a request for a WebSocket; `nil` when it is none.
    package static func webSocket(_ request: VenueRequest) -> HTTPAnswer? {
        guard request.wantsWebSocket, let key = request.headers["sec-websocket-key"],
            request.headers["sec-websocket-version"] == "13"
        else { return nil }
        let accept = Base64.encode(SHA1.hash(Array((key + guid).utf8)))
        return HTTPAnswer(
            status: 101,
            headers: [
                ("Upgrade", "websocket"), ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", accept),
            ])
    }

    /// The same without what the log would say of its values.
    var spoilt: HTTPAnswer {
        var answer = self
        answer.details = ""
        return answer
    }

    /// Sets what the log says.
    package mutating func log(_ members: (inout JSONWriter) -> Void) {
        details = JSONWriter.members(members)
    }

    package var bytes: [UInt8] {
        var lines = ["HTTP/1.1 \(status) \(Self.texts[status] ?? "Unknown")"]
        lines += headers.map { "\($0.name): \($0.value)" }
        if status != 101 { lines.append("Content-Length: \(body.count)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }
}
