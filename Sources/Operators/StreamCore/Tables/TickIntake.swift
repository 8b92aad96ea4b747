internal import MarketModel
internal import Primitives

/// The first step of a tick in a `NumberMachine` or an `InactivityMachine`: it decides whether the
/// tick counts, and keeps the account and the list of late ticks. (A `BarMachine` does this itself,
/// for its hot path.)
struct TickIntake: Sendable {
    let rule: BarRule
    /// Whether it belongs to a repair machine, in which fetched ticks count.
    private(set) var isRepair = false
    var account: BarCounters
    /// Late ticks since the last call of `takeLateTicks`.
    var lateTicks: [LateTick] = []
    private let lateTicksMax: Int

    init(rule: BarRule, lateTicksMax: Int = StreamLimits.lateTicksMax) {
        self.rule = rule
        self.lateTicksMax = lateTicksMax
        account = BarCounters(seriesCount: rule.series.all.count)
    }

    /// An intake for the repair machine, with an empty account. It lists no late ticks.
    var forRepair: TickIntake {
        var intake = TickIntake(rule: rule, lateTicksMax: 0)
        intake.isRepair = true
        return intake
    }

    /// How an incoming tick is treated.
    enum Admission {
        /// It goes into windows, with the effect that the rule allows.
        case tick(TickInput)
        /// It is excluded from all series. The window that holds its time only counts it.
        case exclusion(TickInput)
        /// It is counted in the account, and in no window.
        case nothing
    }

    /// Classifies and counts a trade.
    mutating func admit(
        _ trade: Trade, source: Int, ordinal: UInt64, _ tables: PartitionTables
    ) -> Admission {
        guard let feed = begin(trade.header, source: source, tables) else { return .nothing }
        guard trade.header.isNew else { return exclude(trade.header, feed, .filter) }
        guard trade.isComplete else { return exclude(trade.header, feed, .undefined) }
        return .tick(rule.input(trade, ordinal: ordinal, feed: feed, tables.symbols))
    }

    /// Classifies and counts a quote.
    mutating func admit(
        _ quote: Quote, source: Int, ordinal: UInt64, _ tables: PartitionTables
    ) -> Admission {
        guard let feed = begin(quote.header, source: source, tables) else { return .nothing }
        guard quote.header.isNew else { return exclude(quote.header, feed, .filter) }
        let price = quote.price(of: rule.field)
        guard price.isDefined, quote.header.eventTime.isUsable else {
            return exclude(quote.header, feed, .undefined)
        }
        return .tick(
            TickInput(
                time: quote.header.eventTime.nanoseconds, ordinal: ordinal, price: price.raw,
                feed: feed, effect: .all))
    }

    /// Counts a tick that an earlier node of the graph did not let through.
    mutating func admit(
        excluded header: TickHeader, source: Int, _ tables: PartitionTables
    ) -> Admission {
        guard let feed = begin(header, source: source, tables) else { return .nothing }
        return exclude(header, feed, .filter)
    }

    /// Counts a tick. Returns its feed; `nil` when it concerns no window.
    private mutating func begin(
        _ header: TickHeader, source: Int, _ tables: PartitionTables
    ) -> SymbolTable.Feed? {
        account.received += 1
        guard let feed = feed(of: header, source: source, tables) else {
            account.unknownSymbol += 1
            return nil
        }
        guard isRepair || !header.flags.contains(.backfilled) else {
            account.backfilled += 1
            return nil
        }
        return feed
    }

    /// Returns the tick's feed; `nil` when the symbol is unknown, or another source feeds it. In a
    /// repair, fetched ticks may come from any source.
    private func feed(
        of header: TickHeader, source: Int, _ tables: PartitionTables
    ) -> SymbolTable.Feed? {
        let symbol = Int(header.symbol)
        guard symbol < tables.symbols.count, tables.sources.entries.indices.contains(source) else {
            return nil
        }
        let feed = tables.symbols.feeds[symbol]
        if feed.source == source { return feed }
        return isRepair && header.flags.contains(.backfilled) ? .foreign : nil
    }

    /// Counts an excluded tick by reason. One without a usable time is in no window.
    private mutating func exclude(
        _ header: TickHeader, _ feed: SymbolTable.Feed, _ note: TickInput.Note
    ) -> Admission {
        if note == .filter { account.filter += 1 } else { account.undefined += 1 }
        guard header.eventTime.isUsable else { return .nothing }
        return .exclusion(
            TickInput(time: header.eventTime.nanoseconds, feed: feed, note: note))
    }

    // MARK: late ticks

