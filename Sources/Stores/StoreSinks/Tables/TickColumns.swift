import MarketModel
package import Primitives
import TapeCodec

// The columns that several tables have in common, and how a value of the tape becomes one.
extension RowWriter where Self: ~Copyable {
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

    /// Writes a ratio; NULL when it is undefined.
    mutating func ratio(_ ratio: Ratio) {
        ratio.isDefined ? decimal(ratio.raw, scale: Ratio.decimals) : null()
    }

    /// Writes a text of at most eight characters.
    @inline(__always)
    mutating func shortText(_ text: ShortText) { packedText(text.raw) }

    /// Writes `ts`, `event_time_ns`, `symbol`, with which most tables begin. `ts` has microseconds,
    /// and must not be NULL, because the table is divided into days by it.
    @inline(__always)
    mutating func tickHead(
        _ time: Timestamp, _ symbol: PacketContext.Definition, _ context: borrowing PacketContext
    ) {
        timestamptz(time.storable)
        int64(time.nanoseconds)
        if let place = symbol.symbol { shared(place, of: context.fields) } else { null() }
    }

    /// Writes the columns of `Sink.tail`, with which most tables end.
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
        origin(of: context)
        int64(Int64(bitPattern: ordinal))
    }

    /// Writes two columns: a time rounded down to microseconds, and its exact nanoseconds. Both are
    /// NULL when it is undefined.
    mutating func exactTime(_ time: Timestamp) {
        guard time.isDefined else {
            null()
            null()
            return
        }
        timestamptz(time)
        int64(time.nanoseconds)
    }

    /// Writes a text; NULL when it is empty.
    mutating func optionalText(_ text: String) { text.isEmpty ? null() : self.text(text) }
}

extension Sink {
    /// The names of the columns that `tickTail` writes.
    static let tail = """
        flags, provider, provider_id, provider_time, time_resolution, receive_time, \
        receive_time_ns, source, partition, epoch, ordinal
        """

    /// Returns the statement that copies rows into a table. `columns` are in the order of the
    /// values.
    static func copy(_ table: String, _ columns: String) -> String {
        "COPY \(table) (\(columns)) FROM STDIN (FORMAT binary)"
    }
}

extension Sink {
    /// Returns the event time of a record: the provider's time, or the receive time when it gave
    /// none. It is the `Sink.Time` of most tables.
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

    /// Returns `nil`: the table is not divided by time.
    @Sendable static func untimed(
        _: Record, _: borrowing PacketContext, _: RawSpan
    ) -> Timestamp? { nil }
}

extension Timestamp {
    /// The time itself, or the beginning of 1970 when it is undefined, for columns that must not be
    /// NULL.
    @inline(__always)
    package var storable: Timestamp { isDefined ? self : Timestamp(nanoseconds: 0) }
}
