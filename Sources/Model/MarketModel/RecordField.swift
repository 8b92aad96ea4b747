public import Primitives

/// A named value of a record, for people. A record lists its fields in the order in which they are
/// shown.
public struct RecordField: Sendable {
    public let name: String
    public let value: Value

    public enum Value: Hashable, Sendable {
        case text(String)
        case short(ShortText)
        /// Exactly value × 10^-decimals.
        case decimal(Int64, decimals: Int)
        case wide(Int128, decimals: Int)
        case time(Timestamp)
        case integer(Int64)
        case unsigned(UInt64)
        case flags([String])
        case truth(Bool)
    }

    /// Made once, because the name of a case comes from reflection and every tick has a resolution.
    fileprivate static let resolutions = (0...UInt8.max).map { name(TimeResolution.self, $0) }

    fileprivate static func name<Kind: RawRepresentable>(
        _ type: Kind.Type, _ raw: UInt8
    ) -> String where Kind.RawValue == UInt8 {
        Kind(rawValue: raw).map { "\($0)" } ?? "\(raw)"
    }
}

/// What a record's fields need and only its packet says.
public struct RecordContext: Sendable {
    /// The name of the record's series.
    public var series: SeriesName?
    /// The source of the symbol's ticks; packets of bars say it.
    public var source: SourceName?
    /// `nil` for a record that is not on the tape.
    public var ordinal: UInt64?

    public init(series: SeriesName?, source: SourceName?, ordinal: UInt64?) {
        self.series = series
        self.source = source
        self.ordinal = ordinal
    }
}

// A value that is undefined or empty is left out.
extension [RecordField] {
    public mutating func add(_ name: String, _ price: Price) {
        if price.isDefined { add(name, .decimal(price.raw, decimals: Price.decimals)) }
    }

    public mutating func add(_ name: String, _ size: Quantity) {
        if size.isDefined { add(name, .decimal(size.raw, decimals: Quantity.decimals)) }
    }

    public mutating func add(_ name: String, _ ratio: Ratio) {
        if ratio.isDefined { add(name, .decimal(ratio.raw, decimals: Ratio.decimals)) }
    }

    public mutating func add(_ name: String, _ text: ShortText) {
        if text.raw != 0 { add(name, .short(text)) }
    }

    public mutating func add(_ name: String, _ text: String) {
        if !text.isEmpty { add(name, .text(text)) }
    }

    public mutating func add(_ name: String, _ time: Timestamp) {
        if time.isDefined { add(name, .time(time)) }
    }

    public mutating func add(_ name: String, _ flags: [String]) {
        if !flags.isEmpty { add(name, .flags(flags)) }
    }

    /// Adds the name of a case, or the number if this version does not know it.
    public mutating func add<Kind: RawRepresentable>(
        _ name: String, _ type: Kind.Type, _ raw: UInt8
    ) where Kind.RawValue == UInt8 {
        add(name, .text(RecordField.name(type, raw)))
    }

    public mutating func add(_ name: String, _ value: RecordField.Value) {
        append(RecordField(name: name, value: value))
    }

    /// Adds the values that every tick has after its own.
    public mutating func add(_ header: TickHeader) {
        add("flags", header.flags.names)
        add("receive_time", header.receiveTime)
        if header.providerTime.isDefined {
            add("time_resolution", RecordField.resolutions[Int(header.resolution)])
        }
        if header.providerID != 0 { add("provider_id", .unsigned(header.providerID)) }
    }
}
