import MarketModel
import PostgresClient
public import Primitives
import TapeCodec

// What the rows of several tables have in common.
extension BinaryCopyWriter {
    @inline(__always)
    mutating func price(_ price: Price) {
        price.isDefined ? decimal(price.raw, scale: Price.decimals) : null()
    }

    @inline(__always)
    mutating func quantity(_ quantity: Quantity) {
        quantity.isDefined ? decimal(quantity.raw, scale: Quantity.decimals) : null()
    }

    mutating func ratio(_ ratio: Ratio) {
        ratio.isDefined ? decimal(ratio.raw, scale: Ratio.decimals) : null()
    }

    @inline(__always)
    mutating func shortText(_ text: ShortText) { packedText(text.raw) }

    /// `ts`, `event_time_ns`, `symbol`, which all tick tables begin with.
    @inline(__always)
    mutating func tickHead(
        _ time: Timestamp, _ symbol: PacketContext.Definition, _ context: borrowing PacketContext
    ) {
        timestamptz(time.storable)
        int64(time.nanoseconds)
        if let place = symbol.symbol { shared(place, of: context.fields) } else { null() }
    }

    /// `flags` and everything behind it, which all tick tables end with.
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

    /// Rounded down, and exact beside it.
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

    static func copy(_ table: String, _ columns: String) -> String {
        "COPY \(table) (\(columns)) FROM STDIN (FORMAT binary)"
    }
}

extension Sink {
    /// Of nearly all ticks: when the provider says that it happened, else when it was received.
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
    /// Where a tick without a usable time stands in tables that are cut by time.
    @inline(__always)
    public var storable: Timestamp { isDefined ? self : Timestamp(nanoseconds: 0) }
}
