internal import MarketModel
internal import Primitives

/// The sources and symbols of a machine whose windows are not those of `BarMachine`. All machines
/// of a partition are told the same, so that they give out the same indexes.
struct TickTables: Sendable {
    var sources = SourceTable()
    var symbols = SymbolTable()
    var tapeStart = SourceTable.noWatermark
    /// Of a repair: backfilled ticks count, and nothing is late.
    var isRepair = false

    /// What a definition changed.
    struct Change {
        let index: UInt32
        var isNew = false
        /// Another source feeds the symbol from now on.
        var isMoved = false
        /// A subscription began anew then.
        var restart: Int64?
    }

    /// Nil when the table is full.
    mutating func define(_ subscription: Subscription, source: Int) -> Change? {
        guard sources.entries.indices.contains(source) else { return nil }
        let feed = SymbolTable.Feed(
            source: source, provider: symbols.providerIndex(subscription.provider))
        guard let index = symbols.index(of: subscription.symbol) else {
            return symbols.insert(subscription, feed: feed).map { Change(index: $0, isNew: true) }
        }
        var change = Change(index: index)
        // What a person puts on the tape takes no symbol away from who feeds it.
        guard sources.entries[source].name != .manual else { return change }
        let before = symbols.feeds[Int(index)]
        if feed != before {
            symbols.move(
                index, to: feed, closedThrough: sources.entries[before.source].watermark)
            change.isMoved = feed.source != before.source
        }
        let since = subscription.since
        if since.isDefined, since > symbols.records[Int(index)].since {
            symbols.restart(index, since: since)
            if since.isUsable { change.restart = since.nanoseconds }
        }
        return change
    }

    /// The symbol is complete up to here: by the watermark of who feeds it, and of who did.
    func closedThrough(_ symbol: Int) -> Int64 {
        max(
            symbols.records[symbol].closedThrough,
            sources.entries[symbols.feeds[symbol].source].watermark
        ).nanoseconds
    }

    /// Nobody saw what was before.
    func seenFrom(_ symbol: Int) -> Int64 {
        max(tapeStart, symbols.records[symbol].firstSince).nanoseconds
    }

    /// Nil: the symbol is unknown, or another source feeds it. Backfilled ticks may come from
    /// anywhere.
    func feed(of header: TickHeader, source: Int) -> SymbolTable.Feed? {
        let symbol = Int(header.symbol)
        guard symbol < symbols.count, sources.entries.indices.contains(source) else { return nil }
        let feed = symbols.feeds[symbol]
        if feed.source == source { return feed }
        guard isRepair, header.flags.contains(.backfilled) else { return nil }
        return .foreign
    }

    func isKnown(_ feed: SymbolTable.Feed) -> Bool {
        symbols.isKnown(feed, sourceCount: sources.entries.count)
    }

    /// The least and greatest of the times that there are windows for, so that what a person asks
    /// for cannot leave them.
    static func usable(_ time: Int64) -> Int64 {
        let limit = StreamLimits.eventTimeNanosecondsMax
        return min(max(time, -limit), limit)
    }
}

extension TickTables {
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: tapeStart.nanoseconds)
        sources.encode(into: &bytes)
        symbols.encode(into: &bytes)
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        self.init()
        tapeStart = Timestamp(nanoseconds: try reader.int64(in: bytes))
        guard tapeStart.isDefined else { throw reader.malformed(.header) }
        sources = try SourceTable(&reader, bytes)
        symbols = try SymbolTable(&reader, bytes, sourceCount: sources.entries.count)
    }
}
