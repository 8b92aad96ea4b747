import MarketModel
import PostgresClient
import Primitives
import TapeCodec

// What the rows of several tables have in common.
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
