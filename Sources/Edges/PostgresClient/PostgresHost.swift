/// One server of a database: a name, an address or a socket folder, and a TCP port.
package struct PostgresHost: Hashable, Sendable, CustomStringConvertible {
    /// The most servers of one database. A longer list is refused.
    package static let hostsMax = 8

    package var name: String
    package var port: UInt16

    package init(_ name: String, port: UInt16) {
        self.name = name
        self.port = port
    }

    /// As in a list of hosts: `db:5432`, `[::1]:5432`.
    package var description: String {
        name.contains(":") && !name.hasPrefix("/") ? "[\(name)]:\(port)" : "\(name):\(port)"
    }
}

extension PostgresHost {
    /// Why a list of hosts is refused.
    package struct Refusal: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// Reads a list such as `db-a,db-b:5433,[::1]:5434`, separated by commas. `port` is that of the
    /// hosts without one. `key` is the name of the setting, for messages.
    package static func list(
        _ text: String, port: UInt16, key: String = "POSTGRES_HOST"
    ) throws(Refusal) -> [PostgresHost] {
        let entries = text.split(separator: ",", omittingEmptySubsequences: false)
        guard entries.count <= hostsMax else {
            throw Refusal(
                description: "\(key) has \(entries.count) hosts, and \(hostsMax) are the most")
        }
        var hosts: [PostgresHost] = []
        for entry in entries {
            let word = entry.drop { $0 == " " }
            guard let host = PostgresHost(word.last == " " ? word.dropLast() : word, port: port)
            else {
                throw Refusal(
                    description: "\(key) holds '\(word.prefix(64))', which is no host: write HOST, "
                        + "HOST:PORT or [ADDRESS]:PORT, separated by commas")
            }
            guard !hosts.contains(host) else {
                throw Refusal(description: "\(key) has the host \(host) twice")
            }
            hosts.append(host)
        }
        return hosts
    }

    /// Fails when the word is no host. A socket folder and a bare IPv6 address have no port of
    /// their own.
    private init?(_ word: Substring, port: UInt16) {
        guard !word.isEmpty, !word.utf8.contains(0) else { return nil }
        if word.hasPrefix("[") {
            guard let end = word.firstIndex(of: "]") else { return nil }
            let address = word[word.index(after: word.startIndex)..<end]
            let rest = word[word.index(after: end)...]
            guard !address.isEmpty else { return nil }
            if rest.isEmpty {
                self.init(String(address), port: port)
            } else {
                guard rest.hasPrefix(":"), let own = Self.port(rest.dropFirst()) else { return nil }
                self.init(String(address), port: own)
            }
            return
        }
        guard !word.hasPrefix("/"), let colon = word.firstIndex(of: ":"),
            word.lastIndex(of: ":") == colon
        else {
            self.init(String(word), port: port)
            return
        }
        guard colon > word.startIndex, let own = Self.port(word[word.index(after: colon)...])
        else { return nil }
        self.init(String(word[..<colon]), port: own)
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard let port = UInt16(text), port > 0 else { return nil }
        return port
    }
}
