/// The database schema of a namespace: a name that is safe in SQL without quoting.
package struct SchemaName: Hashable, Sendable, CustomStringConvertible {
    /// PostgreSQL truncates longer identifiers.
    package static let utf8CountMax = 63

    package let text: String

    /// Accepts `[a-z_][a-z0-9_]{0,62}`.
    package init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f
            }), let first = text.utf8.first, !(0x30...0x39).contains(first)
        else { return nil }
        self.text = text
    }

    /// The name as an SQL identifier. It is quoted, because it may be a keyword such as `user`.
    package var quoted: String { "\"\(text)\"" }

    /// The search path, with temporary tables last, so that none of them can hide a table of ours.
    package var searchPath: String { "\(quoted), pg_temp" }

    package var description: String { text }
}
