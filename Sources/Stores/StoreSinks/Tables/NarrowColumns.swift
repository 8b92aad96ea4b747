import MarketModel
import Primitives
import TapeCodec

// The columns of trade_rows and quote_rows, the two tables with by far the most rows. No value is
// NULL but prices and sizes that are undefined, so nearly all rows have no bitmap of NULLs.
extension RowWriter where Self: ~Copyable {
    /// Writes the columns of `Sink.narrowHead`.
    @inline(__always)
    mutating func narrowHead(
        _ header: TickHeader, _ symbol: PacketContext.Definition,
        _ context: borrowing PacketContext
    ) {
        let time = header.eventTime
        timestamptz(time.storable)
        rest(time)
        timestamptz(header.receiveTime.storable)
        rest(header.receiveTime)
        if let place = symbol.symbol { shared(place, of: context.fields) } else { null() }
    }

    /// Writes the columns of `Sink.narrowTail`.
    @inline(__always)
    mutating func narrowTail(
        _ header: TickHeader, _ symbol: PacketContext.Definition,
        _ context: borrowing PacketContext, ordinal: UInt64
    ) {
        int16(Int16(bitPattern: header.flags.rawValue))
        // The provider's time is `ts`, or there is none: then the number is below zero.
        let resolution = Int16(header.resolution)
        int16(header.providerTime.isDefined ? resolution : -1 - resolution)
        shared(symbol.provider, of: context.fields)
        shared(symbol.isByHand ? symbol.source : context.nobody.source, of: context.fields)
        unsigned(header.providerID)
        narrowOrigin(of: context)
        int64(Int64(bitPattern: ordinal))
    }

    /// Writes the nanoseconds of a time after its microseconds; -1 when it is undefined.
    @inline(__always)
    private mutating func rest(_ time: Timestamp) {
        guard time.isDefined else { return int16(-1) }
        let rest = Int16(truncatingIfNeeded: time.nanoseconds % 1_000)
        int16(rest < 0 ? rest + 1_000 : rest)
    }
}

extension Sink {
    /// The names of the columns that `RowWriter.narrowHead` writes.
    static let narrowHead = "ts, ts_rest_ns, receive_time, receive_rest_ns, symbol"

    /// The names of the columns that `RowWriter.narrowTail` writes.
    static let narrowTail = """
        flags, time_resolution, provider, of_source, provider_id, source, partition, epoch, ordinal
        """
}
