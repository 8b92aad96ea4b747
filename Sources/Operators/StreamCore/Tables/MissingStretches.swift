public import MarketModel

/// One statement of a gap record about one symbol: ticks of [from, to) are missing, or have been
/// filled in. `GapMeaning` of the module OperatorGraph makes it of a record.
public struct MissingChange: Hashable, Sendable {
    /// The machine's index of the symbol.
    public var symbol: UInt32
    /// The kind of ticks: `.any`, `.trade`, `.quote`, `.depth` or `.providerBar`. Nothing is
    /// remembered for other kinds.
    public var kind: DataKind
    /// The range [from, to) of event times, in nanoseconds since 1970.
    public var from: Int64
    public var to: Int64
    /// True when the ticks have been filled in, false when they are missing.
    public var isFilled: Bool

    public init(symbol: UInt32, kind: DataKind, from: Int64, to: Int64, isFilled: Bool) {
        self.symbol = symbol
        self.kind = kind
        self.from = from
        self.to = to
        self.isFilled = isFilled
    }
}

/// The times of a partition in which ticks are missing, by symbol: gaps that are not filled, and
/// moments at which subscriptions began. Windows that overlap them are partial.
///
/// `PartitionTables.missing` of a live machine holds gaps only, because the machine itself sees the
/// definitions. A repair notes the beginnings of subscriptions here, too, and so does the live
/// machine of a graph with a join or with depth: quotes that were missed before one may have
/// belonged to trades of windows that open later, and changes of a book to such windows.
///
/// Changes are applied in the order of the tape, and the last statement about a moment wins. So
/// applying the newest changes again to a complete state gives the same state. A repair does so
/// with records that it reads again.
public struct MissingStretches: Hashable, Sendable {
    /// A time [from, to).
    struct Stretch: Hashable, Sendable {
        var from: Int64
        var to: Int64
    }

    /// The missing ticks of one kind of one symbol.
    struct Missing: Hashable, Sendable {
        /// Gaps that are not filled, in order. No two overlap or touch each other.
        var stretches: [Stretch] = []
        /// Beginnings of subscriptions, in order. Ticks right before each of them are missing.
        var starts: [Int64] = []

        var isEmpty: Bool { stretches.isEmpty && starts.isEmpty }
    }

    struct OfSymbol: Hashable, Sendable {
        var trades = Missing()
        var quotes = Missing()
        /// Empty unless `holdsProviderBars`.
        var providerBars = Missing()
        /// Empty unless `holdsDepth`.
        var depth = Missing()

        var isEmpty: Bool {
            trades.isEmpty && quotes.isEmpty && providerBars.isEmpty && depth.isEmpty
        }

        func missing(_ kind: DataKind) -> Missing {
            if kind == .depth { return depth }
            return kind == .quote ? quotes : kind == .providerBar ? providerBars : trades
        }
    }

    /// Looked up by symbol; walked over only in the order of the symbols.
    private(set) var bySymbol: [UInt32: OfSymbol] = [:]
    /// The maximum number of gaps per symbol and kind, and of beginnings as well. Beyond it the two
    /// oldest gaps are joined, and the time between them is treated as missing, too.
    public var max: Int
    /// Whether missing bars of a provider are remembered, too: the graph takes such bars.
    public var holdsProviderBars = false
    /// Whether missing changes of books are remembered, too: the graph takes depth.
    public var holdsDepth = false

    public init(max: Int = StreamLimits.missingStretchesMax) { self.max = max }

    public var isEmpty: Bool { bySymbol.isEmpty }

    var symbols: [UInt32] { bySymbol.keys.sorted() }

    /// Returns whether ticks of this kind in [from, to) are missing, so that a window over that
    /// time is partial. `kind` is `.trade`, `.quote`, `.depth` or `.providerBar`.
    public func touches(_ symbol: UInt32, _ kind: DataKind, from: Int64, to: Int64) -> Bool {
        guard !bySymbol.isEmpty, let all = bySymbol[symbol] else { return false }
        return all.missing(kind).touches(from: from, to: to)
    }

    /// Applies one statement about a symbol.
    public mutating func apply(_ change: MissingChange) {
        guard change.from < change.to else { return }
        let (stretch, max) = (Stretch(from: change.from, to: change.to), max)
        let (holdsBars, holdsDepth) = (holdsProviderBars, holdsDepth)
        update(change.symbol) { all in
            if change.kind == .trade || change.kind == .any {
                all.trades.apply(stretch, isFilled: change.isFilled, max: max)
            }
            if change.kind == .quote || change.kind == .any {
                all.quotes.apply(stretch, isFilled: change.isFilled, max: max)
            }
            if holdsBars, change.kind == .providerBar || change.kind == .any {
                all.providerBars.apply(stretch, isFilled: change.isFilled, max: max)
            }
            if holdsDepth, change.kind == .depth || change.kind == .any {
                all.depth.apply(stretch, isFilled: change.isFilled, max: max)
            }
        }
    }

