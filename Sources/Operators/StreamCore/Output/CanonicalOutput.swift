public import MarketModel
internal import Primitives

// Output other than bars, as bytes that never depend on a process. `OutputLedger` chains its
// running checksum over them, so their layout may never change, as with `Bar.appendCanonicalBytes`.
// They begin with an empty text, which no bar does because no symbol is empty. The number after it
// says which kind follows: 1 for a late tick, 2 for a value.
extension LateTickRecord {
    /// Appends the content of the late tick, with names instead of indexes.
    public func appendCanonicalBytes(
        pair: SourceSymbol, series: SeriesName, to bytes: inout [UInt8]
    ) {
        bytes.append(text: "")
        bytes.append(integer: UInt16(1))
        bytes.append(text: pair.symbol.text)
        bytes.append(text: pair.source.text)
        bytes.append(text: series.text)
        bytes.append(text: source.text)
        bytes.append(integer: ordinal)
        bytes.append(integer: UInt16(reason))
        bytes.append(integer: UInt16(kind))
        header.appendCanonicalBytes(to: &bytes)
        bytes.append(integer: price.raw)
        bytes.append(integer: size.raw)
        bytes.append(integer: exchange.raw)
        bytes.append(integer: conditions.raw)
        bytes.append(integer: askPrice.raw)
        bytes.append(integer: askSize.raw)
        bytes.append(integer: openTime.nanoseconds)
        bytes.append(integer: closeTime.nanoseconds)
    }
}

extension IndicatorValue {
    /// Appends the value's bytes. `pair` is `nil` for a value that belongs to no single symbol.
    public func appendCanonicalBytes(pair: SourceSymbol?, to bytes: inout [UInt8]) {
        bytes.append(text: "")
        bytes.append(integer: UInt16(2))
        bytes.append(text: pair?.symbol.text ?? "")
        bytes.append(text: pair?.source.text ?? "")
        bytes.append(text: name)
        bytes.append(text: unit)
        header.appendCanonicalBytes(to: &bytes)
        bytes.append(integer: UInt64(truncatingIfNeeded: value))
        bytes.append(integer: UInt64(truncatingIfNeeded: value >> 64))
        bytes.append(integer: periodStart.nanoseconds)
        bytes.append(integer: periodEnd.nanoseconds)
        bytes.append(integer: revision)
    }
}

extension TickHeader {
    /// Appends everything but the symbol, which is an index.
    fileprivate func appendCanonicalBytes(to bytes: inout [UInt8]) {
        bytes.append(integer: UInt16(flags.rawValue))
        bytes.append(integer: UInt16(action))
        bytes.append(integer: UInt16(resolution))
        bytes.append(integer: providerTime.nanoseconds)
        bytes.append(integer: receiveTime.nanoseconds)
        bytes.append(integer: providerID)
    }
}
