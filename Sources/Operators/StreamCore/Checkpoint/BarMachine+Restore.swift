internal import MarketModel
internal import Primitives

extension BarMachine {
    /// Restores the machine whose `encode` wrote these bytes, for the same rule and calendar.
    ///
    /// Every length, index and range is checked, so that no bytes can trap it now or later. It
    /// accepts only bytes that it would write itself.
    public init(
        rule: BarRule, calendar: SessionCalendar?, restoring bytes: RawSpan,
        _ tables: PartitionTables
    ) throws(CheckpointError) {
        try self.init(
            rule: rule, calendar: calendar, limits: MachineLimits(), restoring: bytes, tables)
    }

    init(
        rule: BarRule, calendar: SessionCalendar?, limits: MachineLimits, restoring bytes: RawSpan,
        _ tables: PartitionTables
    ) throws(CheckpointError) {
        self.init(rule: rule, calendar: calendar, limits: limits)
        var reader = try Self.envelope.open(bytes)
        try checkSeries(&reader, bytes)
        try restoreCounters(&reader, bytes)
        windows.prepare(sources: tables.sources.entries.count, symbols: tables.symbols.count)
        for _ in 0..<tables.symbols.count { fills.addSymbol() }
        try restoreWindows(&reader, bytes, tables)
        try restoreFills(&reader, bytes, tables)
        try restoreLateTicks(&reader, bytes, tables)
        try reader.finish()
        try checkBalance()
    }

    /// Throws `otherSeries` unless the state was made with the series of this machine's rule.
    private func checkSeries(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let field = try reader.take(1)
        var isSame = bytes.uint8(at: field) == rule.field.rawValue
        let count = try reader.count(
            of: .series, max: StreamLimits.seriesMax, bytesEach: BarSeries.shapeBytesCount + 2,
            in: bytes)
        var found: [String] = []
        isSame = isSame && count == series.all.count
        for index in 0..<count {
            let start = try reader.take(BarSeries.shapeBytesCount)
            let shape = bytes.extracting(start..<start + BarSeries.shapeBytesCount).array
            let name = try reader.text(of: .series, max: SeriesName.utf8CountMax, in: bytes)
            // The name becomes part of an error, and an invalid one could break its line.
            guard SeriesName(name) != nil else { throw reader.malformed(.series) }
            found.append(name)
            isSame =
                isSame && series.all[index].shapeBytes == shape
                && series.all[index].name.text == name
        }
        guard isSame else {
            throw .otherSeries(
                found: found.joined(separator: ","),
                configured: series.all.map(\.name.text).joined(separator: ","))
        }
    }

    private mutating func restoreCounters(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        try account.restore(.all, &reader, bytes)
        receivedTrades = account.received
        account.received = 0
    }

    /// Restores the windows in the order of `WindowStore.forEach`: by key, the newest of each
    /// first.
    private mutating func restoreWindows(
        _ reader: inout StateReader, _ bytes: RawSpan, _ tables: PartitionTables
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .window, max: StreamLimits.openWindowsMax, bytesEach: WindowState.encodedBytes,
            in: bytes)
        windows.prepare(windows: count)
        var key = -1
        var newer = 0
        for _ in 0..<count {
            let start = try reader.take(WindowState.encodedBytes)
            let block = bytes.extracting(start..<start + WindowState.encodedBytes)
            guard let window = WindowState(block, shapes: shapes),
                window.isPossible(tables, isPlain: rule.isPlain)
            else { throw reader.malformed(.window) }
            let itsKey = Int(window.symbol) * seriesCount + Int(window.series)
            if itsKey != key {
                guard itsKey > key else { throw reader.malformed(.window) }
                key = itsKey
                newer = 0
            } else if windows.slots[newer].start <= window.start {
                throw reader.malformed(.window)
            }
            let source = tables.symbols.feeds[Int(window.symbol)].source
            guard let slot = windows.open(window, behind: newer, source: source) else {
                throw reader.malformed(.window)
            }
            newer = slot
        }
    }

    private mutating func restoreFills(
        _ reader: inout StateReader, _ bytes: RawSpan, _ tables: PartitionTables
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .fill, max: fills.states.count, bytesEach: FillTable.encodedBytes, in: bytes)
        var before = -1
        for _ in 0..<count {
            let key = Int(try reader.uint32(in: bytes))
            let filled = Int(try reader.uint32(in: bytes))
            let base = try reader.int64(in: bytes)
            let close = try reader.int64(in: bytes)
            let last = try reader.int64(in: bytes)
            guard key > before, key < fills.states.count else { throw reader.malformed(.fill) }
            before = key
            let shape = shapes[key % seriesCount]
            guard filled <= fills.maxima[key % seriesCount], base <= last,
                Price(raw: close).isDefined, shape.window(startingAt: base) != nil,
                let bounds = shape.window(startingAt: last)
            else { throw reader.malformed(.fill) }
            fills.set(
                FillTable.State(base: base, close: close, last: bounds, filled: filled), key: key)
            expectFill(symbol: key / seriesCount, series: key % seriesCount, tables)
        }
    }

    private mutating func restoreLateTicks(
        _ reader: inout StateReader, _ bytes: RawSpan, _ tables: PartitionTables
    ) throws(CheckpointError) {
        try reader.items(
            of: .lateTick, max: limits.lateTicks, bytesEach: LateTick.encodedBytes, in: bytes
        ) { block in
            LateTick(block, shapes: shapes, tables).map { lateTicks.append($0) } != nil
        }
    }

    /// Checks the equation of `BarCounters`, in sums that cannot overflow. If it is true, no later
    /// sum of these counters can overflow.
    private func checkBalance() throws(CheckpointError) {
        var open = [Int128](repeating: 0, count: seriesCount)
        windows.forEach { open[Int($0.series)] += Int128($0.trades) }
        let excluded = [
            account.unknownSymbol, account.backfilled, account.filter, account.undefined,
        ].reduce(Int128(0)) { $0 + Int128($1) }
        for (index, one) in account.series.enumerated() {
            let terms = [one.counted, one.leftOut, one.late, one.refused, one.outsideSession]
            let sum = terms.reduce(open[index]) { $0 + Int128($1) }
            let placed = (Int128(received) - excluded) * Int128(one.windowsPerTick)
            guard sum == placed + Int128(one.repaired) else { throw .unbalanced(series: index) }
        }
    }
}
