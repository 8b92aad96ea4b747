import MarketModel
import PostgresClient
package import Primitives
import TapeCodec

// The columns that several tables have in common.
extension BinaryCopyWriter {
    /// Writes a price; NULL when it is undefined.
    @inline(__always)
    mutating func price(_ price: Price) {
        price.isDefined ? decimal(price.raw, scale: Price.decimals) : null()
    }

    /// Writes a quantity; NULL when it is undefined.
    @inline(__always)
    mutating func quantity(_ quantity: Quantity) {
        quantity.isDefined ? decimal(quantity.raw, scale: Quantity.decimals) : null()
    }

    mutating func ratio(_ ratio: Ratio) {
        ratio.isDefined ? decimal(ratio.raw, scale: Ratio.decimals) : null()
    }

    @inline(__always)
    mutating func shortText(_ text: ShortText) { packedText(text.raw) }

    /// Writes `ts`, `event_time_ns`, `symbol`, with which all tick tables begin.
    @inline(__always)
    mutating func tickHead(
        _ time: Timestamp, _ symbol: PacketContext.Definition, _ context: borrowing PacketContext
    ) {
        timestamptz(time.storable)
        int64(time.nanoseconds)
        if let place = symbol.symbol { shared(place, of: context.fields) } else { null() }
    }

    /// Writes `flags` and all later columns, with which all tick tables end.
    @inline(__always)
    mutating func tickTail(
        _ header: TickHeader, _ symbol: PacketContext.Definition,
        _ context: borrowing PacketContext, ordinal: UInt64
    ) {
        int32(Int32(header.flags.rawValue))
        shared(symbol.provider, of: context.fields)
        header.providerID == 0 ? null() : unsigned(header.providerID)
        timestamptz(header.providerTime)
        int16(Int16(header.resolution))
        timestamptz(header.receiveTime.storable)
        int64(header.receiveTime.nanoseconds)
        shared(context.origin, of: context.fields)
        int64(Int64(bitPattern: ordinal))
    }

    /// Writes a time rounded down to microseconds, and then its exact nanoseconds.
    mutating func exactTime(_ time: Timestamp) {
        guard time.isDefined else {
            null()
            null()
            return
        }
        timestamptz(time)
        int64(time.nanoseconds)
    }

    mutating func optionalText(_ text: String) { text.isEmpty ? null() : self.text(text) }
}

extension Sink {
    /// The columns of `tickTail`.
    static let tail = """
        flags, provider, provider_id, provider_time, time_resolution, receive_time, \
        receive_time_ns, source, partition, epoch, ordinal
        """

    /// Returns the statement that copies rows into a table.
    static func copy(_ table: String, _ columns: String) -> String {
        "COPY \(table) (\(columns)) FROM STDIN (FORMAT binary)"
    }
}

extension Sink {
    /// Returns the time of nearly all ticks: the provider's, or the receive time when it gave none.
    @Sendable static func eventTime(
        _ record: Record, _: borrowing PacketContext, _ packet: RawSpan
    ) -> Timestamp? {
        switch record {
        case .trade(let trade): trade.header.eventTime
        case .quote(let quote): quote.header.eventTime
        case .other(let message): message.tickHeader(in: packet)?.eventTime
        case .bar, .malformed: nil
        }
    }
}

extension Timestamp {
    /// The time itself, or 1970 when it is undefined, for tables that are partitioned by time.
    @inline(__always)
    package var storable: Timestamp { isDefined ? self : Timestamp(nanoseconds: 0) }
}
