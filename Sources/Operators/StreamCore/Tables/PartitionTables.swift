public import MarketModel
public import Primitives

/// The tables that all machines of a partition share: the sources and symbols with the indexes that
/// ticks and bars carry, the start of the tape, and the times in which ticks are missing.
///
/// The owner of the machines, `BarLeaves` of the module OperatorGraph, keeps them. It enters each
/// packet's definitions here once, and then reports the changes to each machine. Every call that
/// needs the tables takes them as a parameter. Repair machines have separate tables.
public struct PartitionTables: Sendable {
    public internal(set) var sources = SourceTable()
    public internal(set) var symbols = SymbolTable()
    /// The time of the first packet of the tape. Windows that begin earlier were not seen from
    /// their start, so their bars are partial.
    public internal(set) var tapeStart = SourceTable.noWatermark
    /// Gaps that make windows partial; in the tables of a repair also the beginnings of
    /// subscriptions, of which live machines learn by `Change.restart`.
    public var missing = MissingStretches()

    public init() {}

    /// The changes that one definition made to the tables.
    public struct Change: Sendable {
        /// The index of the symbol.
        public let index: UInt32
        /// Whether the symbol was not known before.
        public internal(set) var isNew = false
        /// Another source feeds the symbol from now on.
        var isMoved = false
        /// Another source, or another provider of the same source, feeds the symbol from now on.
        var isSwitch = false
        /// When a subscription of a known symbol began again, in nanoseconds since 1970; `nil` when
        /// none did.
        var restart: Int64?
    }

    /// Sets the start of the tape. An undefined time means that it is not known.
    public mutating func tapeStarts(at time: Timestamp) {
        tapeStart = time.isDefined ? time : SourceTable.noWatermark
    }

    /// Returns the index of a packet's source; `nil` when there are too many. `firstSeen` is used
    /// only when the source first appears. The caller then has to call `addSource` on the machines.
    public mutating func source(_ name: SourceName, firstSeen: Timestamp) -> Int? {
        sources.index(of: name, firstSeen: firstSeen)
    }

    /// Notes which source feeds a symbol; returns `nil` when the table is full. The caller passes
    /// the change to the machines with `apply`.
    ///
    /// When another source than before feeds the symbol, its watermark closes the windows from its
    /// next `advance` on. Closed windows stay closed.
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

    /// Sets a source's watermark. One below the last is counted and changes nothing.
    public mutating func advance(_ source: Int, to watermark: Timestamp) {
        sources.advance(source, to: watermark)
    }

    /// Returns the time up to which the symbol's windows are closed, by the watermarks of its
    /// present and earlier sources.
    func closedThrough(_ symbol: Int) -> Int64 {
        closedThrough(symbol, by: sources.entries[symbols.feeds[symbol].source].watermark)
    }

    /// Returns the same for a time when the watermark of the present source was `watermark`.
    func closedThrough(_ symbol: Int, by watermark: Timestamp) -> Int64 {
        max(symbols.records[symbol].closedThrough, watermark).nanoseconds
    }

    /// Returns the time before which the symbol's ticks were not received: the start of the tape,
    /// or of the symbol's first subscription if that is later.
    func seenFrom(_ symbol: Int) -> Int64 {
        max(tapeStart, symbols.records[symbol].firstSince).nanoseconds
    }

    /// Returns the symbols that a source feeds now, in ascending order.
    func symbols(of source: Int) -> [UInt32] {
        symbols.symbolsBySource.indices.contains(source) ? symbols.symbolsBySource[source] : []
    }

    /// Returns whether the feed is `.foreign`, or one that these tables can have given out.
    func isKnown(_ feed: SymbolTable.Feed) -> Bool {
        symbols.isKnown(feed, sourceCount: sources.entries.count)
    }
}

extension PartitionTables {
    /// Version 1. Another layout needs another version, whose golden file is added to the existing
    /// ones.
    static let envelope = StateEnvelope("TLPT", version: 1)

    /// Appends the tables without `missing`, which is encoded separately.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: tapeStart.nanoseconds)
        sources.encode(into: &bytes)
        symbols.encode(into: &bytes)
        Self.envelope.seal(&bytes, from: start)
    }

    /// Restores the tables whose `encode` wrote these bytes.
    public init(restoring bytes: RawSpan) throws(CheckpointError) {
        var reader = try Self.envelope.open(bytes)
        tapeStart = Timestamp(nanoseconds: try reader.int64(in: bytes))
        guard tapeStart.isDefined else { throw reader.malformed(.header) }
        sources = try SourceTable(&reader, bytes)
        symbols = try SymbolTable(&reader, bytes, sourceCount: sources.entries.count)
        try reader.finish()
    }
}
