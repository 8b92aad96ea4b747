internal import MarketModel
internal import Primitives

extension WindowState {
    /// Reads a block of `encodedBytes`. Nil: its reserved bytes are used, or it has flags that no
    /// open window has. What it says is checked by `isPossible`.
    init?(_ block: RawSpan, widths: [Int64]) {
        let series = Int(block.uint16(at: 4))
        let flags = BarFlags(rawValue: block.uint8(at: 6))
        let start = block.int64(at: 8)
        guard series < widths.count, block.uint8(at: 7) == 0, block.uint32(at: 148) == 0,
            flags.isSubset(of: [.partial, .mixedProviders]),
            Timestamp(nanoseconds: start).isUsable, start % widths[series] == 0
        else { return nil }
        self.init(
            start: start, end: start + widths[series], symbol: Int(block.uint32(at: 0)),
            series: series)
        self.flags = flags
        trades = block.uint64(at: 16)
        openTime = block.int64(at: 24)
        closeTime = block.int64(at: 32)
        openOrdinal = block.uint64(at: 40)
        closeOrdinal = block.uint64(at: 48)
        openFeed = SymbolTable.Feed(raw: block.uint32(at: 56))
        closeFeed = SymbolTable.Feed(raw: block.uint32(at: 60))
        open = block.int64(at: 64)
        high = block.int64(at: 72)
        low = block.int64(at: 80)
        close = block.int64(at: 88)
        volume = block.int128(at: 96)
        notional = block.int128(at: 112)
        notionalCarry = Int32(truncatingIfNeeded: block.uint32(at: 128))
        excluded = Bar.Excluded(
            condition: block.uint32(at: 132), oddLot: block.uint32(at: 136),
            filter: block.uint32(at: 140), undefined: block.uint32(at: 144))
    }

    /// True when trades can have made it: its feeds are known, its times are its own.
    func isPossible(_ table: SymbolTable, sourceCount: Int) -> Bool {
        guard trades > 0 else { return isUntouched }
        return trades < CheckpointLimits.countMax && volume >= 0
            && holds(openTime) && holds(closeTime) && openTime <= closeTime
            && low <= min(open, close) && high >= max(open, close)
            && table.isKnown(openFeed, sourceCount: sourceCount)
            && table.isKnown(closeFeed, sourceCount: sourceCount)
    }

    /// Opened for an excluded trade or the start of a subscription, and without any other so far.
    private var isUntouched: Bool {
        let new = WindowState(start: start, end: end, symbol: Int(symbol), series: Int(series))
        return !flags.contains(.mixedProviders) && volume == 0 && notional == 0
            && notionalCarry == 0 && openTime == new.openTime && closeTime == new.closeTime
            && openOrdinal == new.openOrdinal && closeOrdinal == new.closeOrdinal
            && openFeed == new.openFeed && closeFeed == new.closeFeed && open == new.open
            && high == new.high && low == new.low && close == new.close
    }
}

extension LateTick {
    /// Reads a block of `encodedBytes`; nil when no machine can have listed it.
    init?(_ block: RawSpan, widths: [Int64], sourceCount: Int, symbolCount: Int) {
        let header = TickHeader(
            symbol: block.uint32(at: 16), flags: TickFlags(rawValue: block.uint16(at: 20)),
            action: block.uint8(at: 22), resolution: block.uint8(at: 23),
            providerTime: Timestamp(nanoseconds: block.int64(at: 24)),
            receiveTime: Timestamp(nanoseconds: block.int64(at: 32)),
            providerID: block.uint64(at: 40))
        let series = block.uint16(at: 12)
        guard Int(series) < widths.count, Int(block.uint32(at: 8)) < sourceCount,
            Int(header.symbol) < symbolCount, header.eventTime.isUsable,
            let rawReason = UInt8(exactly: block.uint16(at: 14)),
            let reason = Reason(rawValue: rawReason)
        else { return nil }
        let width = widths[Int(series)]
        let openTime = header.eventTime.floored(toNanoseconds: width)
        self.init(
            Trade(
                header: header, price: Price(raw: block.int64(at: 48)),
                size: Quantity(raw: block.int64(at: 56)),
                exchange: ShortText(raw: block.uint64(at: 64)),
                conditions: ShortText(raw: block.uint64(at: 72))),
            source: Int(block.uint32(at: 8)), ordinal: block.uint64(at: 0), series: series,
            openTime: openTime, closeTime: openTime.advanced(byNanoseconds: width),
            reason: reason)
    }
}
