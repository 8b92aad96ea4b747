public import MarketModel
public import Primitives

extension Bar.Excluded {
    /// Counts one tick under a reason. The count stops at the end of its range, because no number
    /// of ticks may trap the process.
    mutating func count(_ reason: ExclusionReason) {
        switch reason {
        case .condition: condition = condition == .max ? .max : condition + 1
        case .oddLot: oddLot = oddLot == .max ? .max : oddLot + 1
        case .filter: filter = filter == .max ? .max : filter + 1
        case .undefined: undefined = undefined == .max ? .max : undefined + 1
        }
    }
}

extension TradeEffect {
    /// Whether a tick with this effect sets a price of its bar. A tick that sets none is not
    /// counted in `trades`, and adds volume at most.
    var setsPrice: Bool { !isDisjoint(with: [.last, .range]) }
}

extension BarRule {
    /// Returns what a trade may change, and the reason under which it is counted when it sets no
    /// price. Its symbol is an index into `symbols`.
    func effect(
        of trade: Trade, _ symbols: SymbolTable
    ) -> (effect: TradeEffect, exclusion: ExclusionReason) {
        let allowed = conditions?.effect(of: trade.conditions) ?? .all
        switch oddLots {
        case .volumeOnly(let below) where below.isAbove(trade, symbols):
            return (allowed.intersection(.volume), .oddLot)
        case .exclude(let below) where below.isAbove(trade, symbols): return ([], .oddLot)
        case .count, .volumeOnly, .exclude: return (allowed, .condition)
        }
    }

    /// The size in 1e-8 from which on a trade skips the rule for odd lots; 0 when there is no such
    /// rule, `nil` when it is the largest lot of all symbols.
    var roundLot: Int64? {
        guard field == .trade else { return 0 }
        switch oddLots {
        case .count: return 0
        case .volumeOnly(.size(let below)), .exclude(.size(let below)): return max(0, below.raw)
        case .volumeOnly(.lot), .exclude(.lot): return nil
        }
    }
}

extension OddLotLimit {
    /// Returns whether a trade is an odd lot. Its symbol is an index into `symbols`.
    public func isAbove(_ trade: Trade, _ symbols: SymbolTable) -> Bool {
        switch self {
        case .size(let size): trade.size < size
        case .lot: trade.size < symbols.lot(of: trade.header.symbol, at: trade.header.eventTime)
        }
    }
}

extension Trade {
    /// Whether it is a new, live trade with a price, a size and a time. Nearly all trades are, so
    /// the hot path needs no other test of them.
    @inlinable @inline(__always)
    var isPlain: Bool {
        UInt16(header.action) | header.flags.rawValue & Self.unusualFlags == 0 && isComplete
    }

    /// The flags `.snapshot` and `.backfilled` as a number: the constants of the other module would
    /// be read by a call, for every trade.
    @inlinable @inline(__always)
    static var unusualFlags: UInt16 { 1 << 0 | 1 << 2 }

    /// Whether it has a price, a size (a negative one is treated as none) and a usable time.
    @inlinable @inline(__always)
    var isComplete: Bool {
        price.isDefined && UInt64(bitPattern: size.raw) < UInt64(Int64.max)
            && header.eventTime.isUsable
    }
}

extension TickHeader {
    /// Whether the tick is new: no correction, no cancel, no state at the start of a subscription.
    var isNew: Bool { action == TradeAction.new.rawValue && !flags.contains(.snapshot) }
}

extension Quote {
    /// Returns the number that a rule takes of the quote, as the price of a trade with the size 0.
    @inlinable @inline(__always)
    func trade(of field: InputField) -> Trade {
        Trade(header: header, price: price(of: field), size: Quantity(raw: 0))
    }

    /// Returns the number of the quote that a rule uses as its price; undefined when the quote
    /// lacks the bid or ask that it needs, and for `.trade`. A book comes as a quote
    /// (`BookTick.quote`).
    @inlinable @inline(__always)
    public func price(of field: InputField) -> Price {
        switch field {
        case .bid: return bidPrice
        case .ask: return askPrice
        case .trade: return .undefined
        case .microprice: return microprice
        case .imbalance: return imbalance
        case .middle, .bookMiddle:
            guard bidPrice.isDefined, askPrice.isDefined else { return .undefined }
            // Half of the sum, rounded down, computed without the sum, which could overflow.
            return Price(
                raw: (bidPrice.raw & askPrice.raw) &+ ((bidPrice.raw ^ askPrice.raw) >> 1))
        case .spread:
            guard bidPrice.isDefined, askPrice.isDefined else { return .undefined }
            let (spread, overflow) = askPrice.raw.subtractingReportingOverflow(bidPrice.raw)
            return overflow ? .undefined : Price(raw: spread)
        }
    }
}

extension Timestamp {
    /// Whether the time is one of those for which there are windows.
    @inlinable @inline(__always)
    var isUsable: Bool {
        let limit = StreamLimits.eventTimeNanosecondsMax
        return nanoseconds >= -limit && nanoseconds < limit
    }
}
