import MarketModel
import Primitives
import TapeCodec

/// Walks over one packet and turns the messages that are wanted into ticks. Its tables are used
/// again for the next packet.
struct TailPacket {
    private var header = PacketHeader(
        kind: .ticks, partition: Partition(0), source: .operator, epoch: 0, firstOrdinal: 0,
        watermark: .undefined, sendTime: .undefined)
    private var sequence: UInt64 = 0
    private var symbols: [SymbolDefinition?] = []
    private var series: [SeriesDefinition?] = []
    /// Whether the symbol of this index is wanted.
    private var isWanted: [Bool] = []

    mutating func begin(_ header: PacketHeader, sequence: UInt64) {
        self.header = header
        self.sequence = sequence
        symbols.removeAll(keepingCapacity: true)
        series.removeAll(keepingCapacity: true)
        isWanted.removeAll(keepingCapacity: true)
    }

    /// Calls `visit` with each tick that the command asks for. `wanted`: empty for all symbols.
    mutating func walk(
        _ bytes: RawSpan, wanted: Set<Symbol>, _ command: borrowing TailCommand,
        _ tick: inout TailTick, _ visit: (borrowing TailTick) -> Void
    ) {
        var ordinal = header.firstOrdinal
        var cursor = RecordCursor()
        if header.tickCount == 0, command.wantsControl {
            visitControl(bytes, command, &tick, visit)
            return
        }
        while let record = cursor.next(in: bytes) {
            switch record {
            case .trade(let trade):
                if shows(.trade, trade.header.symbol, wanted, command) {
                    start(&tick, ordinal)
                    tick.set(trade, symbol(trade.header.symbol))
                    visit(tick)
                }
                ordinal &+= 1
            case .quote(let quote):
                if shows(.quote, quote.header.symbol, wanted, command) {
                    start(&tick, ordinal)
                    tick.set(quote, symbol(quote.header.symbol))
                    visit(tick)
                }
                ordinal &+= 1
            case .bar(let bar):
                if shows(.bar, bar.symbol, wanted, command) {
                    start(&tick, ordinal)
                    tick.set(bar, symbol(bar.symbol), series(bar.series))
                    visit(tick)
                }
                ordinal &+= 1
            case .other(let message):
                if WireFormat.Template.isTick(message.template) {
                    visitOther(message, bytes, ordinal, wanted, command, &tick, visit)
                    ordinal &+= 1
                } else {
                    define(message, in: bytes, wanted)
                }
            // A packet that was validated has none.
            case .malformed: return
            }
        }
    }

    private func start(_ tick: inout TailTick, _ ordinal: UInt64?) {
        tick.fields.removeAll(keepingCapacity: true)
        tick.symbol = ""
        tick.source = header.source
        tick.partition = header.partition
        tick.ordinal = ordinal
        tick.epoch = header.epoch
        tick.sequence = sequence
        tick.time = header.sendTime
    }

    private func shows(
        _ kind: TickKind, _ symbol: UInt32, _ wanted: Set<Symbol>,
        _ command: borrowing TailCommand
    ) -> Bool {
        guard command.kinds.isEmpty || command.kinds.contains(kind) else { return false }
        if wanted.isEmpty { return true }
        return symbol < isWanted.count && isWanted[Int(symbol)]
    }

    private func visitOther(
        _ message: MessageBounds, _ bytes: RawSpan, _ ordinal: UInt64, _ wanted: Set<Symbol>,
        _ command: borrowing TailCommand, _ tick: inout TailTick,
        _ visit: (borrowing TailTick) -> Void
    ) {
        let kind = TickKind(template: message.template)
        let index = message.tickHeader(in: bytes)?.symbol ?? TickHeader.noSymbol
        guard shows(kind, index, wanted, command) else { return }
        start(&tick, ordinal)
        let isRight = tick.set(message, in: bytes, { symbol($0) }, { series($0) })
        if !isRight { tick.add("damaged", "its fields do not hold what its template says") }
        visit(tick)
    }

    private func visitControl(
        _ bytes: RawSpan, _ command: borrowing TailCommand, _ tick: inout TailTick,
        _ visit: (borrowing TailTick) -> Void
    ) {
        start(&tick, nil)
        var cursor = RecordCursor()
        var marker: EpochMarker?
        while let record = cursor.next(in: bytes) {
            if case .other(let message) = record, let found = message.epochMarker(in: bytes) {
                marker = found
            }
        }
        if let marker { tick.set(marker, header) } else { tick.setWatermark(header) }
        if command.kinds.isEmpty || command.kinds.contains(tick.kind) { visit(tick) }
    }

    // MARK: definitions

    private func symbol(_ index: UInt32) -> SymbolDefinition? {
        index < symbols.count ? symbols[Int(index)] : nil
    }

    private func series(_ index: UInt16) -> SeriesDefinition? {
        index < series.count ? series[Int(index)] : nil
    }

    private mutating func define(
        _ message: MessageBounds, in bytes: RawSpan, _ wanted: Set<Symbol>
    ) {
        if let (index, definition) = message.symbolDefinition(in: bytes),
            index < PacketLimits.definitionsMax
        {
            while symbols.count <= index {
                symbols.append(nil)
                isWanted.append(false)
            }
            symbols[Int(index)] = definition
            isWanted[Int(index)] = wanted.contains(definition.symbol)
        } else if let (index, definition) = message.seriesDefinition(in: bytes),
            index < PacketLimits.definitionsMax
        {
            while series.count <= index { series.append(nil) }
            series[Int(index)] = definition
        }
    }
}
