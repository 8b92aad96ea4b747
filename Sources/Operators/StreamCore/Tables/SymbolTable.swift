public import MarketModel
public import Primitives

/// A packet's definition of a symbol: which provider feeds it now, and since when.
public struct Subscription: Hashable, Sendable {
    public var symbol: Symbol
    public var provider: String
    /// When the subscription began; undefined when not known. Then only the start of the tape makes
    /// a bar partial.
    public var since: Timestamp
    /// The symbol's round lot; `nil` when the definition states none.
    public var lot: RoundLot?

    public init(symbol: Symbol, provider: String, since: Timestamp, lot: RoundLot? = nil) {
        self.symbol = symbol
        self.provider = provider
        self.since = since
        self.lot = lot
    }
}

/// The symbols of one partition, each of one source or group, numbered in order of their first
/// appearance on the tape. The *index* of a symbol is this number; ticks and bars carry it instead
/// of the symbol. A symbol that two sources send has two indexes.
public struct SymbolTable: Sendable {
    /// Where a symbol's ticks come from: a source and, within it, a provider, as one number.
    @frozen
    @usableFromInline
    struct Feed: Hashable, Sendable, BitwiseCopyable {
        @usableFromInline var raw: UInt32

        init(source: Int, provider: Int) {
            raw = UInt32(truncatingIfNeeded: source << 16 | provider & 0xffff)
        }

        @inlinable @inline(__always)
        init(raw: UInt32) { self.raw = raw }

        /// The feed of a window that has no trade yet. No source has the index 65,535, because
        /// `StreamLimits.sourcesKnownMax` is lower.
        @inlinable @inline(__always)
        static var none: Feed { Feed(raw: UInt32.max) }

        /// The feed of a tick in a repair whose source does not feed the symbol, or whose source or
        /// provider the partition's tables do not know. It sorts before all other feeds in its
        /// nanosecond.
        static var foreign: Feed { Feed(raw: UInt32.max - 1) }

        @inlinable @inline(__always)
        var source: Int { Int(raw >> 16) }

        var provider: Int { Int(raw & 0xffff) }
    }

    /// The data of a symbol that are needed when a window opens or closes, and not for every tick.
    struct Record: Sendable {
        let pair: SourceSymbol
        /// When the present subscription began.
        var since: Timestamp
        /// When the first subscription began. A window that begins earlier was not seen completely.
        let firstSince: Timestamp
        /// The time up to which earlier members of the group closed windows. Windows that end here
        /// or before stay closed, wherever the present member's watermark is.
        var closedThrough: Timestamp
    }

    /// By number, the feed that the symbol has now.
    @usableFromInline var feeds: [Feed] = []
    /// By number, the lot of the last definition; `nil`, and beyond the end: it states none. Every
    /// packet defines its symbols, so a checkpoint needs no lots.
    private var lots: [RoundLot?] = []
    /// No symbol has had a larger lot, in 1e-8.
    @usableFromInline private(set) var largestLot = RoundLot.usual.raw
    private(set) var records: [Record] = []
    /// The symbols of each source, in ascending order.
    private(set) var symbolsBySource: [[UInt32]] = []
    /// By symbol, its numbers in ascending order. Looked up and never walked over: its order
    /// differs between processes.
    private var indexes: [Symbol: [UInt32]] = [:]
    /// By number, the names of providers. A feed holds the number.
    private(set) var providers: [String] = []
    /// Definitions of symbols for which there was no room. Each packet that holds such a symbol
    /// adds one.
    public private(set) var refused: UInt64 = 0

    public var count: Int { records.count }

    /// Returns the symbol and the source of an index.
    public func pair(at index: UInt32) -> SourceSymbol { records[Int(index)].pair }

    /// Returns the source that feeds the symbol now: a member, if a group owns the symbol.
    public func source(of index: UInt32) -> Int { feeds[Int(index)].source }

    /// By number, the source that feeds the symbol now.
    public var sources: [Int] { feeds.map(\.source) }

    /// Returns the name of the provider that feeds the symbol now; `nil` when the table has no room
    /// for the name.
    public func provider(of index: UInt32) -> String? {
        let number = feeds[Int(index)].provider
        return number < providers.count ? providers[number] : nil
    }

    /// Returns whether the number is known and this source feeds its symbol.
    @inlinable @inline(__always)
    public func isFed(_ index: UInt32, by source: Int) -> Bool {
        index < feeds.count && feeds[Int(index)].source == source
    }

