public import MarketModel
public import Primitives

// Writes the hot records into their blocks. `RecordCursor.swift` reads the same offsets. `body` is
// the offset of the block. Symbols and series are the packet's indexes here, not the builder's
// numbers.

extension UnsafeMutableRawBufferPointer {
    /// Writes the 32 bytes that all ticks but the bar begin with. The first word is index, flags,
    /// action and resolution.
    @inlinable @inline(__always)
    func put(_ header: TickHeader, index: UInt32, at body: Int) {
        let word =
            UInt64(index) | UInt64(header.flags.rawValue) << 32 | UInt64(header.action) << 48
            | UInt64(header.resolution) << 56
        unsafe put(word, at: body)
        unsafe put(header.providerTime.nanoseconds, at: body + 8)
        unsafe put(header.receiveTime.nanoseconds, at: body + 16)
        unsafe put(header.providerID, at: body + 24)
    }

    /// Writes the block of a bar.
    func put(_ bar: Bar, at body: Int) {
        unsafe put(bar.symbol, at: body)
        unsafe put(bar.series, at: body + 4)
        unsafe put(bar.flags.rawValue, at: body + 6)
        unsafe put(bar.reason, at: body + 7)
        unsafe put(bar.openTime.nanoseconds, at: body + 8)
        unsafe put(bar.closeTime.nanoseconds, at: body + 16)
        unsafe put(bar.number, at: body + 24)
        unsafe put(bar.open.raw, at: body + 32)
        unsafe put(bar.high.raw, at: body + 40)
        unsafe put(bar.low.raw, at: body + 48)
        unsafe put(bar.close.raw, at: body + 56)
        unsafe put(bar.vwap.raw, at: body + 64)
        unsafe put(bar.trades, at: body + 72)
        unsafe put(bar.excluded.condition, at: body + 80)
        unsafe put(bar.excluded.oddLot, at: body + 84)
        unsafe put(bar.excluded.filter, at: body + 88)
        unsafe put(bar.excluded.undefined, at: body + 92)
        unsafe put(bar.volume, at: body + 96)
        unsafe put(bar.notional, at: body + 112)
        unsafe put(UInt64(bar.generation), at: body + 128)
    }
}
