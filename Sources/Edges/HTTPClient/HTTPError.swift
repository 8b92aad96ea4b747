internal import CCurl

/// Why there is no answer.
package enum HTTPError: Error, Equatable, Sendable {
    /// The settings cannot work; the text names them.
    case configuration(String)
    /// The request cannot be sent; the text says why.
    case invalid(String)
    /// `requestsMax` wait, run or were not taken.
    case tooMany(requestsMax: Int)
    /// There is no connection to the server.
    case connect(peer: String, code: HTTPFailureCode)
    /// The server's certificate is refused.
    case untrusted(peer: String, reason: String)
    /// No whole answer came in time.
    case timedOut(peer: String)
    /// The connection ended, or what came is no answer of HTTP.
    case lost(peer: String, code: HTTPFailureCode)
    /// A body above `bodyBytesMax` came.
    case bodyTooLarge(peer: String, bytesMax: Int)
    /// Headers above `headerBytesMax` came.
    case headersTooLarge(peer: String, bytesMax: Int)
    /// The client's thread could not begin or continue; a new client is needed.
    case broken(reason: String)
}

/// A code of libcurl (`CURLcode`).
package struct HTTPFailureCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The library's number.
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    init(_ code: CURLcode) { rawValue = UInt32(code.rawValue) }

    /// The library's text, which has nothing of the request in it, and the number.
    package var description: String {
        guard let text = unsafe curl_easy_strerror(CURLcode(rawValue)) else { return "\(rawValue)" }
        return unsafe "\(String(cString: text)) (\(rawValue))"
    }
}

extension HTTPError {
    /// Whether the same request can succeed later.
    package var isRetryable: Bool {
        switch self {
        case .tooMany, .connect, .untrusted, .timedOut, .lost, .bodyTooLarge, .headersTooLarge: true
        case .configuration, .invalid, .broken: false
        }
    }
}

extension HTTPError: CustomStringConvertible {
    /// One line, without the query and the headers of the request.
    package var description: String {
        switch self {
        case .configuration(let problem): problem
        case .invalid(let problem): "the request cannot be sent: \(problem)"
        case .tooMany(let requestsMax):
            "\(requestsMax) requests wait, run or were not taken: take outcomes first"
        case .connect(let peer, let code):
            "cannot connect to \(peer): \(code): is it up and reachable?"
        case .untrusted(let peer, let reason):
            "the certificate of \(peer) is refused: \(reason): check its name, time and authority"
        case .timedOut(let peer): "no whole answer of \(peer) came in time: ask again"
        case .lost(let peer, let code): "the answer of \(peer) broke: \(code): ask again"
        case .bodyTooLarge(let peer, let bytesMax):
            "\(peer) sent a body above \(bytesMax) bytes: ask for less"
        case .headersTooLarge(let peer, let bytesMax):
            "\(peer) sent headers above \(bytesMax) bytes: is it the right server?"
        case .broken(let reason):
            "the thread for requests ended: \(reason): is this process out of memory or files?"
        }
    }
}
