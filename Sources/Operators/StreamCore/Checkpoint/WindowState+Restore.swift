internal import MarketModel
internal import Primitives

extension WindowState {
    /// Reads a block of `encodedBytes`, as `encode` wrote it. Returns `nil` when its reserved bytes
    /// are used, when the series has no window with this start, or when it has unknown flags.
    /// `isPossible` checks the rest.
    init?(_ block: RawSpan, shapes: [WindowShape]) {
        let series = Int(block.uint16(at: 4))
        let flags = BarFlags(rawValue: block.uint8(at: 6))
        let phase = WindowPhase(rawValue: block.uint8(at: 7))
        guard series < shapes.count, block.uint32(at: 148) == 0,
            flags.isSubset(of: [.partial, .mixedProviders]), phase.isSubset(of: .all),
            phase.contains(.closed) || phase.isDisjoint(with: [.published, .touched]),
            let bounds = shapes[series].window(startingAt: block.int64(at: 8))
        else { return nil }
        self.init(bounds, symbol: Int(block.uint32(at: 0)), series: series)
        self.flags = flags
        self.phase = phase
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
        excluded = Bar.Excluded(block, at: 132)
    }

    /// Returns whether ticks can have made the window: its symbol and feeds are known, and its
    /// times lie in it. `isPlain` is that of the machine's `BarRule`: there every tick in the
    /// window set a price and the volume.
    func isPossible(_ tables: PartitionTables, isPlain: Bool) -> Bool {
        guard Int(symbol) < tables.symbols.count, !isPlain || !phase.contains(.rangeOnly) else {
            return false
        }
        guard trades > 0 else {
            return isWithoutPrice && volume >= 0 && !phase.contains(.rangeOnly)
                && (isPlain
                    ? volume == 0 && notional == 0 && closeFeed == .none
                    : closeFeed == .none || tables.isKnown(closeFeed))
        }
        return trades < CheckpointLimits.countMax && volume >= 0
            && holds(openTime) && holds(closeTime) && openTime <= closeTime
            && (!isPlain || low <= min(open, close) && high >= max(open, close))
            && tables.isKnown(openFeed) && tables.isKnown(closeFeed)
    }

    /// Whether the window has no price yet: an excluded tick, a tick that adds only volume, or the
    /// start of a subscription opened it.
    private var isWithoutPrice: Bool {
        let new = WindowState(bounds, symbol: Int(symbol), series: Int(series))
        return (!flags.contains(.mixedProviders) || closeFeed != .none)
            && openTime == new.openTime && closeTime == new.closeTime
            && openOrdinal == new.openOrdinal && closeOrdinal == new.closeOrdinal
            && openFeed == new.openFeed && open == new.open
            && high == new.high && low == new.low && close == new.close
    }
}

extension LateTick {
    /// Reads a block of `encodedBytes`; returns `nil` when no machine can have listed it.
    init?(_ block: RawSpan, shapes: [WindowShape], _ tables: PartitionTables) {
        let series = Int(block.uint16(at: 12))
        guard series < shapes.count,
            let bounds = shapes[series].window(startingAt: block.int64(at: 96))
        else { return nil }
        self.init(block, tables, seriesCount: shapes.count, closeTime: bounds.end)
    }

    /// Reads all but the window's end.
    init?(_ block: RawSpan, _ tables: PartitionTables, seriesCount: Int, closeTime: Int64) {
        let header = TickHeader(
            symbol: block.uint32(at: 16), flags: TickFlags(rawValue: block.uint16(at: 20)),
            action: block.uint8(at: 22), resolution: block.uint8(at: 23),
            providerTime: Timestamp(nanoseconds: block.int64(at: 24)),
            receiveTime: Timestamp(nanoseconds: block.int64(at: 32)),
            providerID: block.uint64(at: 40))
        let source = Int(block.uint32(at: 8))
        let series = block.uint16(at: 12)
        guard source < tables.sources.entries.count, Int(series) < seriesCount,
            Int(header.symbol) < tables.symbols.count, header.eventTime.isUsable,
            let reason = Reason(rawValue: block.uint8(at: 14)),
            let kind = DataKind(rawValue: block.uint8(at: 15)), kind == .trade || kind == .quote
        else { return nil }
        self.init(
            Trade(
                header: header, price: Price(raw: block.int64(at: 48)),
                size: Quantity(raw: block.int64(at: 56)),
                exchange: ShortText(raw: block.uint64(at: 64)),
                conditions: ShortText(raw: block.uint64(at: 72))),
            source: source, ordinal: block.uint64(at: 0), series: series,
            openTime: Timestamp(nanoseconds: block.int64(at: 96)),
            closeTime: Timestamp(nanoseconds: closeTime), reason: reason)
        self.kind = kind
        askPrice = Price(raw: block.int64(at: 80))
        askSize = Quantity(raw: block.int64(at: 88))
    }
}
