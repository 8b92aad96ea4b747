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
    /// By machine, the series whose bars it takes. The scans come after the nodes of breadth.
    private let inputs: [SeriesName]
    /// By node and measure: `<node>.<measure>`.
    private let names: [[String]]
    /// By scan and number: `<node>.<number>`.
    private let scanNames: [[String]]
    /// The names of a provider's daily values, for the nodes that use them.
    private let parts: [(name: String, node: Int, part: UniverseState.DayPart)]
    /// The names of providers' values that derivations take, with their machines and inputs.
    private let indicators: [(name: String, node: Int, input: Int)]
    private var values: [UniverseState.Value] = []
    private var scanned: [ScanValue] = []
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
            }, scans: program.scans.map { ScanMachine(rule: $0.rule, series: $0.series) },
            waitingBarsMax: waitingBarsMax)
        inputs = program.series
        scanNames = program.scans.map(\.valueNames)
        names = program.nodes.map(\.valueNames)
        parts = program.nodes.enumerated().filter { $1.rule.warmsUp }.flatMap { index, node in
            UniverseState.DayPart.allCases.map { ("\(node.name).\($0.name)", index, $0) }
        }
        let first = program.nodes.count
        indicators = program.scans.enumerated().flatMap { index, scan in
            (scan.rule.derivation?.indicators ?? []).map {
                ($0.indicator.published(for: scan.name), first + index, $0.input)
            }
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
        for node in inputs.indices
        where state.receive(header.watermark, states, of: partition, machine: node) {
            guard node < program.nodes.count else {
                state.advance(scan: node, into: &scanned)
                for value in scanned { output.append(published(value, node)) }
                scanned.removeAll(keepingCapacity: true)
                continue
            }
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

    /// Returns a scan's value. Its symbol is the machine's index and the symbol's number there.
    private func published(_ value: ScanValue, _ node: Int) -> IndicatorValue {
        let symbol = value.symbol.map { UInt32(node) * Self.symbolsOfNode + $0 }
        return IndicatorValue(
            header: TickHeader(
                symbol: symbol ?? TickHeader.noSymbol,
                flags: state.awaitsAll(machine: node) ? [] : .partial,
                providerTime: value.closeTime, receiveTime: value.closeTime),
            name: scanNames[node - program.nodes.count][value.number], value: value.value,
            periodStart: value.openTime, periodEnd: value.closeTime,
            revision: UInt64(value.revision))
    }

    private static let symbolsOfNode = UInt32(BreadthRule.universeMax)

    /// Returns the symbol behind the number that a value's header has; `nil` for `noSymbol`.
    package func symbol(at number: UInt32) -> SourceSymbol? {
        guard number != TickHeader.noSymbol else { return nil }
        let (node, own) = number.quotientAndRemainder(dividingBy: Self.symbolsOfNode)
        return state.name(own, machine: Int(node))
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
            case .other(let message): takePassedOn(message, packet, of: partition)
            case .control(let message): define(message, packet)
            case .trade, .quote: continue
            }
        }
    }

    /// Takes what a partition passes on from a provider: a part of a day, or a value.
    private mutating func takePassedOn(
        _ message: MessageBounds, _ packet: RawSpan, of partition: Int
    ) {
        guard !parts.isEmpty || !indicators.isEmpty,
            let value = message.indicatorValue(in: packet)
        else { return }
        if let one = indicators.first(where: { $0.name == value.name }) {
            guard let number = number(value.header.symbol, one.node) else { return }
            state.take(
                value.value, at: value.periodStart.nanoseconds, input: one.input, symbol: number,
                machine: one.node)
            return
        }
        guard let part = parts.first(where: { $0.name == value.name }),
            let price = Int64(exactly: value.value), price != Price.undefined.raw,
            let number = number(value.header.symbol, part.node)
        else { return }
        state.take(
            part.part, Price(raw: price), of: partition, symbol: number, machine: part.node,
            from: value.periodStart, to: value.periodEnd)
    }

    /// Returns a node's number of a symbol of the packet; `nil` when it does not count there.
    private func number(_ symbol: UInt32, _ node: Int) -> UInt32? {
        let nodes = inputs.count
        guard Int(symbol) < packetSymbols.count / nodes else { return nil }
        return packetSymbols[Int(symbol) * nodes + node]
    }

    /// Gives a bar to every node that takes its series.
    private mutating func take(_ bar: Bar) {
        let (symbol, series) = (Int(bar.symbol), Int(bar.series))
        let nodes = inputs.count
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
        if let (index, definition) = message.symbolDefinition(in: packet) {
            guard index < PacketLimits.definitionsMax else { return }
            while packetSymbols.count < (Int(index) + 1) * inputs.count {
                packetSymbols.append(nil)
            }
            let symbol = definition.source.map {
                SourceSymbol(definition.symbol, of: program.groups.owner(of: $0))
            }
            for node in inputs.indices {
                packetSymbols[Int(index) * inputs.count + node] = symbol.flatMap {
                    state.symbol($0, machine: node)
                }
            }
        } else if let (index, definition) = message.seriesDefinition(in: packet) {
            guard index < PacketLimits.definitionsMax else { return }
            while packetSeries.count <= index { packetSeries.append(0) }
            packetSeries[Int(index)] = 0
            for node in inputs.indices where inputs[node] == definition.name {
                packetSeries[Int(index)] |= 1 << UInt64(node)
            }
        }
    }
}