    /// Returns when the present provider began to feed the symbol; undefined when that is not
    /// known.
    public func since(of index: UInt32) -> Timestamp {
        let since = records[Int(index)].since
        return since == SourceTable.noWatermark ? .undefined : since
    }

    /// Returns the round lot of a symbol for a trade of this time.
    func lot(of index: UInt32, at time: Timestamp) -> Quantity {
        guard index < lots.count, let lot = lots[Int(index)] else { return RoundLot.usual }
        return lot.size(at: time)
    }

    /// Sets the lot that the last definition of a symbol states; `nil`: it states none.
    mutating func setLot(_ lot: RoundLot?, of index: UInt32) {
        guard index < records.count, lot != nil || index < lots.count else { return }
        while lots.count <= index { lots.append(nil) }
        lots[Int(index)] = lot
        if let lot { largestLot = max(largestLot, lot.size.raw, lot.before.raw) }
    }

    /// Returns the index of a symbol of a source or group; `nil` when it is not known.
    public func index(of pair: SourceSymbol) -> UInt32? {
        indexes[pair.symbol]?.first { records[Int($0)].pair.source == pair.source }
    }

    /// Returns the indexes of a symbol of all sources, in ascending order.
    public func indexes(of symbol: Symbol) -> [UInt32] { indexes[symbol] ?? [] }

    /// Returns the number of a provider, which it gets when it first appears. All providers beyond
    /// the limit, and those with too long a name, share one number.
    mutating func providerIndex(_ name: String) -> Int {
        if let known = providers.firstIndex(of: name) { return known }
        guard providers.count < StreamLimits.providersMax,
            name.utf8.count <= StreamLimits.providerBytesMax
        else { return StreamLimits.providersMax }
        providers.append(name)
        return providers.count - 1
    }

    /// Adds a symbol and returns its index; `nil` when the table is full.
    mutating func insert(
        _ pair: SourceSymbol, _ subscription: Subscription, feed: Feed
    ) -> UInt32? {
        guard records.count < StreamLimits.symbolsMax else {
            refused += 1
            return nil
        }
        let since = subscription.since.isDefined ? subscription.since : SourceTable.noWatermark
        let record = Record(
            pair: pair, since: since, firstSince: since,
            closedThrough: SourceTable.noWatermark)
        return append(record, feed: feed) ? UInt32(records.count - 1) : nil
    }

    /// Appends a restored symbol; returns false when the symbol is there already.
    mutating func append(_ record: Record, feed: Feed) -> Bool {
        let index = UInt32(records.count)
        guard self.index(of: record.pair) == nil else { return false }
        indexes[record.pair.symbol, default: []].append(index)
        feeds.append(feed)
        records.append(record)
        attach(index, to: feed.source)
        return true
    }

    /// Reserves room in a table that is about to be restored.
    mutating func prepare(symbols: Int, refused: UInt64) {
        indexes.reserveCapacity(symbols)
        feeds.reserveCapacity(symbols)
        records.reserveCapacity(symbols)
        self.refused = refused
    }

    /// Returns whether the feed is `.foreign`, or one of a known provider and of a source in a
    /// table of so many sources.
    func isKnown(_ feed: Feed, sourceCount: Int) -> Bool {
        feed == .foreign
            || feed.source < sourceCount
                && (feed.provider < providers.count || feed.provider == StreamLimits.providersMax)
    }

    /// Notes when the present subscription began.
    mutating func restart(_ index: UInt32, since: Timestamp) {
        records[Int(index)].since = since
    }

    /// Lets another member of its group, or another provider, feed the symbol. `closedThrough` is
    /// the earlier member's watermark: windows that it closed stay closed.
    mutating func move(_ index: UInt32, to feed: Feed, closedThrough: Timestamp) {
        let before = feeds[Int(index)]
        feeds[Int(index)] = feed
        guard before.source != feed.source else { return }
        symbolsBySource[before.source].removeAll { $0 == index }
        attach(index, to: feed.source)
        records[Int(index)].closedThrough = max(
            records[Int(index)].closedThrough, closedThrough)
    }

    /// Lists the symbol among those of its source.
    private mutating func attach(_ index: UInt32, to source: Int) {
        while symbolsBySource.count <= source { symbolsBySource.append([]) }
        let place = symbolsBySource[source].lastIndex { $0 < index }.map { $0 + 1 } ?? 0
        symbolsBySource[source].insert(index, at: place)
    }
}
