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
    /// Gaps that make windows partial; in the tables of a repair, and with a join, also the
    /// beginnings of subscriptions, of which live machines learn by `Change.restart`.
    public var missing = MissingStretches()
    /// The time up to which the bars of all sources are complete, but for those that were silent
    /// or retired; `noWatermark` before the first watermark. It never goes backwards: what a source
    /// brings after that is late for whatever uses the bars of several sources.
    public private(set) var completeThrough = SourceTable.noWatermark
    /// The sources that are one source to bars.
    public let groups: SourceGroups

    public init(_ groups: SourceGroups = SourceGroups()) { self.groups = groups }

    /// The changes that one definition made to the tables.
    public struct Change: Sendable {
        /// The index of the symbol.
        public let index: UInt32
        /// Whether the symbol was not known before.
        public internal(set) var isNew = false
        /// Another member of its group feeds the symbol from now on.
        public internal(set) var isMoved = false
        /// Another source, or another provider of the same source, feeds the symbol from now on.
        var isSwitch = false
        /// When a subscription of a known symbol began again, in nanoseconds since 1970; `nil` when
        /// none did.
        public internal(set) var restart: Int64?
    }

    /// Sets the start of the tape. An undefined time means that it is not known.
    public mutating func tapeStarts(at time: Timestamp) {
        tapeStart = time.isDefined ? time : SourceTable.noWatermark
    }

    /// Returns the index of a packet's source; `nil` when there are too many. When a source first
    /// appears, the caller has to call `addSource` on the machines.
    public mutating func source(_ name: SourceName) -> Int? { sources.index(of: name) }

    /// Retires a source in this epoch.
    public mutating func retire(_ source: Int, epoch: UInt64) {
        sources.retire(source, epoch: epoch)
    }

    /// Whether the source is a past of which no tick has come.
    public func awaitsStart(_ source: Int) -> Bool {
        sources.entries[source].isHistory && !sources.entries[source].start.isDefined
    }

    /// Sets the time from which on the ticks of a past were received; undefined: all were.
    public mutating func starts(_ source: Int, at time: Timestamp) {
        sources.starts(source, at: time.isDefined ? time : SourceTable.noWatermark)
    }

    /// Returns from when on the ticks of a symbol were received, if its source is a past; `nil`: it
    /// is none. The start of the tape says nothing of it.
    public func startOfPast(_ symbol: Int) -> Timestamp? {
        let entry = sources.entries[symbols.feeds[symbol].source]
        guard entry.isHistory else { return nil }
        return entry.start.isDefined ? entry.start : SourceTable.noWatermark
    }

    /// Notes the epoch of a source's packet, which may take its retirement back.
    public mutating func heard(_ source: Int, epoch: UInt64) {
        sources.heard(source, epoch: epoch)
    }

    /// Notes that a source sent a packet at this time.
    public mutating func sent(_ source: Int, at time: Timestamp) { sources.sent(source, at: time) }

    /// Moves `completeThrough` to the least watermark of the sources that are neither silent nor
    /// retired.
    public mutating func complete(silentAfter: Int64) {
        completeThrough = max(
            completeThrough, sources.leastWatermark(silentAfter: silentAfter))
    }

    /// Returns the sources and groups in order of their names: whether they are silent or retired,
    /// whether their ticks are delayed or made up, and how far the bars of the others are complete.
    public func sourceStates(silentAfter: Int64) -> [SourceState] {
        let silences = sources.silences(after: silentAfter)
        let isMadeUp = symbols.providers.map { SourceKind.isMadeUp(provider: $0) }
        var states: [SourceName: SourceState] = [:]
        for (index, entry) in sources.entries.enumerated() {
            let isFedWithMadeUp = symbols(of: index).contains { symbol in
                let provider = symbols.feeds[Int(symbol)].provider
                return provider < isMadeUp.count && isMadeUp[provider]
            }
            let presence: SourceState.Presence =
                entry.isRetired ? .retired : silences[index] ? .silent : .present
            let owner = groups.owner(of: entry.name)
            let state = SourceState(
                source: owner, presence: presence,
                kind: isFedWithMadeUp || entry.isHistory
                    ? .madeUp : entry.name.isDelayed ? .delayed : .real,
                since: presence == .present ? .undefined : entry.watermark,
                watermark: presence == .present && entry.watermark != SourceTable.noWatermark
                    ? entry.watermark : .undefined)
            states[owner] = states[owner].map { $0.joined(with: state) } ?? state
        }
        return states.values.sorted { $0.source < $1.source }
    }

    /// Notes that a source feeds a symbol, which belongs to this source or to its group; returns
    /// `nil` when the table is full. The caller passes the change to the machines with `apply`.
    ///
    /// When another member of the group than before feeds the symbol, its watermark closes the
    /// windows from its next `advance` on. Closed windows stay closed.
    public mutating func define(_ subscription: Subscription, source: Int) -> Change? {
        let change = feed(subscription, source: source)
        if let change { symbols.setLot(subscription.lot, of: change.index) }
        return change
    }

    /// Sets the lot of a symbol from here on: that of a definition by which nobody begins to feed
    /// the symbol. `nil`: it states none.
    public mutating func setLot(_ lot: RoundLot?, of symbol: UInt32) {
        symbols.setLot(lot, of: symbol)
    }

    private mutating func feed(_ subscription: Subscription, source: Int) -> Change? {
        guard sources.entries.indices.contains(source) else { return nil }
        let feed = SymbolTable.Feed(
            source: source, provider: symbols.providerIndex(subscription.provider))
        let pair = pair(subscription.symbol, source: source)
        guard let index = symbols.index(of: pair) else {
            return symbols.insert(pair, subscription, feed: feed)
                .map { Change(index: $0, isNew: true) }
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

    private func pair(_ symbol: Symbol, source: Int) -> SourceSymbol {
        SourceSymbol(symbol, of: groups.owner(of: sources.entries[source].name))
    }

    /// Returns the indexes of the symbols that a definition means, in ascending order: one for a
    /// packet of a source. `source` is `nil` for `manual`, the source of people's records: they
    /// mean the symbol of the source or group that the definition names, or else of all sources.
    public func indexes(
        of symbol: Symbol, named: SourceName?, source: Int?
    ) -> [UInt32] {
        if let source {
            return symbols.index(of: pair(symbol, source: source)).map { [$0] } ?? []
        }
        guard let named else { return symbols.indexes(of: symbol) }
        return symbols.index(of: SourceSymbol(symbol, of: groups.owner(of: named)))
            .map { [$0] } ?? []
    }

    /// Sets a source's watermark. One below the last is counted and changes nothing.
    public mutating func advance(_ source: Int, to watermark: Timestamp) {
        sources.advance(source, to: watermark)
    }

    /// Returns the time up to which the symbol's windows are closed, by the watermark of its
    /// source, or by those of the present and earlier members of its group.
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
        max(startOfPast(symbol) ?? tapeStart, symbols.records[symbol].firstSince).nanoseconds
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
    static let envelope = StateEnvelope("TLPT", version: 1)

    /// Appends the tables without `missing`, which is encoded separately.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: tapeStart.nanoseconds)
        bytes.append(integer: completeThrough.nanoseconds)
        sources.encode(into: &bytes)
        symbols.encode(into: &bytes)
        Self.envelope.seal(&bytes, from: start)
    }

    /// Restores the tables whose `encode` wrote these bytes, for the same groups.
    public init(_ groups: SourceGroups, restoring bytes: RawSpan) throws(CheckpointError) {
        self.groups = groups
        var reader = try Self.envelope.open(bytes)
        tapeStart = Timestamp(nanoseconds: try reader.int64(in: bytes))
        completeThrough = Timestamp(nanoseconds: try reader.int64(in: bytes))
        guard tapeStart.isDefined, completeThrough.isDefined else {
            throw reader.malformed(.header)
        }
        sources = try SourceTable(&reader, bytes)
        let owners = sources.entries.map { groups.owner(of: $0.name) }
        symbols = try SymbolTable(&reader, bytes, owners: owners)
        try reader.finish()
    }
}
