public import Primitives

/// One value of an economic series, for one period.
public struct IndicatorValue: Hashable, Sendable, HeadedRecord {
    public static let nameBytesMax = 128
    public static let unitBytesMax = 64
    public static let undefined = Int128.max

    /// The header's provider time is the publication time.
    public var header: TickHeader
    public var name: String
    public var unit: String
    /// The value in 1e-9. It has 128 bits because a gross national product in dollars exceeds 64.
    public var value: Int128
    /// The period that the value describes is [periodStart, periodEnd).
    public var periodStart: Timestamp
    public var periodEnd: Timestamp
    /// 0 for the first publication, then counting up.
    public var revision: UInt64

    public init(
        header: TickHeader, name: String, unit: String = "", value: Int128,
        periodStart: Timestamp, periodEnd: Timestamp, revision: UInt64 = 0
    ) {
        self.header = header
        self.name = name
        self.unit = unit
        self.value = value
        self.periodStart = periodStart
        self.periodEnd = periodEnd
        self.revision = revision
    }

    func list(into fields: inout [RecordField]) {
        fields.add("name", name)
        if value != Self.undefined { fields.add("value", .wide(value, decimals: Price.decimals)) }
        fields.add("unit", unit)
        fields.add("period_start", periodStart)
        fields.add("period_end", periodEnd)
        fields.add("revision", .unsigned(revision))
    }
}
