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
        bytes.append(integer: sources.refused)
        bytes.append(integer: UInt32(sources.entries.count))
        for entry in sources.entries {
            bytes.append(text: entry.name.text)
            bytes.append(integer: entry.firstSeen.nanoseconds)
            bytes.append(integer: entry.watermark.nanoseconds)
            bytes.append(integer: entry.regressions)
        }
        bytes.append(integer: UInt32(symbols.providers.count))
        for provider in symbols.providers { bytes.append(text: provider) }
        bytes.append(integer: symbols.refused)
        bytes.append(integer: UInt32(symbols.count))
        for (record, feed) in zip(symbols.records, symbols.feeds) {
            bytes.append(integer: feed.raw)
            bytes.append(integer: record.since.nanoseconds)
            bytes.append(integer: record.firstSince.nanoseconds)
            bytes.append(integer: record.closedThrough.nanoseconds)
            bytes.append(text: record.symbol.text)
        }
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        self.init()
        tapeStart = Timestamp(nanoseconds: try reader.int64(in: bytes))
        guard tapeStart.isDefined else { throw reader.malformed(.header) }
        try readSources(&reader, bytes)
        try readSymbols(&reader, bytes)
    }

    private mutating func readSources(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let refused = try reader.tally(in: bytes)
        let count = try reader.count(
            of: .source, max: StreamLimits.sourcesMax, bytesEach: 26, in: bytes)
        var entries: [SourceTable.Entry] = []
        for _ in 0..<count {
            let text = try reader.text(of: .source, max: SourceName.utf8CountMax, in: bytes)
            guard let name = SourceName(text) else { throw reader.malformed(.source) }
            let entry = SourceTable.Entry(
                name: name, firstSeen: Timestamp(nanoseconds: try reader.int64(in: bytes)),
                watermark: Timestamp(nanoseconds: try reader.int64(in: bytes)),
                regressions: try reader.tally(in: bytes))
            guard entry.watermark.isDefined else { throw reader.malformed(.source) }
            entries.append(entry)
        }
        guard Set(entries.map(\.name)).count == count else { throw reader.malformed(.source) }
        sources = SourceTable(entries: entries, refused: refused)
    }

    private mutating func readSymbols(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let providerCount = try reader.count(
            of: .provider, max: StreamLimits.providersMax, bytesEach: 2, in: bytes)
        for index in 0..<providerCount {
            let provider = try reader.text(
                of: .provider, max: StreamLimits.providerBytesMax, in: bytes)
            guard symbols.providerIndex(provider) == index else {
                throw reader.malformed(.provider)
            }
        }
        let refused = try reader.tally(in: bytes)
        let count = try reader.count(
            of: .symbol, max: StreamLimits.symbolsMax, bytesEach: SymbolTable.encodedBytesMin,
            in: bytes)
        symbols.prepare(symbols: count, refused: refused)
        for _ in 0..<count {
            let feed = SymbolTable.Feed(raw: try reader.uint32(in: bytes))
            let since = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let firstSince = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let closedThrough = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let text = try reader.text(of: .symbol, max: Symbol.utf8CountMax, in: bytes)
            guard let symbol = Symbol(text), firstSince <= since, since.isDefined,
                closedThrough.isDefined, isKnown(feed), feed != .foreign
            else { throw reader.malformed(.symbol) }
            let record = SymbolTable.Record(
                symbol: symbol, since: since, firstSince: firstSince, closedThrough: closedThrough)
            guard symbols.append(record, feed: feed) else { throw reader.malformed(.symbol) }
        }
    }
}
