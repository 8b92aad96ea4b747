public import MarketModel
public import Primitives
public import StreamCore
public import TapeCodec

/// The nodes of a graph that work over all partitions: packets of bars of all of them in, in the
/// order of their stream, and values out. Pure: what it answers follows from them alone.
public struct UniverseMachine: Sendable {
    public let program: UniverseProgram
    private var state: UniverseState
    /// By node, as text: `<node>.<measure>`.
    private let names: [[String]]
    /// By node; nil: every symbol.
    private let universes: [Set<Symbol>?]
    private var values: [BreadthMachine.Value] = []
    /// What the indexes of the packet at hand mean: a symbol's number, and the nodes that it and
    /// a series belong to.
    private var packetSymbols: [(number: UInt32, nodes: UInt64)] = []
    private var packetSeries: [UInt64] = []

    public init(_ program: UniverseProgram) {
        self.program = program
        state = Self.blank(program)
        names = zip(program.nodes, state.machines).map { node, machine in
            machine.names.map { "\(node.name).\($0)" }
        }
        universes = program.nodes.map { $0.rule.universe.isEmpty ? nil : Set($0.rule.universe) }
    }

    /// The machine whose `encode` made these bytes, for the same program.
    public init(_ program: UniverseProgram, restoring bytes: RawSpan) throws(CheckpointError) {
        self.init(program)
        state = try UniverseState(state, restoring: bytes)
    }

    private static func blank(_ program: UniverseProgram) -> UniverseState {
        UniverseState(
            partitions: program.partitions,
            machines: program.nodes.map {
                BreadthMachine(
                    $0.rule, widthNanoseconds: $0.widthNanoseconds, lateness: $0.lateness,
                    calendar: $0.calendar)
            })
    }

    public func encode(into bytes: inout [UInt8]) { state.encode(into: &bytes) }

    /// The bars of all partitions are out up to here.
    public var watermark: Timestamp { state.clocks.watermark }
    public var symbols: Int { state.symbols.count }
    public var openWindows: Int { state.machines.reduce(0) { $0 + $1.openWindows } }

    // MARK: packets

    /// Takes the next packet of the stream of bars.
    public mutating func take(
        _ header: PacketHeader, _ packet: RawSpan, into output: inout [IndicatorValue]
    ) {
        guard header.kind == .bars, header.partition.number < program.partitions else { return }
        takeBars(packet)
        guard state.clocks.hear(header.watermark, of: header.partition.number) else { return }
        for node in state.machines.indices {
            state.machines[node].advance(to: watermark, into: &values)
            for value in values { output.append(published(value, node)) }
            values.removeAll(keepingCapacity: true)
        }
    }

    private func published(_ value: BreadthMachine.Value, _ node: Int) -> IndicatorValue {
        IndicatorValue(
            header: TickHeader(
                symbol: TickHeader.noSymbol, providerTime: value.periodEnd,
                receiveTime: value.periodEnd),
            name: names[node][value.measure], value: value.value,
            periodStart: value.periodStart, periodEnd: value.periodEnd,
            revision: value.revision)
    }

    private mutating func takeBars(_ packet: RawSpan) {
        packetSymbols.removeAll(keepingCapacity: true)
        packetSeries.removeAll(keepingCapacity: true)
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .bar(let bar): take(bar)
            case .other(let message): define(message, packet)
            case .trade, .quote: continue
            case .malformed: return
            }
        }
    }

    private mutating func take(_ bar: Bar) {
        let (symbol, series) = (Int(bar.symbol), Int(bar.series))
        guard symbol < packetSymbols.count, series < packetSeries.count else { return }
        var nodes = packetSymbols[symbol].nodes & packetSeries[series]
        while nodes != 0 {
            let node = nodes.trailingZeroBitCount
            nodes &= nodes &- 1
            state.machines[node].take(bar, symbol: packetSymbols[symbol].number)
        }
    }

    private mutating func define(_ message: MessageBounds, _ packet: RawSpan) {
        if let (index, definition) = message.symbolDefinition(in: packet) {
            guard index < PacketLimits.definitionsMax else { return }
            while packetSymbols.count <= index { packetSymbols.append((UInt32.max, 0)) }
            packetSymbols[Int(index)] = known(definition.symbol)
        } else if let (index, definition) = message.seriesDefinition(in: packet) {
            guard index < PacketLimits.definitionsMax else { return }
            while packetSeries.count <= index { packetSeries.append(0) }
            packetSeries[Int(index)] = nodes { $0.rule.series == definition.name }
        }
    }

    private mutating func known(_ symbol: Symbol) -> (number: UInt32, nodes: UInt64) {
        var nodes: UInt64 = 0
        for (node, universe) in universes.enumerated() where universe?.contains(symbol) ?? true {
            nodes |= 1 << UInt64(node)
        }
        return nodes == 0 ? (UInt32.max, 0) : (state.index(of: symbol), nodes)
    }

    private func nodes(_ isOf: (UniverseProgram.Node) -> Bool) -> UInt64 {
        var nodes: UInt64 = 0
        for (index, node) in program.nodes.enumerated() where isOf(node) {
            nodes |= 1 << UInt64(index)
        }
        return nodes
    }
}
