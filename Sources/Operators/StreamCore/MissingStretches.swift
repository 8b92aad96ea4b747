public import MarketModel

/// A gap record's word on one symbol: data of [from, to) are missing, or are here after all.
public struct MissingChange: Hashable, Sendable {
    public var symbol: UInt32
    /// `.any`, `.trade` or `.quote`; of others nothing is remembered.
    public var kind: DataKind
    public var from: Int64
    public var to: Int64
    public var isFilled: Bool

    public init(symbol: UInt32, kind: DataKind, from: Int64, to: Int64, isFilled: Bool) {
        self.symbol = symbol
        self.kind = kind
        self.from = from
        self.to = to
        self.isFilled = isFilled
    }
}

/// What is missing of the symbols' data: gaps that nobody has filled, and moments at which
/// subscriptions began. Windows over them are partial.
///
/// Applied in the order of the tape, the last word on a moment holds. So whoever knows what came
/// of all records can apply the newest ones again, and knows the same.
public struct MissingStretches: Hashable, Sendable {
    /// [from, to)
    struct Stretch: Hashable, Sendable {
        var from: Int64
        var to: Int64
    }

    /// Of one kind of one symbol.
    struct Missing: Hashable, Sendable {
        /// In order; no two touch.
        var stretches: [Stretch] = []
        /// In order. Nobody looked right before.
        var starts: [Int64] = []

        var isEmpty: Bool { stretches.isEmpty && starts.isEmpty }
    }

    struct OfSymbol: Hashable, Sendable {
        var trades = Missing()
        var quotes = Missing()
    }

    /// Looked up, and walked over in the order of the symbols alone.
    private(set) var bySymbol: [UInt32: OfSymbol] = [:]
    /// Of one symbol and kind. Beyond, the two oldest stretches are made one: what is between them
    /// counts as missing, too.
    public var max: Int

    public init(max: Int = StreamLimits.missingStretchesMax) { self.max = max }

    public var isEmpty: Bool { bySymbol.isEmpty }

    var symbols: [UInt32] { bySymbol.keys.sorted() }

    /// A window over [from, to) of the symbol is partial.
    func touches(_ symbol: UInt32, _ kind: DataKind, from: Int64, to: Int64) -> Bool {
        guard !bySymbol.isEmpty, let all = bySymbol[symbol] else { return false }
        let missing = kind == .quote ? all.quotes : all.trades
        return missing.touches(from: from, to: to)
    }

    public mutating func apply(_ change: MissingChange) {
        guard change.from < change.to else { return }
        let (stretch, max) = (Stretch(from: change.from, to: change.to), max)
        update(change.symbol) { all in
            if change.kind == .trade || change.kind == .any {
                all.trades.apply(stretch, isFilled: change.isFilled, max: max)
            }
            if change.kind == .quote || change.kind == .any {
                all.quotes.apply(stretch, isFilled: change.isFilled, max: max)
            }
        }
    }

    /// A subscription began then, later than those before it.
    public mutating func start(_ symbol: UInt32, at time: Int64) {
        let max = max
        update(symbol) { all in
            all.trades.start(time, max: max)
            all.quotes.start(time, max: max)
        }
    }

    /// Lets go of what ends here or before.
    public mutating func forget(_ symbol: UInt32, before time: Int64) {
        guard bySymbol[symbol] != nil else { return }
        update(symbol) { all in
            all.trades.forget(before: time)
            all.quotes.forget(before: time)
        }
    }

    private mutating func update(_ symbol: UInt32, _ change: (inout OfSymbol) -> Void) {
        var all = bySymbol[symbol] ?? OfSymbol()
        change(&all)
        bySymbol[symbol] = all.trades.isEmpty && all.quotes.isEmpty ? nil : all
    }

    mutating func set(_ symbol: UInt32, _ all: OfSymbol) { bySymbol[symbol] = all }
}

extension MissingStretches.Missing {
    func touches(from: Int64, to: Int64) -> Bool {
        let first = stretches.partitioningIndex { $0.to > from }
        if first < stretches.count, stretches[first].from < to { return true }
        let start = starts.partitioningIndex { $0 > from }
        return start < starts.count && starts[start] < to
    }

    mutating func apply(_ stretch: MissingStretches.Stretch, isFilled: Bool, max: Int) {
        if isFilled { fill(stretch) } else { open(stretch) }
        while stretches.count > max {
            stretches[1].from = stretches[0].from
            stretches.removeFirst()
        }
    }

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

    /// A subscription that began in what is here after all misses nothing.
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

    /// Beyond `max` the oldest one is kept as a gap that reaches up to the next.
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
        starts.removeFirst(starts.partitioningIndex { $0 > time })
    }
}
