/// The name of a source of ticks: the last token of its tape subjects, 24 bytes on the wire.
public struct SourceName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public static let utf8CountMax = 24

    /// Who derives: the source of everything on `md.bars.*`.
    public static let `operator` = SourceName(checked: "operator")

    public let text: String

    /// `[a-z0-9-]`, 1 to 24 characters.
    public init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d
            })
        else { return nil }
        self.text = text
    }

    private init(checked text: String) { self.text = text }

    public static func < (left: SourceName, right: SourceName) -> Bool { left.text < right.text }

    public var description: String { text }
}

/// The name of a bar series: `1s`, `1m`, or that of a node of the operator graph.
public struct SeriesName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public static let utf8CountMax = 32

    public let text: String

    /// `[A-Za-z0-9_-]`, 1 to 32 characters.
    public init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
                    || $0 == 0x2d || $0 == 0x5f
            })
        else { return nil }
        self.text = text
    }

    public static func < (left: SeriesName, right: SeriesName) -> Bool { left.text < right.text }

    public var description: String { text }
}