    /// Counts a late tick, and lists it if there is room.
    mutating func list(_ tick: LateTick) {
        let series = Int(tick.series)
        if tick.reason == .windowLimit {
            account.series[series].refused += 1
        } else {
            account.series[series].late += 1
        }
        guard lateTicks.count < lateTicksMax else {
            account.series[series].lateUnlisted += 1
            return
        }
        lateTicks.append(tick)
    }

    /// Moves the late ticks since the last call to the end of `late`, in order of arrival.
    mutating func takeLateTicks(into late: inout [LateTick]) {
        late.append(contentsOf: lateTicks)
        lateTicks.removeAll(keepingCapacity: true)
    }
}

extension TickIntake {
    /// Appends the state as a part of the machine's snapshot: names of series, account, late ticks.
    func encode(into bytes: inout [UInt8]) {
        rule.series.encodeNames(into: &bytes)
        account.encode(.withoutFills, into: &bytes)
        bytes.append(integer: UInt32(lateTicks.count))
        for tick in lateTicks { tick.encodeWhole(into: &bytes) }
    }

    /// Restores the intake of a machine that was made for the same rule.
    init(
        rule: BarRule, _ reader: inout StateReader, _ bytes: RawSpan, _ tables: PartitionTables
    ) throws(CheckpointError) {
        self.init(rule: rule)
        try rule.series.checkNames(&reader, bytes)
        try account.restore(.withoutFills, &reader, bytes)
        try checkBalance()
        let count = rule.series.all.count
        try reader.items(
            of: .lateTick, max: lateTicksMax, bytesEach: LateTick.wholeBytes, in: bytes
        ) { block in
            LateTick(block, tables, seriesCount: count, closeTime: block.int64(at: 104))
                .map { lateTicks.append($0) } != nil
        }
    }
}

extension TickIntake {
    /// Checks the equation of `BarCounters` (each tick is in one window) in sums that cannot
    /// overflow. If it is true, no later sum of these counters can overflow.
    private func checkBalance() throws(CheckpointError) {
        for (index, one) in account.series.enumerated() {
            let terms = [
                account.unknownSymbol, account.backfilled, account.filter, account.undefined,
                one.counted, one.leftOut, one.late, one.refused, one.outsideSession,
            ]
            guard terms.reduce(UInt128(0), { $0 + UInt128($1) }) == UInt128(account.received)
            else { throw .unbalanced(series: index) }
        }
    }
}

extension BarSeriesSet {
    /// Appends the number of series, and the name and window rule of each.
    func encodeNames(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(all.count))
        for one in all {
            bytes.append(text: one.name.text)
            bytes.append(contentsOf: one.window.kindAndSize)
        }
    }

    /// Throws `otherSeries` unless the bytes that `encodeNames` wrote are those of this set.
    func checkNames(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        let count = try reader.count(
            of: .series, max: StreamLimits.seriesMax, bytesEach: 19, in: bytes)
        var found: [String] = []
        var isSame = count == all.count
        for index in 0..<count {
            let name = try reader.text(of: .series, max: SeriesName.utf8CountMax, in: bytes)
            // The name becomes part of an error, and an invalid one could break its line.
            guard SeriesName(name) != nil else { throw reader.malformed(.series) }
            found.append(name)
            let start = try reader.take(17)
            isSame =
                isSame && all[index].name.text == name
                && all[index].window.kindAndSize == bytes.extracting(start..<start + 17).array
        }
        guard isSame else {
            throw .otherSeries(
                found: found.joined(separator: ","),
                configured: all.map(\.name.text).joined(separator: ","))
        }
    }
}

extension WindowRule {
    /// The window rule as 17 bytes: a number for the kind, and its one or two sizes.
    var kindAndSize: [UInt8] {
        let (kind, sizes) = kindAndSizes
        return sizes.reduce(into: [kind]) { $0.append(integer: $1) }
    }

    /// A number for the kind, and its one or two sizes.
    var kindAndSizes: (kind: UInt8, sizes: [Int64]) {
        switch self {
        case .tumbling(let width): (0, [width, 0])
        case .session(let width): (1, [width ?? 0, 0])
        case .sliding(let width, let hop): (2, [width, hop])
        case .inactivity(let gap): (3, [gap, 0])
        case .ticks(let count): (4, [count, 0])
        case .volume(let size): (5, [size, 0])
        case .dollars(let size): (6, [size, 0])
        }
    }
}

extension LateTick {
    /// The length in bytes of a late tick with its window's end.
    static let wholeBytes = 112

    /// Appends the late tick with the window's end. For windows by number or by inactivity the end
    /// does not follow from the start.
    func encodeWhole(into bytes: inout [UInt8]) {
        encode(into: &bytes)
        bytes.append(integer: closeTime.nanoseconds)
    }
}
