/// A table of ClickHouse, for the rows of a sink or for gaps of ordinals.
package struct ClickHouseTable: Hashable, Sendable {
    /// By what its rows are divided into partitions of the table. A block is of one of them.
    package enum Division: Sendable {
        /// By the UTC day of `ts`.
        case days
        /// By the month of `ts`, for tables with fewer rows.
        case months
        /// Not at all.
        case none
    }

    package let name: String
    package let columns: [ClickHouseColumn]
    package let division: Division
    /// The columns by which its rows are sorted.
    package let order: [String]
    /// The columns that tell its rows apart, within a partition of the tape.
    package let identity: Identity

    package struct Identity: Sendable {
        package let source: String
        package let ordinal: String

        package init(source: String, ordinal: String) {
            self.source = source
            self.ordinal = ordinal
        }
    }

    /// The table of ordinals that have no row anywhere.
    package static let gaps = ClickHouseTable(
        name: "ordinal_gaps",
        columns: [
            ClickHouseColumn("input", .text), ClickHouseColumn("partition", .int64),
            ClickHouseColumn("source", .text), ClickHouseColumn("first_ordinal", .int64),
            ClickHouseColumn("last_ordinal", .int64), ClickHouseColumn("reason", .text),
            ClickHouseColumn("epoch", .int64), ClickHouseColumn("stream_created_ns", .int64),
            ClickHouseColumn("sequence", .int64),
        ], division: .none, order: ["source", "partition", "first_ordinal"],
        identity: Identity(source: "source", ordinal: "first_ordinal"))

    /// The table of ordinals that were copied from another store. Where `rows` is 0 that one lacks
    /// them, too.
    package static let fills = ClickHouseTable(
        name: "fills",
        columns: [
            ClickHouseColumn("input", .text), ClickHouseColumn("partition", .int64),
            ClickHouseColumn("source", .text), ClickHouseColumn("first_ordinal", .int64),
            ClickHouseColumn("last_ordinal", .int64), ClickHouseColumn("rows", .int64),
            ClickHouseColumn("from_store", .text),
        ], division: .none, order: ["source", "partition", "first_ordinal"],
        identity: Identity(source: "source", ordinal: "first_ordinal"))

    /// The tables of a store beside those of sinks.
    package static let books = [gaps, fills]

    /// The table with each version of each bar, on which the views stand.
    package static let barVersions = "bar_versions"

    package init(
        name: String, columns: [ClickHouseColumn], division: Division, order: [String],
        identity: Identity
    ) {
        self.name = name
        self.columns = columns
        self.division = division
        self.order = order
        self.identity = identity
    }

    private static let tickOrder = ["symbol", "ts", "source", "ordinal"]

    package init(_ sink: Sink) {
        let names = sink.storeColumns
        let (division, order): (Division, [String]) =
            switch sink.name {
            case .bars: (.months, ["symbol", "series", "ts", "number", "source", "revision"])
            case .gaps: (.none, ["source", "partition", "ordinal"])
            case .trades, .quotes, .depth, .options: (.days, Self.tickOrder)
            case .news, .fundamentals, .indicators, .providerBars, .events, .lateTicks,
                .tradeChanges:
                (.months, Self.tickOrder)
            }
        self.init(
            name: sink.name == .bars ? Self.barVersions : sink.name.rawValue,
            columns: names.map { ClickHouseColumn($0, of: sink.name) }, division: division,
            order: order, identity: Identity(source: "source", ordinal: "ordinal"))
    }

    package static func == (left: ClickHouseTable, right: ClickHouseTable) -> Bool {
        left.name == right.name && left.columns == right.columns
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(name) }

    package func place(_ column: String) -> Int? { columns.firstIndex { $0.name == column } }
}
