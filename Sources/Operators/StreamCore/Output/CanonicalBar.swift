public import MarketModel
internal import Primitives

extension Bar {
    /// The length in bytes without the three names.
    static let canonicalFixedBytes = 134

    /// Appends the content of this bar as bytes that never depend on a process: names instead of
    /// indexes, every field, little endian. Send time, epoch and packet borders are not in them.
    ///
    /// The running checksum of a partition's output is chained over these bytes and is stored on
    /// the tape. So their layout may never change.
    public func appendCanonicalBytes(
        pair: SourceSymbol, series: SeriesName, to bytes: inout [UInt8]
    ) {
        bytes.append(text: pair.symbol.text)
        bytes.append(text: pair.source.text)
        bytes.append(text: series.text)
        bytes.append(integer: UInt16(flags.rawValue))
        bytes.append(integer: UInt16(reason))
        bytes.append(integer: generation)
        bytes.append(integer: openTime.nanoseconds)
        bytes.append(integer: closeTime.nanoseconds)
        bytes.append(integer: number)
        bytes.append(integer: open.raw)
        bytes.append(integer: high.raw)
        bytes.append(integer: low.raw)
        bytes.append(integer: close.raw)
        bytes.append(integer: vwap.raw)
        bytes.append(integer: trades)
        bytes.append(integer: excluded.condition)
        bytes.append(integer: excluded.oddLot)
        bytes.append(integer: excluded.filter)
        bytes.append(integer: excluded.undefined)
        bytes.append(integer: UInt64(truncatingIfNeeded: volume))
        bytes.append(integer: UInt64(truncatingIfNeeded: volume >> 64))
        bytes.append(integer: UInt64(truncatingIfNeeded: notional))
        bytes.append(integer: UInt64(truncatingIfNeeded: notional >> 64))
    }
}
