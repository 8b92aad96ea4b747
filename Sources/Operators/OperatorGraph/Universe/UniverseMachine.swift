package import MarketModel
package import Primitives
package import StreamCore
package import TapeCodec

/// The nodes of a graph that work over all partitions. It takes the packets of bars of all
/// partitions, in the order of their stream, and makes values. Pure: its results follow from the
/// packets alone.
package struct UniverseMachine: Sendable {
    package let program: UniverseProgram
    private var state: UniverseState
    /// By node and measure: `<node>.<measure>`.
    private let names: [[String]]
    /// The names of a provider's daily values, for the nodes that use them.
    private let parts: [(name: String, node: Int, part: UniverseState.DayPart)]
    private var values: [UniverseState.Value] = []
    /// By symbol of the present packet and node: the symbol's number in the node; `nil` when it
    /// does not count there.
    private var packetSymbols: [UInt32?] = []
    /// By series of the present packet: the nodes that take its bars, as bits.
    private var packetSeries: [UInt64] = []

    package init(_ program: UniverseProgram) {
        self.init(program, waitingBarsMax: StreamLimits.waitingBarsMax)
    }

    init(_ program: UniverseProgram, waitingBarsMax: UInt64) {
        self.program = program
        state = UniverseState(
            partitions: program.partitions,
            machines: program.nodes.map {
                BreadthMachine(
                    rule: $0.rule, series: $0.series, calendar: $0.calendar, partitions: 1)
            }, waitingBarsMax: waitingBarsMax)
        names = program.nodes.map { node in
            node.rule.measures.map { "\(node.name).\($0.name)" }
        }
        parts = program.nodes.enumerated().filter { $1.rule.warmsUp }.flatMap { index, node in
            UniverseState.DayPart.allCases.map { ("\(node.name).\($0.name)", index, $0) }
        }
    }

    /// Restores the machine whose `encode` wrote these bytes, for the same program.
    package init(_ program: UniverseProgram, restoring bytes: RawSpan) throws(CheckpointError) {
        self.init(program)
        state = try UniverseState(state, restoring: bytes)
    }

    package func encode(into bytes: inout [UInt8]) { state.encode(into: &bytes) }

    /// The time up to which the values of all nodes are complete.
    package var watermark: Timestamp { state.watermark }
    package var symbols: Int { state.symbols }
    package var openWindows: Int { state.openWindows }
    /// Symbols for which nodes had no room.
    package var symbolsRefused: UInt64 { state.symbolsRefused }
    /// Partitions that are too late to be waited for. Values are flagged partial meanwhile.
    package var leftOut: [Int] { state.leftOut }

    // MARK: packets

    /// Takes the next packet of the stream of bars.
    package mutating func take(
        _ header: PacketHeader, _ packet: RawSpan, into output: inout [IndicatorValue]
    ) {
        guard header.kind == .bars, header.partition.number < program.partitions else { return }
        let partition = header.partition.number
        // A marker says nothing of sources. What other packets say comes before their bars: it
        // decides which bars open a window.
        let states = Self.states(in: packet)
        if !header.flags.contains(.epochMarker) { state.note(states, of: partition) }
        takeBars(packet, of: partition)
        for node in program.nodes.indices
        where state.receive(header.watermark, states, of: partition, machine: node) {
            state.advance(machine: node, into: &values)
            for value in values { publish(value, node, into: &output) }
            values.removeAll(keepingCapacity: true)
        }
    }

    /// Publishes the value, and the number of symbols from which it is computed.
    private func publish(
        _ version: UniverseState.Value, _ node: Int, into output: inout [IndicatorValue]
    ) {
        let value = version.value
        let published = IndicatorValue(
            header: TickHeader(
                symbol: TickHeader.noSymbol, flags: state.awaitsAll(machine: node) ? [] : .partial,
                providerTime: value.closeTime, receiveTime: value.closeTime),
            name: names[node][value.measure], value: value.value, periodStart: value.openTime,
            periodEnd: value.closeTime, revision: UInt64(version.revision))
        output.append(published)
        var count = published
        count.name += ".symbols"
        count.value = Int128(value.symbols) * 1_000_000_000
        output.append(count)
    }

    private static func states(in packet: RawSpan) -> [SourceState] {
        var states: [SourceState] = []
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            guard case .other(let message) = record, let state = message.sourceState(in: packet)
            else { continue }
            states.append(state)
        }
        return states
    }

    private mutating func takeBars(_ packet: RawSpan, of partition: Int) {
        packetSymbols.removeAll(keepingCapacity: true)
        packetSeries.removeAll(keepingCapacity: true)
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            switch item {
            case .bar(let bar): take(bar)
            case .other(let message): takeDay(message, packet, of: partition)
            case .control(let message): define(message, packet)
            case .trade, .quote: continue
            }
        }
    }

    /// Takes a part of a provider's day, which a partition published.
    private mutating func takeDay(
        _ message: MessageBounds, _ packet: RawSpan, of partition: Int
    ) {
        guard !parts.isEmpty, let value = message.indicatorValue(in: packet),
            let part = parts.first(where: { $0.name == value.name }),
            let price = Int64(exactly: value.value), price != Price.undefined.raw
        else { return }
        let (symbol, nodes) = (Int(value.header.symbol), program.nodes.count)
        guard symbol < packetSymbols.count / nodes,
            let number = packetSymbols[symbol * nodes + part.node]
        else { return }
        state.take(
            part.part, Price(raw: price), of: partition, symbol: number, machine: part.node,
            from: value.periodStart, to: value.periodEnd)
    }

    /// Gives a bar to every node that takes its series.
    private mutating func take(_ bar: Bar) {
        let (symbol, series) = (Int(bar.symbol), Int(bar.series))
        let nodes = program.nodes.count
        guard symbol < packetSymbols.count / nodes, series < packetSeries.count else { return }
        var isTaken = false
        for node in 0..<nodes where packetSeries[series] & 1 << UInt64(node) != 0 {
            guard let number = packetSymbols[symbol * nodes + node] else { continue }
            var own = bar
            own.symbol = number
            state.take(own, machine: node)
            isTaken = true
        }
        if isTaken { state.countBar() }
    }

    /// Takes a definition of the packet.
    private mutating func define(_ message: MessageBounds, _ packet: RawSpan) {
        let nodes = program.nodes
        if let (index, definition) = message.symbolDefinition(in: packet) {
            guard index < PacketLimits.definitionsMax else { return }
            while packetSymbols.count < (Int(index) + 1) * nodes.count {
                packetSymbols.append(nil)
            }
            let symbol = definition.source.map {
                SourceSymbol(definition.symbol, of: program.groups.owner(of: $0))
            }
            for node in nodes.indices {
                packetSymbols[Int(index) * nodes.count + node] = symbol.flatMap {
                    state.symbol($0, machine: node)
                }
            }
        } else if let (index, definition) = message.seriesDefinition(in: packet) {
            guard index < PacketLimits.definitionsMax else { return }
            while packetSeries.count <= index { packetSeries.append(0) }
            packetSeries[Int(index)] = 0
            for node in nodes.indices where nodes[node].rule.series == definition.name {
                packetSeries[Int(index)] |= 1 << UInt64(node)
            }
        }
    }
}
