import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// A gap record of the tape as a row of `gaps`: with an ordinal of its own, unlike what the books
/// note there.
extension Sink {
    /// Who the rows of the tape's gaps and the books are signed by.
    public static let owner = "store"

    static let gaps = Sink(
        .gaps, templates: [WireFormat.Template.gapRecord], copy: GapRow.copy, write: GapRow.write)
}

private enum GapRow {
    static let copy = """
        COPY gaps (sink, input, partition, source, reason, detail, symbol, kind, from_time, \
        from_time_ns, to_time, to_time_ns, state, lost_first_ordinal, lost_last_ordinal, \
        receive_time, epoch, ordinal) FROM STDIN (FORMAT binary)
        """
    private static let columns: Int16 = 18

    @Sendable static func write(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout BinaryCopyWriter
    ) throws(PostgresError) -> Bool {
        guard case .other(let message) = record, let record = message.gapRecord(in: packet)
        else { return false }
        // Of all symbols, or of one that the packet defines.
        let symbol = context.symbol(record.header.symbol)?.symbol
        guard symbol != nil || record.header.symbol == TickHeader.noSymbol else { return false }
        try row.row(columns: columns)
        row.text(Sink.owner)
        row.text("ticks")
        row.int32(Int32(context.header.partition.number))
        row.text(context.header.source.text)
        row.text(name(GapReason.self, record.reason))
        row.text(record.detail)
        if let symbol { row.text(symbol.text) } else { row.null() }
        row.text(name(DataKind.self, record.kind))
        row.time(record.from)
        row.time(record.to)
        row.text(name(GapState.self, record.state))
        row.ordinal(record.firstOrdinal)
        row.ordinal(record.lastOrdinal)
        record.header.receiveTime.isDefined
            ? row.timestamptz(record.header.receiveTime) : row.null()
        row.int64(Int64(bitPattern: context.header.epoch))
        row.int64(Int64(bitPattern: ordinal))
        return true
    }

    /// `gatewayLost` is gateway_lost; a value that this version does not know is its number.
    private static func name<Kind: RawRepresentable>(
        _ type: Kind.Type, _ raw: UInt8
    ) -> String where Kind.RawValue == UInt8 {
        guard let kind = Kind(rawValue: raw) else { return String(raw) }
        return "\(kind)".reduce(into: "") { text, character in
            if character.isUppercase { text.append("_") }
            text.append(contentsOf: character.lowercased())
        }
    }
}

extension BinaryCopyWriter {
    /// Rounded down, and exact beside it.
    fileprivate mutating func time(_ time: Timestamp) {
        guard time.isDefined else {
            null()
            null()
            return
        }
        timestamptz(time)
        int64(time.nanoseconds)
    }

    /// 0 is none.
    fileprivate mutating func ordinal(_ ordinal: UInt64) {
        ordinal == 0 ? null() : int64(Int64(bitPattern: ordinal))
    }
}
