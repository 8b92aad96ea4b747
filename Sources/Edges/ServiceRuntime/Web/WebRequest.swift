/// A request as the answering code sees it. Everything in it comes from outside.
package struct WebRequest: Sendable {
    /// `GET`, `HEAD`, or what the server was told to accept besides.
    package let method: String
    /// Decoded, without the query.
    package let path: String
    /// The headers that the server was told to read, by their names in lower case. A header that
    /// comes twice is a list, with a comma between both values.
    package let headers: [String: String]
    /// The parameters of the query that the server was told to read, decoded. Of a parameter that
    /// comes twice the first counts.
    package let parameters: [String: String]
    package let body: [UInt8]
    /// The numeric address of the other side.
    package let peer: String

    package init(
        method: String, path: String, headers: [String: String] = [:],
        parameters: [String: String] = [:], body: [UInt8] = [], peer: String = "127.0.0.1"
    ) {
        self.method = method
        self.path = path
        self.headers = headers
        self.parameters = parameters
        self.body = body
        self.peer = peer
    }
}

/// What is sent for a request.
package enum WebAnswer: Sendable {
    case whole(OperationsResponse)
    /// The events of the server's feed, until the client leaves or `isOpen` returns false. It is
    /// asked before each event. The headers come besides.
    case events([WebHeader], isOpen: @Sendable () -> Bool)
}

package struct WebHeader: Equatable, Sendable {
    package let name: String
    package let value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// What a server accepts besides GET and HEAD without a body.
package struct WebAdmission: Sendable {
    /// The headers that are read, in lower case.
    package var headers: [String]
    /// The parameters of the query that are read. `OperationsLimits.headerBytesMax` bounds them.
    package var parameters: [String]
    /// The bytes of the body of a POST. Beyond it the status is 413. 0: no POST is accepted.
    package var bodyBytesMax: Int
    /// The most open streams of events. At one more the status is 503.
    package var streamsMax: Int

    package init(
        headers: [String], parameters: [String] = [], bodyBytesMax: Int = 0, streamsMax: Int = 0
    ) {
        self.headers = headers
        self.parameters = parameters
        self.bodyBytesMax = bodyBytesMax
        self.streamsMax = streamsMax
    }

    static let operations = WebAdmission(headers: ["accept"])

    var methods: String { bodyBytesMax > 0 ? "GET, HEAD, POST" : "GET, HEAD" }

    func accepts(_ method: String) -> Bool {
        method == "GET" || method == "HEAD" || (method == "POST" && bodyBytesMax > 0)
    }
}
