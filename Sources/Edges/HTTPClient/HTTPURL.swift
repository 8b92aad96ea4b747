/// The address of a request: `https://name[:port][/path][?query]`, or `http://` without TLS.
///
/// A key may be in the query, so no description shows the query.
package struct HTTPURL: Hashable, Sendable {
    /// A longer address is none.
    package static let bytesMax = 8_192

    /// The address as it was given.
    let text: String
    /// Whether the server is asked over TLS.
    package let hasTLS: Bool
    /// A name or an address, without brackets.
    package let host: String
    /// The server's port.
    package let port: UInt16

    /// Returns `nil` for what is no such address. User and password have no place in it, and a
    /// fragment would not be sent.
    package init?(_ text: String) {
        let banned = Set("#\\".utf8)
        guard text.utf8.count <= Self.bytesMax,
            text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && !banned.contains($0) })
        else { return nil }
        if text.hasPrefix("https://") {
            hasTLS = true
        } else if text.hasPrefix("http://") {
            hasTLS = false
        } else {
            return nil
        }
        let rest = text.dropFirst(hasTLS ? 8 : 7)
        guard let place = Self.hostAndPort(rest.prefix { $0 != "/" && $0 != "?" }) else {
            return nil
        }
        host = place.host
        port = place.port ?? (hasTLS ? 443 : 80)
        self.text = text
    }

    /// Returns the address with a query of these names and values, which it encodes; `nil` for what
    /// is no address, or has a query already.
    package init?(_ base: String, query: [(name: String, value: String)]) {
        guard !base.contains("?") else { return nil }
        let pairs = query.map { "\(Self.encoded($0.name))=\(Self.encoded($0.value))" }
        self.init(pairs.isEmpty ? base : base + "?" + pairs.joined(separator: "&"))
    }

    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isLetterOrDigit(byte) || "-._~".utf8.contains(byte) {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Splits `name:port`; the port is `nil` where there is none. Brackets stand around an address
    /// of IP version 6. Only letters that every reader of addresses takes in one way are allowed.
    static func hostAndPort(_ text: Substring) -> (host: String, port: UInt16?)? {
        let isBracketed = text.first == "["
        let name = text.dropFirst(isBracketed ? 1 : 0).prefix { $0 != (isBracketed ? "]" : ":") }
        let rest = text[name.endIndex...].dropFirst(isBracketed ? 1 : 0)
        let marks = isBracketed ? ":." : "-._"
        guard !name.isEmpty, name.utf8.count <= 253, !isBracketed || text[name.endIndex...] != "",
            name.utf8.allSatisfy({ isLetterOrDigit($0) || marks.utf8.contains($0) })
        else { return nil }
        if rest.isEmpty { return (String(name), nil) }
        let digits = rest.dropFirst()
        guard rest.first == ":", digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits), port > 0
        else { return nil }
        return (String(name), port)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }

    /// The server, for messages.
    package var peer: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}

extension HTTPURL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The address without what its query says.
    package var description: String {
        text.contains("?") ? text.prefix { $0 != "?" } + "?…" : text
    }
    /// The same.
    package var debugDescription: String { description }
    /// Shows the same.
    package var customMirror: Mirror { Mirror(self, children: ["url": description]) }
}
