public import MarketModel
public import Primitives
public import StreamCore
public import TapeCodec

public struct RepairPlan: Hashable, Sendable {
    public var from: Timestamp
}

public struct GraphRepair: Sendable {
    var machine: BarMachine
    let ranges: [DirtyRange]
    var cancelled: Set<[UInt64]> = []
    var corrected: [[UInt64]: Trade] = [:]
    let symbols: SymbolTable
    let sources: SourceTable

    public init(_ graph: GraphMachine, _ ranges: [DirtyRange]) {
        machine = graph.emptyMachine()
        self.ranges = ranges
        symbols = graph.symbols
        sources = graph.sources
        for entry in sources.entries { _ = machine.source(entry.name, firstSeen: entry.firstSeen) }
        for index in 0..<UInt32(symbols.count) {
            _ = machine.symbol(
                Subscription(symbol: symbols.symbol(at: index), provider: "", since: .undefined),
                source: symbols.source(of: index))
        }
    }

    func walk(
        _ header: PacketHeader, _ packet: RawSpan,
        _ body: (Trade, UInt32, UInt64) -> Void
    ) {
        var names: [UInt32?] = []
        var ordinal = header.firstOrdinal
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade):
                let index = Int(trade.header.symbol)
                if index < names.count, let symbol = names[index] { body(trade, symbol, ordinal) }
                ordinal += 1
            case .quote, .bar: ordinal += 1
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    while names.count <= index { names.append(nil) }
                    names[Int(index)] = (0..<UInt32(symbols.count)).first {
                        symbols.symbol(at: $0) == definition.symbol
                    }
                } else if WireFormat.Template.isTick(message.template) {
                    ordinal += 1
                }
            case .malformed: return
            }
        }
    }

    public mutating func note(_ header: PacketHeader, _ packet: RawSpan) {
        var cancelled = cancelled
        var corrected = corrected
        walk(header, packet) { trade, symbol, _ in
            guard trade.header.providerID != 0 else { return }
            let key = [UInt64(symbol), trade.header.providerID]
            if trade.header.action == TradeAction.cancel.rawValue { cancelled.insert(key) }
            if trade.header.action == TradeAction.correction.rawValue { corrected[key] = trade }
        }
        self.cancelled = cancelled
        self.corrected = corrected
    }

    public mutating func take(_ header: PacketHeader, _ packet: RawSpan) {
        var machine = machine
        walk(header, packet) { trade, symbol, ordinal in
            let key = [UInt64(symbol), trade.header.providerID]
            guard trade.header.action == 0, !cancelled.contains(key),
                ranges.contains(where: { $0.symbol == symbol })
            else { return }
            var mended = trade
            if let better = corrected[key] {
                mended.price = better.price
                mended.size = better.size
            }
            mended.header.symbol = symbol
            mended.header.flags.remove(.backfilled)
            machine.trade(mended, source: symbols.source(of: symbol), ordinal: ordinal)
        }
        self.machine = machine
    }
}

extension GraphMachine {
    public mutating func takeOpenBars(into open: inout [Bar]) {}

    func emptyMachine() -> BarMachine { BarMachine(series: BarSeriesSet.of(program)) }

    public func repairPlan(_ dirty: [DirtyRange]) -> RepairPlan {
        let widest = program.series.map(\.widthNanoseconds).max() ?? 1
        let from = dirty.map(\.from).min() ?? 0
        return RepairPlan(
            from: Timestamp(nanoseconds: from).floored(toNanoseconds: widest))
    }

    public mutating func absorb(_ repair: GraphRepair, into output: inout GraphOutput) {
        var machine = repair.machine
        var bars: [Bar] = []
        for index in sources.entries.indices {
            machine.advance(
                source: index, watermark: Timestamp(nanoseconds: 4_000_000_000_000_000_000),
                into: &bars)
        }
        for bar in bars {
            let reached = sources.entries[symbols.source(of: bar.symbol)].watermark
            guard bar.closeTime <= reached,
                let range = repair.ranges.first(where: {
                    $0.symbol == bar.symbol && bar.openTime.nanoseconds < $0.to
                        && bar.closeTime.nanoseconds > $0.from
                })
            else { continue }
            var better = bar
            better.reason = range.reason
            output.bars.append(better)
        }
    }

    mutating func marks(_ header: PacketHeader, _ packet: RawSpan, _ output: inout GraphOutput) {
        var names: [UInt32?] = []
        func symbol(_ index: UInt32) -> UInt32? {
            Int(index) < names.count ? names[Int(index)] : nil
        }
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade):
                guard trade.header.action != 0, let index = symbol(trade.header.symbol) else {
                    continue
                }
                let time = trade.header.eventTime.nanoseconds
                output.dirty.append(
                    DirtyRange(
                        symbol: index, from: time, to: time + 1, reason: BarReason.bust.rawValue))
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    while names.count <= index { names.append(nil) }
                    names[Int(index)] = (0..<UInt32(symbols.count)).first {
                        symbols.symbol(at: $0) == definition.symbol
                    }
                } else if let gap = message.gapRecord(in: packet),
                    gap.state == GapState.filled.rawValue, let index = symbol(gap.header.symbol)
                {
                    output.dirty.append(
                        DirtyRange(
                            symbol: index, from: gap.from.nanoseconds, to: gap.to.nanoseconds,
                            reason: BarReason.backfill.rawValue))
                } else if let request = message.repairRequest(in: packet),
                    let index = symbol(request.header.symbol)
                {
                    output.dirty.append(
                        DirtyRange(
                            symbol: index, from: request.from.nanoseconds,
                            to: request.to.nanoseconds, reason: request.reason))
                }
            case .quote, .bar: continue
            case .malformed: return
            }
        }
    }
}

extension BarSeriesSet {
    static func of(_ program: GraphProgram) -> BarSeriesSet {
        for node in program.definition.nodes {
            if case .bars(let rule, _) = node.operation { return rule.series }
        }
        preconditionFailure("no bars")
    }
}
