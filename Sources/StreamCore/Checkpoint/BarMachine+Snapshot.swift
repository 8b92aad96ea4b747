internal import MarketModel
internal import Primitives

extension BarMachine {
    /// Version 1. Another layout is another version, whose golden file is added to those kept.
    static let envelope = StateEnvelope("TLBM", version: 1)

    /// Appends all that decides what this machine will answer: two machines with the same bytes
    /// answer the same to every call. The same state gives the same bytes, whichever way it came
    /// about: slots, free lists and the order of dictionaries are not in them.
    ///
    /// Bounded by `CheckpointLimits.bytesMax`. A caller that keeps its buffer allocates once.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.reserveCapacity(
            start + 4_096 + windows.openCount * WindowState.encodedBytes
                + table.count * (SymbolTable.encodedBytesMin + 16))
        encodeSeries(&bytes)
        bytes.append(integer: tapeStart.nanoseconds)
        encodeCounters(&bytes)
        encodeSources(&bytes)
        encodeSymbols(&bytes)
        encodeWindows(&bytes)
        encodeLateTicks(&bytes)
        Self.envelope.seal(&bytes, from: start)
    }

    private func encodeSeries(_ bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(series.all.count))
        for one in series.all {
            bytes.append(integer: one.widthNanoseconds)
            bytes.append(text: one.name.text)
        }
    }

    private func encodeCounters(_ bytes: inout [UInt8]) {
        bytes.append(integer: received)
        bytes.append(integer: account.unknownSymbol)
        bytes.append(integer: account.backfilled)
        bytes.append(integer: account.filter)
        bytes.append(integer: account.undefined)
        for one in account.series {
            bytes.append(integer: one.counted)
            bytes.append(integer: one.late)
            bytes.append(integer: one.refused)
            bytes.append(integer: one.lateUnlisted)
            bytes.append(integer: one.bars)
            bytes.append(integer: one.windowsWithoutTrades)
            bytes.append(integer: one.notionalSaturated)
        }
    }

    private func encodeSources(_ bytes: inout [UInt8]) {
        bytes.append(integer: sources.refused)
        bytes.append(integer: UInt32(sources.entries.count))
        for entry in sources.entries {
            bytes.append(text: entry.name.text)
            bytes.append(integer: entry.firstSeen.nanoseconds)
            bytes.append(integer: entry.watermark.nanoseconds)
            bytes.append(integer: entry.regressions)
        }
    }

    private func encodeSymbols(_ bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(table.providers.count))
        for provider in table.providers { bytes.append(text: provider) }
        bytes.append(integer: table.refused)
        bytes.append(integer: UInt32(table.count))
        for (record, feed) in zip(table.records, table.feeds) {
            bytes.append(integer: feed.raw)
            bytes.append(integer: record.since.nanoseconds)
            bytes.append(integer: record.firstSince.nanoseconds)
            bytes.append(integer: record.closedThrough.nanoseconds)
            bytes.append(text: record.symbol.text)
        }
    }

    /// By symbol and series, of each the newest first, as they are linked.
    private func encodeWindows(_ bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(windows.openCount))
        for newest in windows.newest {
            var slot = newest
            while slot != 0 {
                windows.slots[Int(slot)].encode(into: &bytes)
                slot = windows.slots[Int(slot)].older
            }
        }
    }

    private func encodeLateTicks(_ bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(lateTicks.count))
        for tick in lateTicks { tick.encode(into: &bytes) }
    }
}

extension SymbolTable {
    /// Without the name.
    static let encodedBytesMin = 30
}

extension WindowState {
    static let encodedBytes = 152

    /// The end follows from the start and the series; the link is made anew.
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: symbol)
        bytes.append(integer: series)
        bytes.append(integer: UInt16(flags.rawValue))
        bytes.append(integer: start)
        bytes.append(integer: trades)
        bytes.append(integer: openTime)
        bytes.append(integer: closeTime)
        bytes.append(integer: openOrdinal)
        bytes.append(integer: closeOrdinal)
        bytes.append(integer: openFeed.raw)
        bytes.append(integer: closeFeed.raw)
        bytes.append(integer: open)
        bytes.append(integer: high)
        bytes.append(integer: low)
        bytes.append(integer: close)
        bytes.append(integer: volume)
        bytes.append(integer: notional)
        bytes.append(integer: notionalCarry)
        bytes.append(integer: excluded.condition)
        bytes.append(integer: excluded.oddLot)
        bytes.append(integer: excluded.filter)
        bytes.append(integer: excluded.undefined)
        bytes.append(integer: UInt32(0))
    }
}

extension LateTick {
    static let encodedBytes = 80

    /// The window's times follow from the trade's and the series.
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: ordinal)
        bytes.append(integer: UInt32(truncatingIfNeeded: source))
        bytes.append(integer: series)
        bytes.append(integer: UInt16(reason.rawValue))
        bytes.append(integer: trade.header.symbol)
        bytes.append(integer: trade.header.flags.rawValue)
        bytes.append(integer: trade.header.action)
        bytes.append(integer: trade.header.resolution)
        bytes.append(integer: trade.header.providerTime.nanoseconds)
        bytes.append(integer: trade.header.receiveTime.nanoseconds)
        bytes.append(integer: trade.header.providerID)
        bytes.append(integer: trade.price.raw)
        bytes.append(integer: trade.size.raw)
        bytes.append(integer: trade.exchange.raw)
        bytes.append(integer: trade.conditions.raw)
    }
}
