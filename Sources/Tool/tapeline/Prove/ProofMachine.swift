import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// Runs a graph that computes bars again, and keeps the last version of those in scope.
struct ProofMachine {
    /// The bars in scope.
    struct Scope: Sendable {
        /// Symbols of any source. Empty means all symbols.
        var symbols: Set<Symbol> = []
        var series: Set<SeriesName>
        /// The names of numbers of windows.
        var values: Set<String> = []
        var from: Int64
        var to: Int64

        func holds(_ key: ProofKey) -> Bool {
            key.openTime >= from && key.openTime < to && series.contains(key.series)
                && (symbols.isEmpty || symbols.contains(key.symbol.symbol))
        }

        func holds(_ key: ProofValueKey) -> Bool {
            key.from >= from && key.from < to && values.contains(key.name)
                && (symbols.isEmpty || key.symbol.map { symbols.contains($0.symbol) } ?? false)
        }
    }

    private let scope: Scope
    private var machine: GraphMachine
    private var output = GraphOutput()
    private var sources: [SourceName] = []
    private(set) var bars: [ProofKey: Bar] = [:]
    private(set) var values: [ProofValueKey: Int128] = [:]
    private(set) var ticks = 0
    /// The stretches of gaps that were filled, by the machine's numbers of symbols.
    private var filled: [UInt32: [Range<Int64>]] = [:]
    /// How long a quote may count for later trades; 0 without a join.
    private let quoteAge: Int64
    /// Bars with missing ticks over a gap that was filled before they were published.
    private(set) var filledWhileOpen: Set<ProofKey> = []
    /// The node that listed a tick of the last packet as a duplicate.
    private(set) var duplicateFinder: SeriesName?

    /// `takesFetched`: ticks that were fetched later count, as in a repair.
    init(_ program: GraphProgram, _ scope: Scope, takesFetched: Bool = false) {
        self.scope = scope
        machine = GraphMachine(program)
        machine.takesFetched = takesFetched
        quoteAge = program.definition.quoteAgeMax
    }

    /// All bars that close up to this time are published.
    var watermark: Timestamp { machine.watermark }

    /// Bars of this symbol that close no later than this are published, because its feed has passed
    /// them. `nil` if nothing fed it.
    func watermark(of symbol: SourceSymbol) -> Timestamp? {
        guard let index = machine.symbols.index(of: symbol) else { return nil }
        let (source, sources) = (machine.symbols.source(of: index), machine.sources.entries)
        return sources.indices.contains(source) ? sources[source].watermark : nil
    }

    /// The sources or groups that fed this symbol.
    func sources(of symbol: Symbol) -> [SourceSymbol] {
        machine.symbols.indexes(of: symbol).map { machine.symbols.pair(at: $0) }
    }

    mutating func tapeStarts(at time: Timestamp) { machine.tapeStarts(at: time) }

    mutating func take(_ header: PacketHeader, _ packet: RawSpan) throws(ToolError) {
        guard machine.take(header, packet, into: &output) else {
            throw .refused("more sources feed a partition than the limit allows")
        }
        ticks += header.kind == .ticks ? Int(header.tickCount) : 0
        collect()
    }

    /// Closes all bars. It serves packets given without a watermark, for which nothing was late.
    mutating func close(_ sources: [SourceName]) throws(ToolError) {
        let end = Timestamp(nanoseconds: scope.to)
            .advanced(byNanoseconds: StreamLimits.latenessMax)
            .advanced(byNanoseconds: 4 * 86_400_000_000_000)
        for source in sources {
            var builder = PacketBuilder(
                kind: .watermark, partition: Partition(0), source: source)
            let packet = builder.seal(
                PacketBuilder.Seal(epoch: 1, firstOrdinal: 1, watermark: end, sendTime: end))
            try packet.withBytes { bytes throws(ToolError) in try take(packet.header, bytes) }
        }
    }

    private mutating func collect() {
        for range in output.dirty where range.reason == BarReason.backfill.rawValue {
            let reach = range.concerns(.quote) ? quoteAge : 0
            filled[range.symbol, default: []].append(range.from..<range.to + reach)
        }
        for var bar in output.bars {
            let key = key(of: bar)
            guard scope.holds(key) else { continue }
            // This machine makes no repairs, by which a worker flags windows that are open.
            if machine.missesTicks(bar) { bar.flags.insert(.partial) }
            bars[key] = bar
            if bar.flags.contains(.partial), wasFilled(bar) { filledWhileOpen.insert(key) }
        }
        for value in output.values where scope.values.contains(value.name) {
            let key = ProofValueKey(
                symbol: machine.symbols.pair(at: value.symbol), name: value.name,
                from: value.periodStart.nanoseconds, to: value.periodEnd.nanoseconds)
            if scope.holds(key) { values[key] = value.value }
        }
        duplicateFinder = output.late.last { $0.reason == .duplicate }
            .map { machine.program.series[Int($0.series)].name }
        output.removeAll()
    }

    private func wasFilled(_ bar: Bar) -> Bool {
        let (open, close) = (bar.openTime.nanoseconds, bar.closeTime.nanoseconds)
        return filled[bar.symbol]?.contains { $0.lowerBound < close && open < $0.upperBound }
            ?? false
    }

    private func key(of bar: Bar) -> ProofKey {
        ProofKey(
            symbol: machine.symbols.pair(at: bar.symbol),
            series: machine.program.series[Int(bar.series)].name,
            openTime: bar.openTime.nanoseconds, number: bar.number)
    }

    // MARK: what a single tick did

    /// The ticks that the machine excluded so far, by reason.
    var excluded: ExcludedTicks { machine.excluded }

    /// Returns the bars in scope of open windows that changed since the last call. They have counts
    /// of excluded ticks even before a tick has set a price.
    mutating func takeOpenBars() -> [ProofKey: Bar] {
        var open: [Bar] = []
        machine.takeOpenBars(into: &open)
        var found: [ProofKey: Bar] = [:]
        for bar in open {
            let key = key(of: bar)
            if scope.holds(key) { found[key] = bar }
        }
        return found
    }
}
