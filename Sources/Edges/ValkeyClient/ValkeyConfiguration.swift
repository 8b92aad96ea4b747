package import Primitives

/// The address and the user of a Valkey (or Redis) server. Plain TCP only: hiredis 0.14 has no TLS.
package struct ValkeyConfiguration: Sendable {
    package var host: String
    package var port: UInt16
    /// Without a user the password is the server's own (`requirepass`).
    package var user: String?
    /// Another one has no successor: set `renewable` after it.
    package var password: String? { didSet { renewable = nil } }
    /// The password, where it may have a successor: it is read again when the server refuses it.
    package var renewable: RenewableSecret?
    package var database = 0
    /// The name that `CLIENT LIST` shows; no blanks.
    package var clientName: String?
    /// Bounds connecting, including authentication. The C library resolves the name before that.
    package var connectTimeout = Duration.seconds(2)
    /// Bounds one command, or reading a pipeline's replies once.
    package var commandTimeout = Duration.seconds(2)

    package init(host: String, port: UInt16 = 6_379, user: String? = nil, password: String? = nil) {
        self.host = host
        self.port = port
        self.user = user
        self.password = password
    }

    package var peer: String { "\(host):\(port)" }
}

extension ValkeyConfiguration {
    /// Reads `redis://[[user]:password@]host[:port][/database]` (or `valkey://`); user and password
    /// may be percent-encoded. `rediss://` and `valkeys://` are refused: see above.
    package init(url: String) throws(ValkeyError) {
        guard let separator = url.firstRange(of: "://") else {
            throw .configuration("a Valkey URL begins with redis:// or valkey://")
        }
        let scheme = url[..<separator.lowerBound]
        guard scheme == "redis" || scheme == "valkey" else {
            throw .configuration(
                scheme == "rediss" || scheme == "valkeys"
                    ? Self.noTLS : "a Valkey URL begins with redis:// or valkey://")
        }
        var rest = url[separator.upperBound...]
        var userInfo: Substring?
        // A password may contain an @, so the last one ends it.
        if let at = rest.lastIndex(of: "@") {
            userInfo = rest[..<at]
            rest = rest[rest.index(after: at)...]
        }
        let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let (host, port) = try Self.endpoint(parts[0])
        self.init(host: host, port: port)
        if let userInfo {
            let fields = userInfo.split(
                separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = fields[0].isEmpty ? nil : try Self.percentDecoded(fields[0])
            password = fields.count > 1 ? try Self.percentDecoded(fields[1]) : nil
        }
        if parts.count > 1, !parts[1].isEmpty {
            guard let number = Int(parts[1]), number >= 0 else {
                throw .configuration("the path of a Valkey URL is the number of a database")
            }
            database = number
        }
    }

    /// Refuses a host that is a URL, or that no C string can hold. `name` begins the error's
    /// sentence.
    package static func check(
        host: String, named name: String = "a Valkey host"
    ) throws(ValkeyError) {
        guard !host.utf8.contains(0) else {
            throw .configuration("\(name) holds a NUL character")
        }
        guard host.contains("://") else { return }
        let wantsTLS = host.hasPrefix("rediss:") || host.hasPrefix("valkeys:")
        throw .configuration(
            wantsTLS ? "\(name): \(noTLS)" : "\(name) is a name or an address, not a URL")
    }

    static let noTLS = "TLS to Valkey (rediss://) is not supported: use redis:// through a tunnel"

    /// Reads `host`, `host:port`, `[::1]` or `[::1]:port`.
    private static func endpoint(_ text: Substring) throws(ValkeyError) -> (String, UInt16) {
        var host = text
        var port: Substring?
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            let behind = text[text.index(after: end)...]
            port = behind.isEmpty ? nil : behind.dropFirst()
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty else { throw .configuration("a Valkey URL names a host") }
        guard let port else { return (String(host), 6_379) }
        guard let number = UInt16(port), number > 0 else {
            throw .configuration("a Valkey URL's port is a number from 1 to 65535")
        }
        return (String(host), number)
    }

    private static func percentDecoded(_ text: Substring) throws(ValkeyError) -> String {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let value = UInt8(String(rest.prefix(2)) ?? "", radix: 16), rest.count >= 2 else {
                throw .configuration("a % in a Valkey URL is followed by two hexadecimal digits")
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension ValkeyConfiguration: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    package var description: String {
        "\(peer)/\(database) (password \(password == nil ? "none" : "<redacted>"))"
    }

    package var debugDescription: String { description }

    /// `dump` and test failures show mirrors, so the mirror does not contain the password.
    package var customMirror: Mirror { Mirror(self, children: ["peer": peer]) }
}
