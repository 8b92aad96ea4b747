/// What became of a request to a service.
package enum FetchOutcome<Answer: Sendable>: Sendable {
    /// What the service answered, to be read.
    case page(Answer)
    /// Too many requests were made. The span is what the service said, `nil` if it said nothing.
    case limited(retryAfter: Int64?, isBanned: Bool)
    /// The service does not have a symbol of the request.
    case unknownSymbol
    /// The service will never answer this request.
    case refused(String)
    /// The service will answer no request: it does not take the key, or the account lacks a right.
    case denied(String)
    /// There was no answer, or none that can be used.
    case failed(String)
}
