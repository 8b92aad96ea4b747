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
    /// When it is looked again whether tables show what the server has answered for.
    private static let lagNanoseconds: Int64 = 5_000_000_000

    /// A declared batch, as it was found.
    enum Declared {
        case batch(IntentBatch, BlockWork)
        /// Why a person is needed.
        case unmakeable(String)
        case gone(GivenUp)
        /// It is gone, and an insert of it may still be on its way.
        case waits(ClaimWait)
    }

    /// A declared batch that is gone.
    struct GivenUp {
        /// The position after it.
        var after: SinkPosition
        /// What the next batch names.
        var owed: [SinkGap]
        /// What of that is the batch's own.
        var lost: [SinkGap]
    }

    /// Since when a batch is known to be gone.
    struct GoneBatch {
        let intent: StoreIntent
        let since: MonotonicTime
        /// What the server had answered for when no insert of it could be on its way any more.
        var mark: [String: Int]?
        /// What is lost of it, once it is given up.
        var lost: [SinkGap] = []
    }

    /// Returns what rows are for, as the declared batch of a store has it that is needed, or not.
    static func layout(_ text: String, isNeeded: Bool) -> UInt64 {
        Checksum.chained(Checksum.of(text), after: Checksum.of("\(isNeeded)"))
    }

    /// Makes a declared batch again, or finds out that its packets are gone.
    func remade(
        _ intent: StoreIntent, _ before: SinkPosition, owed: [SinkGap]
    ) throws(StoreError) -> Declared {
        let (place, input) = (before.place, InputNumber.of(before.place))
        let loss = try parts.packets.loss(place, after: before, through: intent.packet)
        // A reader stops where the packet of the position is gone, unless it may be let go.
        let isStopped =
            loss == .part && parts.settings.isNeeded && before.position?.hasPacket ?? false
        if loss == .end || isStopped { return try gone(intent, before, owed) }
        // While its last packet is there, the rest may be, too. Only an equal layout shows that.
        let isNeeded = [true, false].first {
            Self.layout(parts.layout, isNeeded: $0) == intent.layout
        }
        guard let isNeeded else {
            return .unmakeable(
                "it is for other tables or columns (STORE_TABLES): let the writer run once as it "
                    + "was")
        }
        let made = try made(intent, before, isNeeded: isNeeded)
        guard let after = made.positions.first(where: { $0.place == place }) else {
            if loss == .part { return try gone(intent, before, owed) }
            throw failure(
                place, "has a declared batch, and the tape has nothing new", .retryable)
        }
        let batch = IntentBatch(
            try made.rows.blocks(input, after, owed: owed), from: before, to: after,
            layout: intent.layout)
        if batch.intent != intent {
            // It may have been purged while it was read.
            let now = try parts.packets.loss(place, after: before, through: intent.packet)
            if now != .nothing { return try gone(intent, before, owed) }
        }
        try keepLetters(of: made)
        return .batch(batch, made)
    }

    /// Reads a declared batch again, and makes its rows, as a store does that is needed, or not.
    private func made(
        _ intent: StoreIntent, _ before: SinkPosition, isNeeded: Bool
    ) throws(StoreError) -> BlockWork {
        let place = before.place
        var batch = try parts.packets.batch(place, after: before, through: intent.packet)
        batch.store = parts.store.name
        let (settings, input) = (parts.settings, InputNumber.of(place))
        let read = batch
        let rows = parts.rows(batch)
        return BlockWork(batch, rows) { outcome -> [SinkPosition] in
            let after = read.advanced(
                by: outcome, keepsBars: settings.sinks.versions != nil, mayBeLetGo: !isNeeded
            ) { number in number == input ? before : nil }
            return Array(after.values)
        }
    }

    /// Gives up a declared batch whose packets are gone. What the store has of it is counted, all
    /// else is named. As with a position that the tape was purged past, the store continues
    /// by itself only where it may be let go.
    private func gone(
        _ intent: StoreIntent, _ before: SinkPosition, _ owed: [SinkGap]
    ) throws(StoreError) -> Declared {
        let place = before.place
        guard !parts.settings.isNeeded else {
            return .unmakeable(
                "the tape was purged of its packets, and the store is needed: let the writer run "
                    + "with STORE_NEEDED=false until it has read on, ordinal_gaps then names what "
                    + "is lost")
        }
        let now = parts.now()
        // Another owner may have declared another batch meanwhile.
        if goneBatches[place]?.intent != intent {
            goneBatches[place] = GoneBatch(intent: intent, since: now)
        }
        let until = (goneBatches[place]?.since ?? now) + Self.lateInsertsNanoseconds
        guard now >= until else {
            return .waits(
                ClaimWait(
                    until: until,
                    reason: "the tape was purged of a declared batch: it is given up after 30 s, "
                        + "when no insert of it can be on its way"))
        }
        if let reason = try lag(place) {
            return .waits(ClaimWait(until: now + Self.lagNanoseconds, reason: reason))
        }
        let found = try asked { server throws(StoreServerError) in
            try server.ordinals(of: intent.ranges, place)
        }
        var after = before
        after.position = intent.end(after: before.position)
        var lost: [SinkGap] = []
        for range in intent.ranges {
            let rows = found[range.source] ?? []
            after.pass(range, rows: UInt64(rows.count))
            lost += range.gaps(without: rows)
        }
        let all = owed + lost
        let named = try asked { server throws(StoreServerError) in
            try server.named(by: intent.packet, in: all.ranges, place)
        }
        goneBatches[place]?.lost = lost
        return .gone(GivenUp(after: after, owed: all.without(named), lost: lost))
    }

    /// Returns why what the store has of a batch cannot be counted yet.
    private func lag(_ place: SinkPlace) throws(StoreError) -> String? {
        var mark = goneBatches[place]?.mark
        let reason = try asked { server throws(StoreServerError) in
            try server.lag(behind: &mark)
        }
        goneBatches[place]?.mark = mark
        return reason.map { "the tape was purged of a declared batch, and \($0)" }
    }

    /// Tells what is lost where the answer was lost to the write that gave a batch up.
    func tellLost(_ place: SinkPlace, _ present: SinkPosition?) {
        guard let gone = goneBatches[place], !gone.lost.isEmpty, let present,
            present.owner == parts.owner,
            present.position?.sequence == gone.intent.packet.sequence
        else { return }
        parts.tellMissing(place, gone.lost)
        goneBatches[place] = nil
    }

    private func asked<Value>(
        _ question: (any BlockServer) throws(StoreServerError) -> Value
    ) throws(StoreError) -> Value {
        let server = try opened()
        do throws(StoreServerError) {
            return try question(server)
        } catch {
            throw error.asStoreError
        }
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
    /// Returns what is left of it without these ordinals, which ascend. It has no ordinal of a row:
    /// one that is named and counted would be copied later, and counted again.
    func gaps(without rows: [UInt64]) -> [SinkGap] {
        var gaps: [SinkGap] = []
        func add(_ ordinals: ClosedRange<UInt64>) {
            gaps.append(
                SinkGap(source: source, ordinals: ordinals, reason: .tapeLost, epoch: epoch))
        }
        var next = first
        for row in rows where row >= next && row <= last {
            if next < row { add(next...(row - 1)) }
            next = row + 1
        }
        if next <= last { add(next...last) }
        return gaps
    }
}

