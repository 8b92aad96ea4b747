/// The settings of a client.
package struct WebSocketConfiguration: Sendable {
    /// A file of certificates (PEM) that servers may also be checked against; empty: those of the
    /// system alone.
    package var caPath = ""
    /// `name:port` of a proxy that is asked by `CONNECT`; empty: none, whatever the environment
    /// says.
    package var proxy = ""
    /// What the requests to connect call this client (`User-Agent`).
    package var userAgent = "tapeline"
    /// How long each phase of an attempt may take: to connect to one address of the name, to agree
    /// on TLS, to be upgraded.
    package var connectTimeout = Duration.seconds(5)
    /// A ping is sent so long after the last pong.
    package var pingAfter = Duration.seconds(20)
    /// After this time without a pong the connection is given up. It is above `pingAfter`.
    package var hangUpAfter = Duration.seconds(45)
    /// A larger message ends its connection.
    package var messageBytesMax = 1_048_576
    /// When so many bytes of messages wait, nothing is read until they are taken, so that the
    /// server waits.
    package var inboxBytesMax = 4_194_304
    /// What may wait to be sent on one connection. Beyond it `send` refuses.
    package var outboxBytesMax = 65_536
    /// The most connections at a time, and the most that are leaving. Beyond it `open` refuses.
    package var connectionsMax = 8
    /// What is read at a time.
    package var readBytes = 65_536

    package init() {}

    /// libwebsockets writes the request to a proxy, with the name in it twice, into 255 bytes.
    static let proxiedNameBytesMax = 90

    static func canAskProxy(for host: String) -> Bool {
        host.utf8.count <= proxiedNameBytesMax && !host.contains(":")
    }

    /// Returns what `proxy` names, with an empty host for none; `nil` for what is no `name:port`.
    /// libwebsockets would read a name with `:` or `@` in another way, and cut a longer one.
    package static func proxy(_ text: String) -> (host: String, port: UInt16)? {
        if text.isEmpty { return ("", 0) }
        let banned = Set(":@/".utf8)
        guard let (host, port) = WebSocketURL.hostAndPort(text[...]), let port,
            host.utf8.count <= 127,
            host.utf8.allSatisfy({ (0x21...0x7e).contains($0) && !banned.contains($0) })
        else { return nil }
        return (host, port)
    }
}
