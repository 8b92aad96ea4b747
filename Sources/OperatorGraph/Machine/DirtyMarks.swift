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
    /// What gap records say, in their order.
    private(set) var missing: [MissingChange] = []
    /// What the indexes of the packet mean; by name, so that nothing is taken from anybody.
    private var packetSymbols: [UInt32] = []

    init(symbols: SymbolTable, source: Int?, plan: GraphPlan) {
        self.symbols = symbols
        self.source = source
        hasTrades = !plan.trades.leaves.isEmpty
        hasQuotes = !plan.quotes.leaves.isEmpty
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
        let time = trade.header.eventTime.nanoseconds
        let (end, overflow) = time.addingReportingOverflow(1)
        guard !overflow else { return }
        mark(symbol, time, end, .bust, .trade, into: &dirty)
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
            let (from, to) = (request.from.nanoseconds, request.to.nanoseconds)
            for symbol in concerned(request.header) {
                mark(
                    symbol, from, to, isRepair ? reason ?? .repair : .repair, .any, into: &dirty)
            }
        }
    }

    private mutating func mark(_ gap: GapRecord, into dirty: inout [DirtyRange]) {
        guard let meaning = GapMeaning(gap) else { return }
        let isUsed =
            switch meaning.kind {
            case .trade: hasTrades
            case .quote: hasQuotes
            default: hasTrades || hasQuotes
            }
        guard isUsed else { return }
        for symbol in concerned(gap.header) {
            missing.append(meaning.change(of: symbol))
            mark(
                symbol, meaning.from, meaning.to, meaning.reason, meaning.kind, into: &dirty)
        }
    }

    /// Without a symbol: all of them.
    private func concerned(_ header: TickHeader) -> [UInt32] {
        guard header.symbol == TickHeader.noSymbol else {
            return interned(header.symbol).map { [$0] } ?? []
        }
        return (0..<UInt32(symbols.count)).filter {
            source == nil || symbols.source(of: $0) == source
        }
    }

    private func mark(
        _ symbol: UInt32, _ from: Int64, _ to: Int64, _ reason: BarReason, _ kind: DataKind,
        into dirty: inout [DirtyRange]
    ) {
        let limit = StreamLimits.eventTimeNanosecondsMax
        let from = max(from, -limit)
        let to = min(to, limit)
        guard from < to else { return }
        dirty.append(
            DirtyRange(symbol: symbol, from: from, to: to, reason: reason.rawValue, kind: kind))
    }

    private func interned(_ index: UInt32) -> UInt32? {
        guard index < packetSymbols.count, packetSymbols[Int(index)] != BarMachine.noSymbol else {
            return nil
        }
        return packetSymbols[Int(index)]
    }
}

extension GraphMachine {
    /// `source` nil: what people put there.
    mutating func markPacket(_ packet: RawSpan, source: Int?, into output: inout GraphOutput) {
        var marks = DirtyMarks(symbols: symbols, source: source, plan: program.plan)
        marks.find(in: packet, into: &output.dirty)
        note(marks.missing)
    }
}
