internal import MarketModel

/// Adds prices times sizes into two numbers of the caller. `sum` wraps around, and `carry` counts
/// how often and in which direction, so that the sum is exact in any order of additions. The two
/// are not fields of one struct, because padding would push a window beyond two cache lines.
@usableFromInline
enum NotionalSum {
    /// Adds to the sum, and counts an overflow.
    @inlinable @inline(__always)
    static func add(_ addend: Int128, to sum: inout Int128, carry: inout Int32) {
        let (next, overflow) = sum.addingReportingOverflow(addend)
        sum = next
        if overflow { carry = carried(carry, addend) }
    }

    /// Counts an overflow. It is so rare that it is a call of its own.
    @usableFromInline @inline(never)
    static func carried(_ carry: Int32, _ addend: Int128) -> Int32 {
        carry &+ (addend < 0 ? -1 : 1)
    }

    /// Returns price times size of one trade, which always fits 128 bits.
    @inlinable @inline(__always)
    static func product(_ price: Int64, _ size: Int64) -> Int128 {
        let product = price.multipliedFullWidth(by: size)
        return Int128(_low: product.low, _high: product.high)
    }
}

extension Bar {
    /// Sets volume and notional. A notional that left the range of 128 bits is set to the end of
    /// the range, and the bar has no VWAP.
    mutating func setTraded(volume: Int128, notional: Int128, carry: Int32) {
        self.volume = volume
        self.notional = carry == 0 ? notional : carry < 0 ? Int128.min : Int128.max
        vwap = carry == 0 ? .vwap(notional: notional, volume: volume) : .undefined
    }
}
