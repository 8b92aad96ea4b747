internal import MarketModel
public import Primitives
public import StreamCore
public import TapeCodec

/// The graph of one partition: packets in, bars out. Pure: what it answers follows from them alone.
public struct GraphMachine: Sendable {
    public let program: GraphProgram
    private var machine: BarMachine
    /// What the indexes of the packet at hand mean in the machine.
    private var packetSymbols: [UInt32] = []

    public init(_ program: GraphProgram) {
        self.program = program
        machine = BarMachine(series: Self.series(of: program))
    }

    /// The machine whose `encode` made these bytes, for the same program.
    public init(_ program: GraphProgram, restoring bytes: RawSpan) throws(CheckpointError) {
        self.program = program
        machine = try BarMachine(series: Self.series(of: program), restoring: bytes)
    }

    public func encode(into bytes: inout [UInt8]) { machine.encode(into: &bytes) }

    private static func series(of program: GraphProgram) -> BarSeriesSet {
        for node in program.definition.nodes {
            if case .bars(let rule, _) = node.operation { return rule.series }
        }
        preconditionFailure("the graph \(program.definition.name) makes no bars")
    }

    public var sources: SourceTable { machine.sources }
    public var symbols: SymbolTable { machine.symbols }
    public var openWindows: Int { machine.openWindows }
    public var counters: BarCounters { machine.counters }
    public var received: UInt64 { machine.received }

    /// The least of its sources' watermarks; the bars up to it are out.
    public var watermark: Timestamp {
        machine.sources.entries.map(\.watermark).min() ?? SourceTable.noWatermark
    }

    public mutating func tapeStarts(at time: Timestamp) { machine.tapeStarts(at: time) }

    /// Takes the next packet of the partition. False: more sources feed it than the limit allows.
    public mutating func take(
        _ header: PacketHeader, _ packet: RawSpan, into output: inout GraphOutput
    ) -> Bool {
        // What people put there is backfilled: it has no watermark to wait for, and its definitions
        // must not take a symbol away from the source that feeds it.
        if header.kind == .ticks { marks(header, packet, &output) }
        guard header.source != .manual else { return true }
        guard let source = machine.source(header.source, firstSeen: header.sendTime) else {
            return false
        }
        if header.kind == .ticks { takeTicks(header, packet, source: source) }
        machine.advance(source: source, watermark: header.watermark, into: &output.bars)
        machine.takeLateTicks(into: &output.late)
        return true
    }

    private mutating func takeTicks(_ header: PacketHeader, _ packet: RawSpan, source: Int) {
        packetSymbols.removeAll(keepingCapacity: true)
        var walk = TradeWalk(firstOrdinal: header.firstOrdinal)
        takeTrades(&walk, packet, source: source)
        // A definition may stand between two trades, and changes what the indexes mean.
        while let message = walk.definition {
            define(message, packet, source: source)
            takeTrades(&walk, packet, source: source)
        }
    }

    private mutating func takeTrades(_ walk: inout TradeWalk, _ packet: RawSpan, source: Int) {
        let symbols = packetSymbols
        machine.trades(source: source) { walk.next(in: packet, symbols) }
    }

    private mutating func define(_ message: MessageBounds, _ packet: RawSpan, source: Int) {
        guard let (index, definition) = message.symbolDefinition(in: packet),
            index < PacketLimits.definitionsMax
        else { return }
        let subscription = Subscription(
            symbol: definition.symbol, provider: definition.provider, since: definition.since)
        while packetSymbols.count <= index { packetSymbols.append(BarMachine.noSymbol) }
        packetSymbols[Int(index)] =
            machine.symbol(subscription, source: source) ?? BarMachine.noSymbol
    }
}
