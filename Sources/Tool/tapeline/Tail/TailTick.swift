import MarketModel
import Primitives
import TapeCodec

/// One message of the tape as a list of named values, from which all three formats are made. The
/// list is reused for the next message.
struct TailTick {
    /// A named value. Fields are shown in their order.
    struct Field {
        let name: String
        let value: Value
    }

    enum Value: Equatable {
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

    var kind = TickKind.trade
    var symbol = ""
    /// The time of the message, or the packet's if it has none.
    var time = Timestamp.undefined
    var source = SourceName.operator {
        // The text is made once per source and not per tick.
        didSet { if source != oldValue { sourceText = source.text } }
    }
    private(set) var sourceText = SourceName.operator.text
    /// False if the message is not on the tape, such as a bar of an open window. Source, partition,
    /// ordinal, epoch and sequence then mean nothing.
    var isOnTape = true
    var partition = Partition(0)
    /// `nil` for a message without an ordinal.
    var ordinal: UInt64?
    var epoch: UInt64 = 0
    var sequence: UInt64 = 0
    var fields: [Field] = []

    // MARK: filling

    mutating func add(_ name: String, _ price: Price) {
        if price.isDefined { add(name, .decimal(price.raw, decimals: Price.decimals)) }
    }

    mutating func add(_ name: String, _ size: Quantity) {
        if size.isDefined { add(name, .decimal(size.raw, decimals: Quantity.decimals)) }
    }

    mutating func add(_ name: String, _ ratio: Ratio) {
        if ratio.isDefined { add(name, .decimal(ratio.raw, decimals: Ratio.decimals)) }
    }

    mutating func add(_ name: String, _ text: ShortText) {
        if text.raw != 0 { add(name, .short(text)) }
    }

    mutating func add(_ name: String, _ text: String) {
        if !text.isEmpty { add(name, .text(text)) }
    }

    mutating func add(_ name: String, _ time: Timestamp) {
        if time.isDefined { add(name, .time(time)) }
    }

    mutating func add(_ name: String, _ value: Value) {
        fields.append(Field(name: name, value: value))
    }

    /// Adds the values that every tick has after its own.
    mutating func addTail(_ header: TickHeader, _ symbol: SymbolDefinition?) {
        time = header.eventTime
        self.symbol = symbol?.symbol.text ?? ""
        let flags = header.flags.names
        if !flags.isEmpty { add("flags", .flags(flags)) }
        add("receive_time", header.receiveTime)
        if header.providerTime.isDefined {
            add("time_resolution", Self.resolution(header.resolution))
        }
        if header.providerID != 0 { add("provider_id", .unsigned(header.providerID)) }
        if let symbol { add("provider", symbol.provider) }
    }

    /// Made once, because the name of a case comes from reflection and every tick has a resolution.
    private static let resolutions = (0...UInt8.max).map { name(TimeResolution.self, $0) }

    static func resolution(_ raw: UInt8) -> String { resolutions[Int(raw)] }

    /// Returns the name of a case, or the number if this version does not know it.
    static func name<Kind: RawRepresentable>(
        _ type: Kind.Type, _ raw: UInt8
    ) -> String where Kind.RawValue == UInt8 {
        Kind(rawValue: raw).map { "\($0)" } ?? "\(raw)"
    }
}
