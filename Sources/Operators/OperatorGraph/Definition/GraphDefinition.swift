package import MarketModel
package import StreamCore

/// The definition of a graph, which is computed for each partition: the nodes, and the input of
/// each. Its maker has checked it: inputs come before their users, names are unique, kinds fit.
package struct GraphDefinition: Hashable, Sendable {
    package var name: String
    package var nodes: [GraphNode]
    /// The calendars that nodes use, by name.
    package var calendars: [SessionCalendar]
    /// The sources that are one source to bars.
    package var groups: SourceGroups
    /// How long a source may send no packet, in nanoseconds, before nothing that is made of several
    /// sources waits for it.
    package var silentAfter: Int64

    /// A minute: a gateway that lives sends a packet at least each second.
    package static let silentAfterUsual: Int64 = 60_000_000_000
    package static let silentAfterRange: ClosedRange<Int64> = 5_000_000_000...86_400_000_000_000
    package static let nodesMax = 64
    package static let nameBytesMax = 32

    package init(
        name: String, nodes: [GraphNode], calendars: [SessionCalendar] = [],
        groups: SourceGroups = SourceGroups(), silentAfter: Int64 = Self.silentAfterUsual
    ) {
        self.silentAfter = silentAfter
        self.name = name
        self.groups = groups
        self.nodes = nodes
        self.calendars = calendars
    }

    /// A graph of one node: bars of all trades.
    package static func simple(_ series: BarSeriesSet) -> GraphDefinition {
        GraphDefinition(
            name: "simple",
            nodes: [
                GraphNode(
                    name: "bars", input: .ticks(.trade),
                    operation: .bars(BarRule(series: series), calendar: nil))
            ])
    }
}

/// One node of a graph, under its name.
package struct GraphNode: Hashable, Sendable {
    package var name: String
    package var input: GraphInput
    package var operation: GraphOperation
    /// The queue through which the ticks that this node lets through are also published live; `nil`
    /// when they are not.
    package var live: LiveEdge?

    package init(
        name: String, input: GraphInput, operation: GraphOperation, live: LiveEdge? = nil
    ) {
        self.name = name
        self.input = input
        self.operation = operation
        self.live = live
    }
}

/// The input of a node.
package enum GraphInput: Hashable, Sendable {
    /// `.trade`, `.quote`, `.depth` or `.providerBar`, directly from the tape.
    case ticks(DataKind)
    /// The output of the node with this index: ticks or a provider's bars that it lets through, or
    /// bars that it makes.
    case node(Int)
    /// The ticks of one branch of a route.
    case branch(node: Int, branch: Int)
}

/// What a node does. The first six take ticks and let some of them through; `book` makes ticks of
/// depth; `bars` and `aggregate` make windows of ticks, and `resample` makes them of bars. A
/// provider's bars are ticks to the first four, and bars to `resample`.
package enum GraphOperation: Hashable, Sendable {
    case deduplicate(DeduplicateRule)
    case throttle(ThrottleRule)
    case filter(TickExpression)
    case route([RouteBranch])
    /// Code that is registered under this name, with its settings in order of their names.
    case custom(name: String, settings: [GraphSetting])
    /// Lets all trades through, each with the fields of the last quote that came to `with`.
    case join(JoinRule, with: GraphInput)
    /// Makes numbers of books, from the changes of their rows.
    case book(BookRule)
    /// `calendar` is the name of the calendar for its sessions.
    case bars(BarRule, calendar: String?)
    case aggregate(AggregateRule, calendar: String?)
    case resample(ResampleRule)
    /// A measure over all partitions: `scope: all`.
    case breadth(BreadthRule, calendar: String?)
    /// The symbols of all partitions whose bars meet a condition: `scope: all`.
    case scan(ScanRule)
}

extension GraphOperation {
    /// Where a join takes quotes; `nil` for other operations.
    package var quotes: GraphInput? {
        if case .join(_, let quotes) = self { quotes } else { nil }
    }
}

/// A setting of a custom node, as written in the graph.
public struct GraphSetting: Hashable, Sendable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// A bounded queue before a reader that may be slower than the tape.
package struct LiveEdge: Hashable, Sendable {
    /// What happens to a tick without room.
    package enum Overflow: String, CaseIterable, Hashable, Sendable {
        /// The graph waits for the reader: nothing is left out.
        case block
        /// The tick itself is dropped and counted.
        case dropNewest = "drop-newest"
        /// The tick that waits longest is dropped and counted.
        case dropOldest = "drop-oldest"
        /// The partition stops, and reports the reason.
        case error
    }

    /// The maximum number of ticks that wait.
    package var capacity: Int
    package var overflow: Overflow
    /// The high and low marks. An event is reported when the length crosses them.
    package var high: Int
    package var low: Int

    package static let capacityMax = 1_048_576

    package init(capacity: Int, overflow: Overflow, high: Int, low: Int) {
        self.capacity = capacity
        self.overflow = overflow
        self.high = high
        self.low = low
    }
}
