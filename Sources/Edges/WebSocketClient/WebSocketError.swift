internal import Primitives

/// Why a connection has ended, or there is none.
package enum WebSocketError: Error, Equatable, Sendable {
    /// The settings cannot work; the text names them.
    case configuration(String)
    /// The connection was not made, or the server did not agree to it.
    case connect(peer: String, reason: String)
    /// The server has answered with another status than that of an upgrade.
    case refused(peer: String, status: Int)
    /// The server closed it, with a code of RFC 6455.
    case closed(peer: String, code: WebSocketCloseCode, reason: String)
    /// It ended without a word, or what came is no WebSocket.
    case lost(peer: String)
    /// A message is larger than `messageBytesMax`.
    case tooLarge(peer: String, bytesMax: Int)
    /// A text that is no UTF-8 came.
    case invalidText(peer: String)
    /// `connectionsMax` are open.
    case tooMany(connectionsMax: Int)
}

/// A code with which a connection is closed; other codes than the named ones are kept. For 1012 to
/// 1014 and those that RFC 6455 reserves, libwebsockets says 1002.
package struct WebSocketCloseCode: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let normal = WebSocketCloseCode(rawValue: 1_000)
    /// The server gave none.
    package static let none = WebSocketCloseCode(rawValue: 1_005)
    package static let policy = WebSocketCloseCode(rawValue: 1_008)
    package static let tooLarge = WebSocketCloseCode(rawValue: 1_009)
}

extension WebSocketError {
    /// Whether the same attempt can succeed later.
    package var isRetryable: Bool {
        switch self {
        case .connect, .refused, .closed, .lost, .tooLarge, .invalidText, .tooMany: true
        case .configuration: false
        }
    }
}

extension WebSocketError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .configuration(let problem): problem
        case .connect(let peer, let reason):
            "cannot connect to \(peer): \(Self.oneLine(reason)): is it up and reachable?"
        case .refused(let peer, let status):
            "\(peer) answers with status \(status): \(HTTPAdvice.text(status))"
        case .closed(let peer, let code, let reason):
            "\(peer) closed the connection with \(code.rawValue)"
                + (reason.isEmpty ? "" : ": \(Self.oneLine(reason))")
                + (code == .policy
                    ? ": wait, and ask for less: it takes this client for slow or for too busy"
                    : ": connect again")
        case .lost(let peer): "the connection to \(peer) broke: connect again"
        case .tooLarge(let peer, let bytesMax):
            "\(peer) sent a message above \(bytesMax) bytes: is it the right server?"
        case .invalidText(let peer):
            "\(peer) sent a text that is no UTF-8: is it the right server?"
        case .tooMany(let connectionsMax):
            "\(connectionsMax) connections are open: close one first"
        }
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        case let category: category != .unassigned
        }
    }

    /// Shortens a text from outside to one printable line.
    static func oneLine(_ text: String) -> String {
        let line = String(
            text.unicodeScalars.prefix(200).map { scalar in
                isPrintable(scalar) ? Character(scalar) : " "
            })
        return text.unicodeScalars.count <= 200 ? line : line + "…"
    }
}
