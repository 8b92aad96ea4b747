internal import MarketModel
internal import Primitives

extension BarMachine {
    /// The machine whose `encode` made these bytes, for the same series.
    ///
    /// Every length, index and range is checked, so that no bytes can trap it now or later; bytes
    /// that it accepts are those that it would write itself.
    public init(series: BarSeriesSet, restoring bytes: RawSpan) throws(CheckpointError) {
        try self.init(
            series: series, windows: WindowStore(seriesCount: series.all.count), restoring: bytes)
    }

    /// Tests give smaller limits.
    init(
        series: BarSeriesSet, windows: WindowStore, lateTicksMax: Int = StreamLimits.lateTicksMax,
        restoring bytes: RawSpan
    ) throws(CheckpointError) {
        self.init(series: series, windows: windows, lateTicksMax: lateTicksMax)
        var reader = try Self.envelope.open(bytes)
        try checkSeries(&reader, bytes)
        tapeStart = Timestamp(nanoseconds: try reader.int64(in: bytes))
        guard tapeStart.isDefined else { throw reader.malformed(.header) }
        try restoreCounters(&reader, bytes)
        try restoreSources(&reader, bytes)
        try restoreSymbols(&reader, bytes)
        try restoreWindows(&reader, bytes)
        try restoreLateTicks(&reader, bytes)
        try reader.finish()
        try checkBalance()
    }

    private func checkSeries(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .series, max: StreamLimits.seriesMax, bytesEach: 10, in: bytes)
        var found: [String] = []
        var isSame = count == series.all.count
        for index in 0..<count {
            let width = try reader.int64(in: bytes)
            let name = try reader.text(of: .series, max: SeriesName.utf8CountMax, in: bytes)
            // It goes into an error, and what is no name of a series could break its line.
            guard SeriesName(name) != nil else { throw reader.malformed(.series) }
            found.append(name)
            isSame =
                isSame && series.all[index].widthNanoseconds == width
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
        receivedTrades = try reader.tally(in: bytes)
        account.unknownSymbol = try reader.tally(in: bytes)
        account.backfilled = try reader.tally(in: bytes)
        account.filter = try reader.tally(in: bytes)
        account.undefined = try reader.tally(in: bytes)
        for index in account.series.indices {
            var one = BarCounters.Series()
            one.counted = try reader.tally(in: bytes)
            one.late = try reader.tally(in: bytes)
            one.refused = try reader.tally(in: bytes)
            one.lateUnlisted = try reader.tally(in: bytes)
            one.bars = try reader.tally(in: bytes)
            one.windowsWithoutTrades = try reader.tally(in: bytes)
            one.notionalSaturated = try reader.tally(in: bytes)
            account.series[index] = one
        }
    }

    private mutating func restoreSources(
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
            windows.addSource()
        }
        guard Set(entries.map(\.name)).count == count else { throw reader.malformed(.source) }
        sources = SourceTable(entries: entries, refused: refused)
    }

    private mutating func restoreSymbols(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let providerCount = try reader.count(
            of: .provider, max: StreamLimits.providersMax, bytesEach: 2, in: bytes)
        for index in 0..<providerCount {
            let provider = try reader.text(
                of: .provider, max: StreamLimits.providerBytesMax, in: bytes)
            guard table.providerIndex(provider) == index else { throw reader.malformed(.provider) }
        }
        let refused = try reader.tally(in: bytes)
        let count = try reader.count(
            of: .symbol, max: StreamLimits.symbolsMax, bytesEach: SymbolTable.encodedBytesMin,
            in: bytes)
        table.prepare(symbols: count, refused: refused)
        windows.prepare(symbols: count)
        for _ in 0..<count {
            let feed = SymbolTable.Feed(raw: try reader.uint32(in: bytes))
            let since = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let firstSince = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let closedThrough = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let text = try reader.text(of: .symbol, max: Symbol.utf8CountMax, in: bytes)
            guard let symbol = Symbol(text), firstSince <= since, since.isDefined,
                closedThrough.isDefined, table.isKnown(feed, sourceCount: sources.entries.count)
            else { throw reader.malformed(.symbol) }
            let record = SymbolTable.Record(
                symbol: symbol, since: since, firstSince: firstSince, closedThrough: closedThrough)
            guard table.append(record, feed: feed) else { throw reader.malformed(.symbol) }
            windows.addSymbol()
        }
    }

    private mutating func restoreWindows(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .window, max: StreamLimits.openWindowsMax, bytesEach: WindowState.encodedBytes,
            in: bytes)
        windows.prepare(windows: count)
        var key = -1
        var newer: UInt32 = 0
        for _ in 0..<count {
            let start = try reader.take(WindowState.encodedBytes)
            let block = bytes.extracting(start..<start + WindowState.encodedBytes)
            guard let window = WindowState(block, widths: widths),
                Int(window.symbol) < table.count,
                window.isPossible(table, sourceCount: sources.entries.count)
            else { throw reader.malformed(.window) }
            let itsKey = Int(window.symbol) * seriesCount + Int(window.series)
            if itsKey != key {
                guard itsKey > key else { throw reader.malformed(.window) }
                key = itsKey
                newer = 0
            } else if windows.slots[Int(newer)].start <= window.start {
                throw reader.malformed(.window)
            }
            let source = table.feeds[Int(window.symbol)].source
            guard let slot = windows.open(window, behind: newer, source: source) else {
                throw reader.malformed(.window)
            }
            newer = slot
        }
    }

    private mutating func restoreLateTicks(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .lateTick, max: lateTicksMax, bytesEach: LateTick.encodedBytes, in: bytes)
        lateTicks.reserveCapacity(count)
        for _ in 0..<count {
            let start = try reader.take(LateTick.encodedBytes)
            guard
                let tick = LateTick(
                    bytes.extracting(start..<start + LateTick.encodedBytes), widths: widths,
                    sourceCount: sources.entries.count, symbolCount: table.count)
            else { throw reader.malformed(.lateTick) }
            lateTicks.append(tick)
        }
    }

    /// The equation of `BarCounters`, in sums that cannot overflow. As it holds, none of the sums
    /// made of these counters later can, either.
    private func checkBalance() throws(CheckpointError) {
        var open = [UInt128](repeating: 0, count: seriesCount)
        for window in windows.slots { open[Int(window.series)] += UInt128(window.trades) }
        let excluded = [
            account.unknownSymbol, account.backfilled, account.filter, account.undefined,
        ]
        for (index, one) in account.series.enumerated() {
            let terms = excluded + [one.counted, one.late, one.refused]
            let sum = terms.reduce(open[index]) { $0 + UInt128($1) }
            guard sum == UInt128(received) else { throw .unbalanced(series: index) }
        }
    }
}