extension [SinkGap] {
    /// Returns what is left of them without the named ordinals of their sources.
    func without(_ named: [SourceName: [ClosedRange<UInt64>]]) -> [SinkGap] {
        let named = named.mapValues(Self.apart)
        return flatMap { gap in
            guard let ranges = named[gap.source], !ranges.isEmpty else { return [gap] }
            return Self.rest(of: gap, ranges)
        }
    }

    /// Returns the same ordinals as ranges that ascend and are apart.
    private static func apart(_ ranges: [ClosedRange<UInt64>]) -> [ClosedRange<UInt64>] {
        var found: [ClosedRange<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = found.last, range.lowerBound <= last.upperBound {
                let end = Swift.max(last.upperBound, range.upperBound)
                found[found.count - 1] = last.lowerBound...end
            } else {
                found.append(range)
            }
        }
        return found
    }

    private static func rest(
        of gap: SinkGap, _ named: [ClosedRange<UInt64>]
    ) -> [SinkGap] {
        let ordinals = gap.ordinals
        // The first range that does not end before the gap.
        var (low, high) = (0, named.count)
        while low < high {
            let middle = (low + high) / 2
            if named[middle].upperBound < ordinals.lowerBound {
                low = middle + 1
            } else {
                high = middle
            }
        }
        var parts: [SinkGap] = []
        var next = ordinals.lowerBound
        func add(_ ordinals: ClosedRange<UInt64>) {
            parts.append(
                SinkGap(
                    source: gap.source, ordinals: ordinals, reason: gap.reason, epoch: gap.epoch))
        }
        for range in named[low...] {
            guard range.lowerBound <= ordinals.upperBound else { break }
            if next < range.lowerBound { add(next...(range.lowerBound - 1)) }
            guard range.upperBound < ordinals.upperBound else { return parts }
            next = range.upperBound + 1
        }
        add(next...ordinals.upperBound)
        return parts
    }

    /// From the first to the last ordinal of each source.
    fileprivate var ranges: [SourceName: ClosedRange<UInt64>] {
        reduce(into: [:]) { ranges, gap in
            let known = ranges[gap.source] ?? gap.ordinals
            let first = Swift.min(known.lowerBound, gap.ordinals.lowerBound)
            ranges[gap.source] = first...Swift.max(known.upperBound, gap.ordinals.upperBound)
        }
    }
}
