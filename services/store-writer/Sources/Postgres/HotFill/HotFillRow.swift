import HotState
import MarketModel
import Primitives
import TapeCodec

/// One row of a statement of `HotFillTable`, column by column.
struct HotFillRow {
    /// The texts of the columns; `nil` is NULL.
    let columns: [String?]

    /// Where the row belongs, and the position that the database had; `nil` when it cannot be read.
    var place: Place? {
        guard let partition = integer(0).flatMap({ Int(exactly: $0) }),
            (0..<Partition.countRange.upperBound).contains(partition),
            let created = integer(1), let sequence = integer(2).flatMap({ UInt64(exactly: $0) }),
            let symbol = columns[3].flatMap({ Symbol($0) }),
            let source = columns[4].flatMap({ SourceName($0) })
        else { return nil }
        return Place(
            partition: Partition(partition),
            order: HotOrder(
                streamCreated: Timestamp(nanoseconds: created), sequence: sequence),
            symbol: symbol, source: source)
    }

    /// Where the row's record was on the tape, by its last two columns; `nil` for tables without.
    func tapePlace(_ table: HotFillTable) -> HotFillPlace? {
        guard table.kind == .ticks, columns.count > 2,
            let ordinal = integer(columns.count - 2).flatMap({ UInt64(exactly: $0) }),
            let lane = columns[columns.count - 1].flatMap({ SourceName($0) })
        else { return nil }
        return HotFillPlace(lane: lane, ordinal: ordinal)
    }

    struct Place: Hashable {
        let partition: Partition
        let order: HotOrder
        let symbol: Symbol
        let source: SourceName
    }

    /// Returns the row as a record. Throws when a number is none, or has more decimals than ours;
    /// `nil` when a name or a time is missing.
    func value(_ table: HotFillTable) throws(FixedPoint.ParseError) -> HotFillValue? {
        switch table {
        case .trades:
            .trade(
                Trade(
                    header: header, price: try price(8), size: try quantity(9), exchange: short(10))
            )
        case .quotes:
            .quote(
                Quote(
                    header: header, bidPrice: try price(8), bidSize: try quantity(9),
                    askPrice: try price(10), askSize: try quantity(11), bidExchange: short(12),
                    askExchange: short(13)))
        case .shortBars, .longBars: try bar()
        case .providerBars, .longProviderBars: try providerBar()
        case .books: tapePlace(table).map { _ in .depth(header) }
        }
    }

    private var header: TickHeader {
        TickHeader(
            symbol: 0, flags: flags(7), providerTime: time(5), receiveTime: time(6))
    }

    private func bar() throws(FixedPoint.ParseError) -> HotFillValue? {
        guard let series = columns[5].flatMap({ SeriesName($0) }), let number = integer(8),
            let trades = integer(15).flatMap({ UInt64(exactly: $0) })
        else { return nil }
        var bar = Bar(symbol: 0, series: 0, openTime: time(6), closeTime: time(7))
        bar.number = number
        bar.open = try price(9)
        bar.high = try price(10)
        bar.low = try price(11)
        bar.close = try price(12)
        bar.volume = try wide(13) ?? 0
        bar.vwap = try price(14)
        bar.trades = trades
        if columns[16] == "t" { bar.flags.insert(.partial) }
        return .bar(bar, series: series)
    }

    private func providerBar() throws(FixedPoint.ParseError) -> HotFillValue? {
        let header = TickHeader(
            symbol: 0, flags: flags(17), providerTime: time(7), receiveTime: time(5))
        let kind = byte(8).flatMap { ProviderBarKind(rawValue: $0) }
        var bar = ProviderBar(
            header: header, openTime: time(6), closeTime: time(7), kind: kind ?? .unknown)
        bar.open = try price(9)
        bar.high = try price(10)
        bar.low = try price(11)
        bar.close = try price(12)
        bar.vwap = try price(13)
        bar.volume = try wide(14) ?? ProviderBar.undefinedVolume
        bar.trades = integer(15) ?? ProviderBar.undefinedCount
        bar.flags = byte(16).map { ProviderBarFlags(rawValue: $0) } ?? []
        return .providerBar(bar)
    }

    // MARK: columns

    private func integer(_ column: Int) -> Int64? { columns[column].flatMap { Int64($0) } }

    private func byte(_ column: Int) -> UInt8? { integer(column).flatMap { UInt8(exactly: $0) } }

    /// The flags of a tick, which say whether it is delayed.
    private func flags(_ column: Int) -> TickFlags {
        TickFlags(rawValue: UInt16(truncatingIfNeeded: integer(column) ?? 0))
    }

    private func time(_ column: Int) -> Timestamp {
        integer(column).map { Timestamp(nanoseconds: $0) } ?? .undefined
    }

    private func price(_ column: Int) throws(FixedPoint.ParseError) -> Price {
        guard let text = columns[column] else { return .undefined }
        return try Price(text)
    }

    private func quantity(_ column: Int) throws(FixedPoint.ParseError) -> Quantity {
        guard let text = columns[column] else { return .undefined }
        return try Quantity(text)
    }

    /// Returns a sum of sizes; `nil` when it is NULL.
    private func wide(_ column: Int) throws(FixedPoint.ParseError) -> Int128? {
        guard let text = columns[column] else { return nil }
        return try Array(text.utf8).withRawSpan { bytes throws(FixedPoint.ParseError) in
            try FixedPoint.parseWide(bytes, decimals: Quantity.decimals)
        }
    }

    private func short(_ column: Int) -> ShortText {
        columns[column].flatMap { ShortText($0) } ?? .empty
    }
}
