internal import MarketModel

/// One column: its name and type.
package struct ColumnLayout: Sendable {
    package enum Form: Hashable, Sendable {
        /// Nanoseconds since 1970 UTC.
        case time
        /// An integer of 1e-decimals.
        case fixed(decimals: Int)
        /// The same integer divided by 10^decimals, as a float of 64 bits.
        case float(decimals: Int)
        case int64, uint64, uint32, uint16, uint8
        /// 128 bits in 1e-scale.
        case decimal(scale: Int)
        /// The index of a text.
        case text(ColumnTexts)
        /// The same index, without the texts.
        case number(ColumnTexts)
        /// A text per row. Its values are 32-bit offsets into the batch's text bytes.
        case bytes
    }

    /// The value that stands for none, for columns in which one may be missing.
    package enum Missing: Sendable {
        case never
        /// The highest value of the type: undefined times, prices and volumes.
        case highest
        case zero
        /// An index below 0.
        case negative
    }

    package let name: String
    package let form: Form
    package let missing: Missing

    init(_ name: String, _ form: Form, _ missing: Missing = .never) {
        self.name = name
        self.form = form
        self.missing = missing
    }

    package var isNullable: Bool { missing != .never }

    /// The bytes of one value.
    package var width: Int {
        switch form {
        case .time, .fixed, .float, .int64, .uint64: 8
        case .uint32, .text, .number, .bytes: 4
        case .uint16: 2
        case .uint8: 1
        case .decimal: 16
        }
    }

    /// Returns the format string of the Arrow C data interface. `zone` is that of times.
    package func format(zone: String) -> String {
        switch form {
        case .time: "tsn:\(zone)"
        case .fixed, .int64: "l"
        case .float: "g"
        case .uint64: "L"
        case .uint32, .number: "I"
        case .uint16: "S"
        case .uint8: "C"
        case .decimal(let scale): "d:\(Self.decimalDigits),\(scale)"
        case .text: "i"
        case .bytes: "u"
        }
    }

    /// The most digits of a decimal of 128 bits in Arrow.
    static let decimalDigits = 38
}

// The columns of each kind. `RowColumns.swift` has the same order.
extension ColumnLayout {
    static let trades =
        head + [
            price("price"), size("size"), ColumnLayout("exchange", .text(.exchanges)),
            ColumnLayout("conditions", .text(.conditions)),
            ColumnLayout("action", .text(.actions)),
        ] + tail

    static let quotes =
        head + [
            price("bid_price"), size("bid_size"), price("ask_price"), size("ask_size"),
            ColumnLayout("bid_exchange", .text(.exchanges)),
            ColumnLayout("ask_exchange", .text(.exchanges)),
        ] + tail

    static let depth =
        head + [
            ColumnLayout("operation", .text(.operations)),
            ColumnLayout("side", .text(.sides), .negative),
            ColumnLayout("position", .int64, .highest), price("price"), size("size"),
            ColumnLayout("market_maker", .text(.marketMakers)),
            ColumnLayout("book_flags", .uint8),
            ColumnLayout("reason", .text(.resetReasons), .negative),
        ] + tail

    static let gaps =
        head + [
            ColumnLayout("kind", .text(.dataKinds)), ColumnLayout("reason", .text(.gapReasons)),
            ColumnLayout("state", .text(.gapStates)), time("from_time"), time("to_time"),
            ColumnLayout("lost_first_ordinal", .int64, .zero),
            ColumnLayout("lost_last_ordinal", .int64, .zero), ColumnLayout("detail", .bytes),
        ] + tail

    static let indicators =
        head + [
            ColumnLayout("name", .text(.names)),
            ColumnLayout("value", .decimal(scale: Price.decimals), .highest),
            ColumnLayout("unit", .text(.units)), time("period_start"), time("period_end"),
            ColumnLayout("revision", .int64),
            ColumnLayout("of_source", .text(.sources), .negative),
        ] + tail

    static let providerBars =
        head + [
            ColumnLayout("made_of", .text(.barData)), time("open_time"), price("open"),
            price("high"), price("low"), price("close"), price("vwap"),
            ColumnLayout("volume", .decimal(scale: Quantity.decimals), .highest),
            ColumnLayout("trades", .int64, .highest), ColumnLayout("bar_flags", .uint8),
        ] + tail

    static let bars =
        [
            time("open_time"), time("close_time"),
            ColumnLayout("symbol", .text(.symbols), .negative),
            ColumnLayout("source", .text(.sources), .negative),
            ColumnLayout("series", .text(.series), .negative), ColumnLayout("number", .int64),
            price("open"), price("high"), price("low"), price("close"), price("vwap"),
            ColumnLayout("volume", .decimal(scale: Quantity.decimals), .highest),
            ColumnLayout("notional", .decimal(scale: Price.decimals + Quantity.decimals), .highest),
            ColumnLayout("trades", .uint64), ColumnLayout("excluded_condition", .uint32),
            ColumnLayout("excluded_odd_lot", .uint32), ColumnLayout("excluded_filter", .uint32),
            ColumnLayout("excluded_undefined", .uint32), ColumnLayout("flags", .uint8),
            ColumnLayout("reason", .text(.barReasons)), ColumnLayout("generation", .uint32),
            ColumnLayout("lateness_ns", .int64, .highest),
        ] + packet

    /// What a tick begins with.
    private static let head = [
        time("event_time"), time("receive_time"),
        ColumnLayout("symbol", .text(.symbols), .negative),
        ColumnLayout("source", .text(.sources)),
        ColumnLayout("provider", .text(.providers), .negative),
    ]

    /// What a tick ends with.
    private static let tail =
        [
            ColumnLayout("flags", .uint16), ColumnLayout("time_resolution", .uint8),
            ColumnLayout("provider_id", .uint64, .zero),
        ] + packet

    /// What the packet says.
    private static let packet = [
        time("sent_at"), time("known_at"), ColumnLayout("partition", .uint16),
        ColumnLayout("epoch", .int64), ColumnLayout("ordinal", .int64),
    ]

    private static func time(_ name: String) -> ColumnLayout { ColumnLayout(name, .time, .highest) }

    private static func price(_ name: String) -> ColumnLayout {
        ColumnLayout(name, .fixed(decimals: Price.decimals), .highest)
    }

    private static func size(_ name: String) -> ColumnLayout {
        ColumnLayout(name, .fixed(decimals: Quantity.decimals), .highest)
    }
}
