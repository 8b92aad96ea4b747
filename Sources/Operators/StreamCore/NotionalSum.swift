internal import MarketModel

/// A sum of prices times sizes, kept in two numbers of whoever adds up: `sum` wraps, and `carry`
/// says how often and in which direction, so that the sum is exact in any order of additions. Two
/// numbers and no struct of both, so that a window stays within two cache lines.
@usableFromInline
enum NotionalSum {
    @inlinable @inline(__always)
    static func add(_ addend: Int128, to sum: inout Int128, carry: inout Int32) {
        let (next, overflow) = sum.addingReportingOverflow(addend)
        sum = next
        if overflow { carry &+= addend < 0 ? -1 : 1 }
    }

    /// Of one trade: no two 64-bit numbers leave 128 bits.
    @inlinable @inline(__always)
    static func product(_ price: Int64, _ size: Int64) -> Int128 {
        let product = price.multipliedFullWidth(by: size)
        return Int128(_low: product.low, _high: product.high)
    }
}

extension Bar {
    /// What was traded. A notional that left the range of 128 bits is held at the range's end, and
    /// gives no VWAP.
    mutating func setTraded(volume: Int128, notional: Int128, carry: Int32) {
        self.volume = volume
        self.notional = carry == 0 ? notional : carry < 0 ? Int128.min : Int128.max
        vwap = carry == 0 ? .vwap(notional: notional, volume: volume) : .undefined
    }
}
