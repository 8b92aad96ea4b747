internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// What in a packet says that windows have to be computed again.
///
/// A cancel or a correction carries the event time of the trade that it takes back or changes; a
/// gap and a request carry their stretch of time.
struct DirtyMarks {
    let symbols: SymbolTable
    /// Nil: what people put on the tape concerns symbols of all sources.
    let source: Int?
    let hasTrades: Bool
    let hasQuotes: Bool
    /// What the indexes of the packet mean; by name, so that nothing is taken from anybody.
    private var packetSymbols: [UInt32] = []

    init(symbols: SymbolTable, source: Int?, plan: GraphPlan) {
        self.symbols = symbols
        self.source = source
        hasTrades = plan.trades.isUsed
        hasQuotes = plan.quotes.isUsed
    }

    static func isRecord(_ message: MessageBounds) -> Bool {
        message.template == WireFormat.Template.gapRecord
            || message.template == WireFormat.Template.repairRequest
    }

    mutating func find(in packet: RawSpan, into dirty: inout [DirtyRange]) {
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade) where trade.header.action != 0: mark(trade, into: &dirty)
            case .other(let message): mark(message, packet, into: &dirty)
            case .malformed: return
            case .trade, .quote, .bar: continue
            }
        }
    }

    private func mark(_ trade: Trade, into dirty: inout [DirtyRange]) {
        guard hasTrades, let symbol = interned(trade.header.symbol) else { return }
        let time = trade.header.eventTime
        mark(symbol, time, time.advanced(byNanoseconds: 1), .bust, into: &dirty)
    }

    private mutating func mark(
        _ message: MessageBounds, _ packet: RawSpan, into dirty: inout [DirtyRange]
    ) {
        if let (index, definition) = message.symbolDefinition(in: packet) {
            guard index < PacketLimits.definitionsMax else { return }
            while packetSymbols.count <= index { packetSymbols.append(BarMachine.noSymbol) }
            packetSymbols[Int(index)] =
                symbols.index(of: definition.symbol) ?? BarMachine.noSymbol
        } else if let gap = message.gapRecord(in: packet) {
            mark(gap, into: &dirty)
        } else if let request = message.repairRequest(in: packet) {
            let reason = BarReason(rawValue: request.reason)
            let isRepair = reason.map { $0 != .closed && $0 != .late } ?? false
            mark(
                request.header, request.from, request.to, isRepair ? reason : .repair, into: &dirty)
        }
    }

    private func mark(_ gap: GapRecord, into dirty: inout [DirtyRange]) {
        switch DataKind(rawValue: gap.kind) {
        case .any where hasTrades || hasQuotes: break
        case .trade where hasTrades: break
        case .quote where hasQuotes: break
        default: return
        }
        let reason: BarReason? =
            switch GapState(rawValue: gap.state) {
            case .open, .abandoned: .gap
            case .filled: .backfill
            case .filling, nil: nil
            }
        // A gap that lasts reaches up to now; another record will say where it ended.
        let to = gap.to.isDefined ? gap.to : gap.header.eventTime
        mark(gap.header, gap.from, to, reason, into: &dirty)
    }

    /// Without a symbol: all of them.
    private func mark(
        _ header: TickHeader, _ from: Timestamp, _ to: Timestamp, _ reason: BarReason?,
        into dirty: inout [DirtyRange]
    ) {
        guard let reason else { return }
        if header.symbol != TickHeader.noSymbol {
            guard let symbol = interned(header.symbol) else { return }
            mark(symbol, from, to, reason, into: &dirty)
            return
        }
        for symbol in 0..<UInt32(symbols.count)
        where source == nil || symbols.source(of: symbol) == source {
            mark(symbol, from, to, reason, into: &dirty)
        }
    }

    private func mark(
        _ symbol: UInt32, _ from: Timestamp, _ to: Timestamp, _ reason: BarReason,
        into dirty: inout [DirtyRange]
    ) {
        let limit = StreamLimits.eventTimeNanosecondsMax
        let from = max(from.nanoseconds, -limit)
        let to = min(to.nanoseconds, limit)
        guard from < to else { return }
        dirty.append(DirtyRange(symbol: symbol, from: from, to: to, reason: reason.rawValue))
    }

    private func interned(_ index: UInt32) -> UInt32? {
        guard index < packetSymbols.count, packetSymbols[Int(index)] != BarMachine.noSymbol else {
            return nil
        }
        return packetSymbols[Int(index)]
    }
}

extension GraphMachine {
    func markPacket(_ packet: RawSpan, source: Int, into output: inout GraphOutput) {
        var marks = DirtyMarks(symbols: symbols, source: source, plan: program.plan)
        marks.find(in: packet, into: &output.dirty)
    }

    func markManual(_ packet: RawSpan, into output: inout GraphOutput) {
        var marks = DirtyMarks(symbols: symbols, source: nil, plan: program.plan)
        marks.find(in: packet, into: &output.dirty)
    }
}