    /// Notes that a subscription began at `time`. Ticks of all kinds before it are missing.
    public mutating func start(_ symbol: UInt32, at time: Int64) {
        let (max, holdsBars, holdsDepth) = (max, holdsProviderBars, holdsDepth)
        update(symbol) { all in
            all.trades.start(time, max: max)
            all.quotes.start(time, max: max)
            if holdsBars { all.providerBars.start(time, max: max) }
            if holdsDepth { all.depth.start(time, max: max) }
        }
    }

    /// Removes the gaps that end and the subscriptions that began at or before `time`.
    public mutating func forget(_ symbol: UInt32, before time: Int64) {
        guard bySymbol[symbol] != nil else { return }
        update(symbol) { all in
            all.trades.forget(before: time)
            all.quotes.forget(before: time)
            all.providerBars.forget(before: time)
            all.depth.forget(before: time)
        }
    }

    /// Removes the subscriptions that began at or before `time`.
    public mutating func forgetStarts(_ symbol: UInt32, before time: Int64) {
        guard bySymbol[symbol] != nil else { return }
        update(symbol) { all in
            all.trades.forgetStarts(before: time)
            all.quotes.forgetStarts(before: time)
            all.providerBars.forgetStarts(before: time)
            all.depth.forgetStarts(before: time)
        }
    }

    private mutating func update(_ symbol: UInt32, _ change: (inout OfSymbol) -> Void) {
        var all = bySymbol[symbol] ?? OfSymbol()
        change(&all)
        bySymbol[symbol] = all.isEmpty ? nil : all
    }

    /// Sets the missing ticks of a symbol, when they are restored from a checkpoint.
    mutating func set(_ symbol: UInt32, _ all: OfSymbol) { bySymbol[symbol] = all }
}

extension MissingStretches.Missing {
    /// Returns whether a gap overlaps [from, to), or a subscription began inside, after `from`.
    func touches(from: Int64, to: Int64) -> Bool {
        if hasGap(from: from, to: to) { return true }
        let start = starts.partitioningIndex { $0 > from }
        return start < starts.count && starts[start] < to
    }

    func hasGap(from: Int64, to: Int64) -> Bool {
        let first = stretches.partitioningIndex { $0.to > from }
        return first < stretches.count && stretches[first].from < to
    }

    /// Adds a gap or removes it. Beyond `max` gaps the two oldest are joined.
    mutating func apply(_ stretch: MissingStretches.Stretch, isFilled: Bool, max: Int) {
        if isFilled { fill(stretch) } else { open(stretch) }
        while stretches.count > max {
            stretches[1].from = stretches[0].from
            stretches.removeFirst()
        }
    }

    /// Adds a gap, joined with the gaps that it overlaps or touches.
    private mutating func open(_ stretch: MissingStretches.Stretch) {
        let first = stretches.partitioningIndex { $0.to >= stretch.from }
        let end = stretches.partitioningIndex { $0.from > stretch.to }
        var joined = stretch
        if first < end {
            joined.from = min(joined.from, stretches[first].from)
            joined.to = Swift.max(joined.to, stretches[end - 1].to)
        }
        stretches.replaceSubrange(first..<end, with: CollectionOfOne(joined))
    }

    /// Removes the time of `stretch` from the gaps. A subscription that began in it misses nothing
    /// any more, so its beginning is removed, too.
    private mutating func fill(_ stretch: MissingStretches.Stretch) {
        starts.removeAll { stretch.from < $0 && $0 <= stretch.to }
        let first = stretches.partitioningIndex { $0.to > stretch.from }
        let end = stretches.partitioningIndex { $0.from >= stretch.to }
        guard first < end else { return }
        var rest: [MissingStretches.Stretch] = []
        if stretches[first].from < stretch.from {
            rest.append(
                MissingStretches.Stretch(from: stretches[first].from, to: stretch.from))
        }
        if stretches[end - 1].to > stretch.to {
            rest.append(MissingStretches.Stretch(from: stretch.to, to: stretches[end - 1].to))
        }
        stretches.replaceSubrange(first..<end, with: rest)
    }

    /// Adds the beginning of a subscription. Beyond `max` the oldest beginning becomes a gap that
    /// reaches up to the next one.
    mutating func start(_ time: Int64, max: Int) {
        let place = starts.partitioningIndex { $0 >= time }
        guard place == starts.count || starts[place] != time else { return }
        starts.insert(time, at: place)
        guard starts.count > max else { return }
        let oldest = starts.removeFirst()
        let end = starts.first ?? oldest
        apply(
            MissingStretches.Stretch(from: oldest - 1, to: end), isFilled: false, max: max)
    }

    mutating func forget(before time: Int64) {
        stretches.removeFirst(stretches.partitioningIndex { $0.to > time })
        forgetStarts(before: time)
    }

    mutating func forgetStarts(before time: Int64) {
        starts.removeFirst(starts.partitioningIndex { $0 > time })
    }
}
