public import MarketModel
public import Primitives

/// What all machines of a partition know of it: sources and symbols under the indexes that ticks
/// and bars carry, since when there is a tape, and what is missing on it.
///
/// The owner of the machines keeps it. He enters here what a packet says, once, and then tells each
/// machine what that changes; every call that needs the tables is handed them.
public struct PartitionTables: Sendable {
    public internal(set) var sources = SourceTable()
    public internal(set) var symbols = SymbolTable()
    /// Windows that begin before were not seen from their start by anybody: the time of the
    /// first packet of the tape. Bars of such windows are partial.
    public internal(set) var tapeStart = SourceTable.noWatermark
    /// What makes windows partial, beside what the machines see themselves.
    public var missing = MissingStretches()

    public init() {}

    /// What a definition changed.
    public struct Change: Sendable {
        public let index: UInt32
        public internal(set) var isNew = false
        /// Another source feeds the symbol from now on.
        var isMoved = false
        /// Another source or provider does.
        var isSwitch = false
        /// A subscription began anew then.
        var restart: Int64?
    }

    public mutating func tapeStarts(at time: Timestamp) {
        tapeStart = time.isDefined ? time : SourceTable.noWatermark
    }

    /// The index of a packet's source; nil when there are too many. `firstSeen` counts at the first
    /// appearance only; of a source that is new the machines are to be told with `addSource`.
    public mutating func source(_ name: SourceName, firstSeen: Timestamp) -> Int? {
        sources.index(of: name, firstSeen: firstSeen)
    }

    /// Notes who feeds a symbol; nil when the table is full. The machines are to be told of the
    /// change with `apply`.
    ///
    /// Another source than before takes the symbol over: its watermark closes the windows from
    /// now on, at its next `advance`. What was closed stays closed.
    public mutating func define(_ subscription: Subscription, source: Int) -> Change? {
        guard sources.entries.indices.contains(source) else { return nil }
        let feed = SymbolTable.Feed(
            source: source, provider: symbols.providerIndex(subscription.provider))
        guard let index = symbols.index(of: subscription.symbol) else {
            return symbols.insert(subscription, feed: feed).map { Change(index: $0, isNew: true) }
        }
        var change = Change(index: index)
        let before = symbols.feeds[Int(index)]
        if feed != before {
            symbols.move(
                index, to: feed, closedThrough: sources.entries[before.source].watermark)
            change.isSwitch = true
            change.isMoved = feed.source != before.source
        }
        let since = subscription.since
        if since.isDefined, since > symbols.records[Int(index)].since {
            symbols.restart(index, since: since)
            if since.isUsable { change.restart = since.nanoseconds }
        }
        return change
    }

    /// Moves a source's time on. A watermark below the last one is counted and changes nothing.
    public mutating func advance(_ source: Int, to watermark: Timestamp) {
        sources.advance(source, to: watermark)
    }

    /// The symbol is complete up to here: by the watermark of who feeds it, and of who did.
    func closedThrough(_ symbol: Int) -> Int64 {
        closedThrough(symbol, by: sources.entries[symbols.feeds[symbol].source].watermark)
    }

    /// The same as long as the time of who feeds it was `watermark`.
    func closedThrough(_ symbol: Int, by watermark: Timestamp) -> Int64 {
        max(symbols.records[symbol].closedThrough, watermark).nanoseconds
    }

    /// Nobody saw what was before.
    func seenFrom(_ symbol: Int) -> Int64 {
        max(tapeStart, symbols.records[symbol].firstSince).nanoseconds
    }

    /// The symbols that a source feeds now, in ascending order.
    func symbols(of source: Int) -> [UInt32] {
        symbols.symbolsBySource.indices.contains(source) ? symbols.symbolsBySource[source] : []
    }

    func isKnown(_ feed: SymbolTable.Feed) -> Bool {
        symbols.isKnown(feed, sourceCount: sources.entries.count)
    }
}

extension PartitionTables {
    /// Version 1. Another layout is another version, whose golden file is added to those kept.
    static let envelope = StateEnvelope("TLPT", version: 1)

    /// Without what is missing, which is a piece of its own.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: tapeStart.nanoseconds)
        sources.encode(into: &bytes)
        symbols.encode(into: &bytes)
        Self.envelope.seal(&bytes, from: start)
    }

    /// The tables whose `encode` made these bytes.
    public init(restoring bytes: RawSpan) throws(CheckpointError) {
        var reader = try Self.envelope.open(bytes)
        tapeStart = Timestamp(nanoseconds: try reader.int64(in: bytes))
        guard tapeStart.isDefined else { throw reader.malformed(.header) }
        sources = try SourceTable(&reader, bytes)
        symbols = try SymbolTable(&reader, bytes, sourceCount: sources.entries.count)
        try reader.finish()
    }
}
