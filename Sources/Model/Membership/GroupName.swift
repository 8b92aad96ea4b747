public import MarketModel

/// A set of processes that share partitions out among themselves: a token of subjects and keys.
public struct GroupName: Hashable, Sendable, CustomStringConvertible {
    public static let utf8CountMax = 64

    public static let operators = GroupName(checked: "operator")
    public static let writers = GroupName(checked: "writer")
    /// Whoever keeps the tape within its bounds.
    public static let keepers = GroupName(checked: "keeper")

    /// The gateways of one source: one of them is active, the others stand by.
    public static func source(_ source: SourceName) -> GroupName {
        GroupName(checked: "source-\(source)")
    }

    public let text: String

    /// `[a-z0-9-]{1,64}`; nil otherwise.
    public init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d
            })
        else { return nil }
        self.text = text
    }

    private init(checked text: String) { self.text = text }

    public var description: String { text }
}
