public import MarketModel

/// A symbol of one source: what a bar, a late tick or a value belongs to. Ticks of another source
/// never get into it.
public struct SourceSymbol: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let symbol: Symbol
    /// The source of the ticks, or the group of sources that this one is a member of.
    public let source: SourceName

    public init(_ symbol: Symbol, of source: SourceName) {
        self.symbol = symbol
        self.source = source
    }

    public static func < (one: SourceSymbol, other: SourceSymbol) -> Bool {
        guard one.symbol == other.symbol else {
            return one.symbol.text.utf8.lexicographicallyPrecedes(other.symbol.text.utf8)
        }
        return one.source < other.source
    }

    public var description: String { "\(symbol) of \(source)" }
}

/// The sources that are one source to bars, such as the gateways that share one feed's symbols
/// among them. A graph's `sources:` defines them.
///
/// The members share the feed's ids of trades, too: a cancel that comes through one member concerns
/// the trade that another one sent.
///
/// A source with the name of a group is a member of it, too: bars have no other name for its ticks.
/// Often it is the source that had all symbols before they were shared out.
public struct SourceGroups: Hashable, Sendable {
    /// Sources that belong together.
    public struct Group: Hashable, Sendable {
        public let name: SourceName
        /// The members whose names differ from the group's.
        public let members: [SourceName]

        public init(name: SourceName, members: [SourceName]) {
            self.name = name
            self.members = members
        }
    }

    /// The maximum number of groups of a graph.
    public static let groupsMax = 64
    /// The groups in the order of the graph. No source is a member of two of them, and no group's
    /// name is that of a member of another.
    public let all: [Group]

    public init(_ all: [Group] = []) { self.all = all }

    /// Returns the group of a source, or the source itself when it is a member of none.
    public func owner(of source: SourceName) -> SourceName {
        all.first { $0.members.contains(source) }?.name ?? source
    }
}
