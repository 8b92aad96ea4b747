package import MarketModel

/// What the processes of a group do.
package enum GroupRole: String, Sendable {
    case `operator`
    case store
    /// Gateways of one source.
    case source
    case keeper
    /// Anything else that reads the tape.
    case consumer
}

/// A set of processes that share partitions. Its name is a token of subjects and keys.
package struct GroupName: Hashable, Sendable, CustomStringConvertible {
    package static let utf8CountMax = 64

    package static let operators = GroupName(checked: "operator")
    /// The store of a deployment that has one. Others are called `store-<name>`.
    package static let store = GroupName(checked: "store")
    /// The processes of which one keeps the tape within its bounds.
    package static let keepers = GroupName(checked: "keeper")

    /// The group of one source's gateways: one of them is active, the others are standbys.
    package static func source(_ source: SourceName) -> GroupName {
        GroupName(checked: "\(sourcePrefix)\(source)")
    }

    private static let sourcePrefix = "source-"

    /// The source whose gateways these are; `nil` for other groups.
    package var source: SourceName? {
        text.hasPrefix(Self.sourcePrefix)
            ? SourceName(String(text.dropFirst(Self.sourcePrefix.utf8.count))) : nil
    }

    package var role: GroupRole {
        switch self {
        case .operators: .operator
        case .keepers: .keeper
        case _ where isStore: .store
        case _ where source != nil: .source
        case _: .consumer
        }
    }

    /// Whether its processes write a store.
    package var isStore: Bool {
        let prefix = "\(Self.store)-"
        return self == .store || text.hasPrefix(prefix) && text != prefix
    }

    /// Whether its members share all partitions of the tape. Those of a source, and those of other
    /// readers, are free after their end.
    package var sharesPartitions: Bool { self == .operators || isStore }

    package let text: String

    /// Accepts `[a-z0-9-]{1,64}`; `nil` otherwise.
    package init?(_ text: String) {
        guard (1...Self.utf8CountMax).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d
            })
        else { return nil }
        self.text = text
    }

    private init(checked text: String) { self.text = text }

    package var description: String { text }
}
