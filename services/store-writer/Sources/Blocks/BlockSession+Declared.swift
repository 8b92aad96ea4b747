import MarketModel
import Primitives
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

// The batch that an earlier owner has declared.
extension BlockSession {
    /// Until then an insert may be on its way of an owner that was replaced: it has a time to send
    /// one, and the server one to work on it.
    static let lateInsertsNanoseconds: Int64 = 30_000_000_000
    /// So many gaps of a source are named for a batch that is gone. If there are more, one of them
    /// has all of its ordinals from the first that is missing to the last.
    static let lostRangesMax = 64

    /// Makes a declared batch again, or finds out that its packets are gone.
    func remade(
        _ intent: StoreIntent, _ before: SinkPosition, owed: [SinkGap], _ work: inout BlockWork?
    ) throws(StoreError) -> IntentTenure.Remade {
        let (place, input) = (before.place, InputNumber.of(before.place))
        let loss = try parts.packets.loss(place, after: before, through: intent.packet)
        // A reader stops where the packet of the position is gone, unless it may be let go.
        let isStopped =
            loss == .part && parts.settings.isNeeded && before.position?.hasPacket ?? false
        if loss == .end || isStopped { return try gone(intent, before) }
        guard intent.layout == layout else {
            if loss == .part { return try gone(intent, before) }
            return .unmakeable(
                "it is for other tables, columns, or settings STORE_TABLES and STORE_NEEDED: let "
                    + "the writer run once as it was")
        }
        let made = try made(intent, place, before)
        guard let after = made.positions.first(where: { $0.place == place }) else {
            if loss == .part { return try gone(intent, before) }
            throw failure(
                place, "has a declared batch, and the tape has nothing new", .retryable)
        }
        let batch = IntentBatch(
            try made.rows.blocks(input, after, owed: owed), from: before, to: after, layout: layout)
        if loss == .part, batch.intent != intent { return try gone(intent, before) }
        try keepLetters(of: made)
        work = made
        return .batch(batch)
    }

    /// Reads a declared batch again, and makes its rows.
    private func made(
        _ intent: StoreIntent, _ place: SinkPlace, _ before: SinkPosition
    ) throws(StoreError) -> BlockWork {
        var batch = try parts.packets.batch(place, after: before, through: intent.packet)
        batch.store = parts.store.name
        let (settings, input) = (parts.settings, InputNumber.of(place))
        let read = batch
        let rows = parts.rows(batch)
        return BlockWork(batch, rows) { outcome -> [SinkPosition] in
            let after = read.advanced(
                by: outcome, keepsBars: settings.sinks.versions != nil,
                mayBeLetGo: !settings.isNeeded
            ) { number in number == input ? before : nil }
            return Array(after.values)
        }
    }

    /// Gives up a declared batch whose packets are gone. What the store has of it is counted, all
    /// else is named. As with a position that the tape was purged past, the store goes on by itself
    /// only where it may be let go.
    private func gone(
        _ intent: StoreIntent, _ before: SinkPosition
    ) throws(StoreError) -> IntentTenure.Remade {
        let place = before.place
        guard !parts.settings.isNeeded else {
            return .unmakeable(
                "the tape was purged of its packets, and the store is needed: let the writer run "
                    + "with STORE_NEEDED=false until it has read on, ordinal_gaps then names what "
                    + "is lost")
        }
        let now = parts.now()
        let since = goneSince[place] ?? now
        goneSince[place] = since
        guard now >= since + Self.lateInsertsNanoseconds else {
            throw failure(
                place,
                "has a declared batch of which the tape was purged: it is given up after 30 s, "
                    + "when no insert of it can be on its way", .retryable)
        }
        let server = try opened()
        let found: [SourceName: [UInt64]]
        do throws(StoreServerError) {
            found = try server.ordinals(of: intent.ranges, place)
        } catch {
            throw error.asStoreError
        }
        var after = before
        after.position = intent.end(after: before.position)
        var lost: [SinkGap] = []
        for range in intent.ranges {
            let rows = found[range.source] ?? []
            after.pass(range, rows: UInt64(rows.count))
            lost += range.gaps(without: rows)
        }
        return .gone(after, lost)
    }
}

extension SinkPosition {
    /// Counts the ordinals of a batch that is gone, of which so many are rows.
    fileprivate mutating func pass(_ range: OrdinalRange, rows: UInt64) {
        guard let index = sources.firstIndex(where: { $0.source == range.source }) else {
            sources.append(
                SourceAccount(
                    source: range.source, firstOrdinal: range.first, lastOrdinal: range.last,
                    written: rows, skipped: 0, epoch: range.epoch, tapeOrdinal: range.last))
            return
        }
        sources[index].lastOrdinal = range.last
        sources[index].tapeOrdinal = range.last
        sources[index].epoch = range.epoch
        sources[index].written += rows
    }
}

extension OrdinalRange {
    /// Returns what is left of it without these ordinals, which ascend: few gaps, or one of all
    /// between the first and the last that are missing.
    func gaps(without rows: [UInt64]) -> [SinkGap] {
        var parts: [ClosedRange<UInt64>] = []
        var next = first
        for row in rows where row >= next && row <= last {
            if next < row { parts.append(next...(row - 1)) }
            next = row + 1
        }
        if next <= last { parts.append(next...last) }
        if parts.count > BlockSession.lostRangesMax, let low = parts.first?.lowerBound,
            let high = parts.last?.upperBound
        {
            parts = [low...high]
        }
        return parts.map {
            SinkGap(source: source, ordinals: $0, reason: .tapeLost, epoch: epoch)
        }
    }
}
