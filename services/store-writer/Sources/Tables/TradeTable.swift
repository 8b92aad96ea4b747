import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// A trade of the tape as a row of `trades`.
enum TradeTable {
    static let copy = """
        COPY trades (ts, event_time_ns, symbol, price, size, exchange, conditions, action, flags, \
        provider, provider_id, provider_time, time_resolution, receive_time, receive_time_ns, \
        source, partition, epoch, ordinal) FROM STDIN (FORMAT binary)
        """
    private static let columns: Int16 = 19

    static func write(
        _ trade: Trade, _ symbol: SymbolDefinition, _ packet: PacketHeader, ordinal: UInt64,
        to row: inout BinaryCopyWriter
    ) throws(PostgresError) {
        let header = trade.header
        try row.row(columns: columns)
        row.timestamptz(header.eventTime.storable)
        row.int64(header.eventTime.nanoseconds)
        row.text(symbol.symbol.text)
        row.price(trade.price)
        row.quantity(trade.size)
        row.text(trade.exchange.text)
        row.text(trade.conditions.text)
        row.int16(Int16(header.action))
        row.tickTail(header, symbol, packet, ordinal: ordinal)
    }
}

extension BinaryCopyWriter {
    mutating func price(_ price: Price) {
        price.isDefined ? numeric(Int128(price.raw), scale: Price.decimals) : null()
    }

    mutating func quantity(_ quantity: Quantity) {
        quantity.isDefined ? numeric(Int128(quantity.raw), scale: Quantity.decimals) : null()
    }

    /// `flags` and everything behind it, which all tick tables end with.
    mutating func tickTail(
        _ header: TickHeader, _ symbol: SymbolDefinition, _ packet: PacketHeader, ordinal: UInt64
    ) {
        int32(Int32(header.flags.rawValue))
        text(symbol.provider)
        header.providerID == 0 ? null() : numeric(Int128(header.providerID), scale: 0)
        header.providerTime.isDefined ? timestamptz(header.providerTime) : null()
        int16(Int16(header.resolution))
        timestamptz(header.receiveTime.storable)
        int64(header.receiveTime.nanoseconds)
        text(packet.source.text)
        int32(Int32(packet.partition.number))
        int64(Int64(bitPattern: packet.epoch))
        int64(Int64(bitPattern: ordinal))
    }
}
