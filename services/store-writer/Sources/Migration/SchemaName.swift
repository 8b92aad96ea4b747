/// The database schema of a namespace: a name that needs no quoting trick to be safe in SQL.
public struct SchemaName: Hashable, Sendable, CustomStringConvertible {
    /// PostgreSQL cuts longer identifiers off.
    public static let utf8CountMax = 63

    public let text: String

    /// `[a-z_][a-z0-9_]{0,62}`.
    public init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f
            }), let first = text.utf8.first, !(0x30...0x39).contains(first)
        else { return nil }
        self.text = text
    }

    /// As an identifier in SQL: a keyword (`user`) is a name, too.
    public var quoted: String { "\"\(text)\"" }

    /// Temporary tables last: nobody's can stand before ours.
    public var searchPath: String { "\(quoted), pg_temp" }

    public var description: String { text }
}
