import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// A gap record of the tape as a row of `gaps`: with an ordinal of its own, unlike what the books
/// note there.
enum GapTable {
    static let copy = """
        COPY gaps (sink, input, partition, source, reason, detail, symbol, kind, from_time, \
        from_time_ns, to_time, to_time_ns, state, lost_first_ordinal, lost_last_ordinal, \
        receive_time, epoch, ordinal) FROM STDIN (FORMAT binary)
        """
    private static let columns: Int16 = 18

    /// One that waits for the COPY of its table.
    struct Row {
        let record: GapRecord
        /// Nil: of all symbols.
        let symbol: Symbol?
        let packet: PacketHeader
        let ordinal: UInt64
    }

    static func write(
        _ gap: Row, to row: inout BinaryCopyWriter
    ) throws(PostgresError) {
        let record = gap.record
        try row.row(columns: columns)
        row.text(WriterSettings.sink)
        row.text(SinkInput.ticks.rawValue)
        row.int32(Int32(gap.packet.partition.number))
        row.text(gap.packet.source.text)
        row.text(name(GapReason.self, record.reason))
        row.text(record.detail)
        if let symbol = gap.symbol { row.text(symbol.text) } else { row.null() }
        row.text(name(DataKind.self, record.kind))
        row.time(record.from)
        row.time(record.to)
        row.text(name(GapState.self, record.state))
        row.ordinal(record.firstOrdinal)
        row.ordinal(record.lastOrdinal)
        record.header.receiveTime.isDefined
            ? row.timestamptz(record.header.receiveTime) : row.null()
        row.int64(Int64(bitPattern: gap.packet.epoch))
        row.int64(Int64(bitPattern: gap.ordinal))
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

extension PacketContext {
    /// Nil: the message is no gap record, or nobody can say of which symbol.
    func gap(
        _ message: MessageBounds, in packet: RawSpan, ordinal: UInt64
    ) -> GapTable.Row? {
        guard let record = message.gapRecord(in: packet) else { return nil }
        let symbol = symbol(record.header.symbol)?.symbol
        guard symbol != nil || record.header.symbol == TickHeader.noSymbol else { return nil }
        return GapTable.Row(record: record, symbol: symbol, packet: header, ordinal: ordinal)
    }
}
