internal import MarketModel
internal import OperatorGraph
internal import YAMLFile

/// The output of a node.
enum Flow: Hashable {
    case ticks(DataKind)
    /// Trades with the fields of quotes: those behind a join.
    case joined
    case bars
    /// Values only: no other node can take them.
    case values

    /// The output in words, for messages.
    var shown: String {
        switch self {
        case .ticks(let kind): kind.shown
        case .joined: DataKind.trade.shown
        case .bars: "bars"
        case .values: "values"
        }
    }

    /// The kind of ticks; `nil` when it has none.
    var kind: DataKind? {
        switch self {
        case .ticks(let kind): kind
        case .joined: .trade
        case .bars, .values: nil
        }
    }
}

extension DataKind {
    /// The inputs of a graph by their names in the file.
    static let inputs: [(name: String, kind: DataKind)] = [
        ("trades", .trade), ("quotes", .quote), ("depth", .depth),
        ("provider_bars", .providerBar),
    ]

    /// The records in words, for messages.
    var shown: String {
        if self == .depth { return "books" }
        return self == .quote ? "quotes" : self == .providerBar ? "provider bars" : "trades"
    }
}

/// The operators, by their names in the file.
enum OperatorName: String, CaseIterable {
    case deduplicate
    case filter
    case throttle
    case route
    case custom
    case join
    case book
    case bars
    case aggregate
    case resample
    case breadth
    case scan
    case derive

    /// The keys that are allowed beside `operator` and `input`.
    var keys: [String] {
        switch self {
        case .deduplicate: ["key", "equal_ticks", "ttl", "entries", "live"]
        case .filter: ["where", "live"]
        case .throttle: ["rate", "per", "live"]
        case .route: ["branches"]
        case .custom: ["code", "settings", "live"]
        case .join: ["with", "max_age", "live"]
        case .book: ["levels"]
        case .bars: ["price", "conditions", "odd_lots", "calendar", "series"]
        case .aggregate: ["price", "conditions", "odd_lots", "calendar", "functions", "series"]
        case .resample: ["from", "of", "series"]
        case .breadth:
            ["scope", "series", "universe", "measures", "sources", "warm_up", "calendar"]
        case .scan:
            ["scope", "series", "universe", "sources", "where", "numbers", "rank", "most"]
        case .derive: ["scope", "series", "inputs", "sources", "value", "max_age"]
        }
    }

    /// Whether it works over all partitions, on the bars of a series.
    var isOverAll: Bool { self == .breadth || self == .scan || self == .derive }

    /// Whether it takes records of this kind, from the tape or from a node that passes them. Those
    /// of depth are books, which `book` alone makes of the tape.
    func takes(_ kind: DataKind) -> Bool {
        switch self {
        case .filter, .throttle, .route: true
        case .deduplicate: kind != .depth
        case .custom: kind == .trade || kind == .quote
        case .bars, .aggregate: kind != .providerBar
        case .join: kind == .trade
        case .book: false
        case .resample: kind == .providerBar
        case .breadth, .scan, .derive: false
        }
    }

    /// Whether ticks leave the node. Such a node is useless if no other node takes them.
    var passesTicks: Bool {
        switch self {
        case .deduplicate, .filter, .throttle, .route, .join, .book: true
        case .custom, .bars, .aggregate, .resample, .breadth, .scan, .derive: false
        }
    }
}

/// A node as written in the file, before its input is resolved.
struct NodeDraft {
    /// The input as written.
    enum Source: Hashable {
        case ticks(DataKind)
        case node(String)
        case branch(node: String, branch: String)
        /// The node that makes this series.
        case series(String)

        /// The node that the input names; `nil` when it names none.
        var node: String? {
            switch self {
            case .ticks, .series: nil
            case .node(let name), .branch(let name, _): name
            }
        }
    }

    var name: String
    var position: YAMLPosition
    var operation: OperatorName
    var fields: Fields
    /// The input; `nil` when it is missing or wrong, which was already reported.
    var source: Source?
    /// Where the input is written, or the node without one.
    var sourcePosition: YAMLPosition
    /// The input of a join's quotes; `nil` when it is missing or wrong, and for other operators.
    var quotes: Source?
    var quotesPosition: YAMLPosition

    /// The nodes that its inputs name.
    var feeders: [String] { [source?.node, quotes?.node].compactMap { $0 } }

    /// The node in words, for messages.
    var owner: String { "node \(name)" }
}

/// A node without mistakes.
struct BuiltNode {
    var node: GraphNode
    var flow: Flow
    var position: YAMLPosition
    /// The names of a route's branches, in order.
    var branches: [String] = []
}
