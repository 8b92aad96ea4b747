public import MarketModel
public import Primitives

extension Bar.Excluded {
    /// Held at the end of its range: a count from outside must not trap.
    mutating func count(isNew: Bool) {
        if isNew {
            undefined = undefined == .max ? .max : undefined + 1
        } else {
            filter = filter == .max ? .max : filter + 1
        }
    }
}

extension Trade {
    /// A new trade with a price, a size and a time: nearly all are, so it is decided at once.
    @inlinable @inline(__always)
    var isPlain: Bool {
        UInt16(header.action) | header.flags.rawValue & Self.unusualFlags == 0
            && price.isDefined && UInt64(bitPattern: size.raw) < UInt64(Int64.max)
            && header.eventTime.isUsable
    }

    /// `.snapshot` and `.backfilled` as a number: the accessors of another module's constants are
    /// calls, and this is asked for every trade.
    @inlinable @inline(__always)
    static var unusualFlags: UInt16 { 1 << 0 | 1 << 2 }

    var isNew: Bool {
        header.action == TradeAction.new.rawValue && !header.flags.contains(.snapshot)
    }
}

extension Timestamp {
    /// Within the times for which there are windows.
    @inlinable @inline(__always)
    var isUsable: Bool {
        let limit = StreamLimits.eventTimeNanosecondsMax
        return nanoseconds >= -limit && nanoseconds < limit
    }
}
