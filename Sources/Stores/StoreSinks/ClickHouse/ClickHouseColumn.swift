/// A column of a table of ClickHouse.
package struct ClickHouseColumn: Hashable, Sendable {
    package let name: String
    package let kind: ColumnKind
    package let isNullable: Bool

    package init(_ name: String, _ kind: ColumnKind, isNullable: Bool = false) {
        self.name = name
        self.kind = kind
        self.isNullable = isNullable
    }

    /// The column of a sink's table.
    init(_ name: String, of sink: SinkName) {
        self.init(
            name, ColumnKind.of(name, in: sink), isNullable: Self.isNullable(name, in: sink))
    }

    /// The type in a block. The server makes that of the table of it.
    package var wireType: String { isNullable ? "Nullable(\(plainType))" : plainType }

    /// The type in the table.
    package var type: String { isRepetitive ? "LowCardinality(\(wireType))" : wireType }

    private var plainType: String {
        switch kind {
        case .int64: "Int64"
        case .decimal(scale: 0): "UInt64"
        case .decimal(let scale): "Decimal(38, \(scale))"
        case .text, .json, .bytes: "String"
        case .bool: "Bool"
        case .time: "DateTime64(6, 'UTC')"
        }
    }

    /// Whether it has few different texts.
    private var isRepetitive: Bool { kind.isRepetitive(name) }

    /// The bytes of a value; `nil` for one that has its length before it.
    var width: Int? {
        switch kind {
        case .int64, .time, .decimal(scale: 0): 8
        case .decimal: 16
        case .text, .json, .bytes: nil
        case .bool: 1
        }
    }

    /// Columns that have a value in each row; a text that is absent is empty.
    private static let present = words(
        """
        ts ts_rest_ns event_time_ns receive_rest_ns symbol series source of_source partition epoch \
        ordinal number revision flags time_resolution provider action conditions
        """)
    /// Columns that have a value in each trade and quote.
    private static let presentInTicks = words(
        "receive_time provider_id exchange bid_exchange ask_exchange")

    private static func words(_ text: String) -> Set<String> {
        Set(text.split(separator: " ").map(String.init))
    }

    private static func isNullable(_ name: String, in sink: SinkName) -> Bool {
        if present.contains(name) { return false }
        return !([.trades, .quotes].contains(sink) && presentInTicks.contains(name))
    }
}
