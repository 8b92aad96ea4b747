/// How a request has ended.
package struct HTTPOutcome: Sendable {
    /// The request.
    package let id: HTTPRequestID
    /// The answer, whatever its status, or why there is none.
    package let result: Result<HTTPResponse, HTTPError>
}

/// A whole answer. Nothing in it is shown by a description.
package struct HTTPResponse: Equatable, Sendable {
    /// The status of HTTP, 200 to 999. A redirection is an answer like others: it is not followed.
    package let status: Int
    /// The body, decompressed.
    package let body: [UInt8]
    /// How long the server asks to wait; `nil`: it says nothing that can be read. A time that has
    /// passed is zero, and one above `retryAfterMax` is that.
    package let retryAfter: Duration?
    /// The values of wanted headers by their names in lower case; of several with one name, they
    /// are joined by commas. They come from outside and may have any text.
    package let headers: [String: String]

    /// The longest time that a server can ask to wait.
    package static let retryAfterMax = Duration.seconds(7 * 86_400)
}

extension HTTPResponse: CustomStringConvertible {
    /// The status and the size.
    package var description: String { "status \(status), \(body.count) bytes" }
}
