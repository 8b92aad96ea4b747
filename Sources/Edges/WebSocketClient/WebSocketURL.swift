/// The address of a server: `wss://name[:port][/path]`, or `ws://` without TLS.
package struct WebSocketURL: Hashable, Sendable {
    package static let bytesMax = 2_048

    package var hasTLS: Bool
    package var host: String
    package var port: UInt16
    /// Begins with a slash.
    package var path: String

    /// Returns `nil` for what is no such address. User and password have no place in it: they would
    /// be in logs. With TLS, an address of IP version 6 is none: libwebsockets cannot check it.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.bytesMax,
            text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "@") })
        else { return nil }
        if text.hasPrefix("wss://") {
            hasTLS = true
        } else if text.hasPrefix("ws://") {
            hasTLS = false
        } else {
            return nil
        }
        let rest = text.dropFirst(hasTLS ? 6 : 5)
        let place = rest.prefix { $0 != "/" && $0 != "?" }
        let tail = rest.dropFirst(place.count)
        path = tail.isEmpty ? "/" : (tail.first == "/" ? "" : "/") + tail
        guard let (name, number) = Self.hostAndPort(place) else { return nil }
        guard !hasTLS || !name.contains(":") else { return nil }
        host = name
        port = number ?? (hasTLS ? 443 : 80)
    }

    /// Splits `name:port`; the port is `nil` where there is none. Brackets stand around an address
    /// of IP version 6.
    static func hostAndPort(_ text: Substring) -> (host: String, port: UInt16?)? {
        var name = text
        var port: UInt16?
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            name = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            guard after.isEmpty || after.first == ":" else { return nil }
            if !after.isEmpty {
                guard let number = portNumber(after.dropFirst()) else { return nil }
                port = number
            }
        } else if let colon = text.firstIndex(of: ":") {
            guard let number = portNumber(text[text.index(after: colon)...]) else { return nil }
            name = text[..<colon]
            port = number
        }
        guard !name.isEmpty, name.utf8.count <= 253 else { return nil }
        return (String(name), port)
    }

    private static func portNumber(_ text: Substring) -> UInt16? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(text),
            number > 0
        else { return nil }
        return number
    }

    /// What the server is asked for in the header `Host`.
    var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (hasTLS ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// The server, for messages.
    package var peer: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}
