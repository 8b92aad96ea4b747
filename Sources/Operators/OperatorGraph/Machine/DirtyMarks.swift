internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// Finds the records of a packet because of which windows have to be computed again.
///
/// A cancel or a correction is a trade with an `action`, and carries the event time of the trade
/// that it cancels or corrects. A person's change of one trade has the time of that trade, too. A
/// gap and a repair request carry their stretch of time.
struct DirtyMarks {
    let tables: PartitionTables
    /// The packet's source; `nil` for the source `manual`, whose records concern symbols of all
    /// sources, unless a definition names one.
    let source: Int?
    /// Whether the graph makes bars of trades, of quotes (or of trades that a join pairs with
    /// quotes), of books, or of a provider's bars.
    let hasTrades: Bool
    let hasQuotes: Bool
    let hasDepth: Bool
    let hasProviderBars: Bool
    /// What gap records state about missing ticks, in their order.
    private(set) var missing: [MissingChange] = []

    init(_ tables: PartitionTables, source: Int?, plan: GraphPlan) {
        self.tables = tables
        self.source = source
        hasTrades = !plan.trades.leaves.isEmpty
        hasQuotes = !plan.quotes.leaves.isEmpty || !plan.quotes.joins.isEmpty
        hasDepth = !plan.depth.leaves.isEmpty
        hasProviderBars = !plan.providerBars.leaves.isEmpty
    }

    /// Returns whether the message is a record that may make time dirty.
    static func isRecord(_ message: MessageBounds) -> Bool {
        message.template == WireFormat.Template.gapRecord
            || message.template == WireFormat.Template.repairRequest
            || message.template == WireFormat.Template.tradeChange
    }

    /// Appends the dirty ranges of a packet's records, in their order.
    mutating func find(in packet: RawSpan, into dirty: inout [DirtyRange]) {
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade) where trade.header.action != 0:
                mark(trade.header, symbols(trade.header, &walk, packet), into: &dirty)
            case .other(let message):
                if let gap = message.gapRecord(in: packet) {
                    mark(gap, concerned(gap.header, &walk, packet), into: &dirty)
                } else if let request = message.repairRequest(in: packet) {
                    mark(request, concerned(request.header, &walk, packet), into: &dirty)
                } else if source == nil, let change = message.tradeChange(in: packet) {
                    mark(change.header, symbols(change.header, &walk, packet), into: &dirty)
                }
            case .trade, .quote, .bar, .control: continue
            }
        }
    }

    /// Marks the moment of a trade that is changed.
    private func mark(
        _ header: TickHeader, _ symbols: [UInt32], into dirty: inout [DirtyRange]
    ) {
        guard hasTrades else { return }
        let time = header.eventTime.nanoseconds
        let (end, overflow) = time.addingReportingOverflow(1)
        guard !overflow else { return }
        for symbol in symbols { mark(symbol, time, end, .bust, .trade, into: &dirty) }
    }

    private func mark(
        _ request: RepairRequest, _ symbols: [UInt32], into dirty: inout [DirtyRange]
    ) {
        // A requested version is neither the first one of its bar nor caused by a late tick.
        let reason = BarReason(rawValue: request.reason)
        let isRepair = reason.map { $0 != .closed && $0 != .late } ?? false
        let (from, to) = (request.from.nanoseconds, request.to.nanoseconds)
        for symbol in symbols {
            mark(symbol, from, to, isRepair ? reason ?? .repair : .repair, .any, into: &dirty)
        }
    }

    private mutating func mark(
        _ gap: GapRecord, _ symbols: [UInt32], into dirty: inout [DirtyRange]
    ) {
        guard let meaning = GapMeaning(gap) else { return }
        let isUsed =
            switch meaning.kind {
            case .trade: hasTrades
            case .quote: hasQuotes
            case .depth: hasDepth
            case .providerBar: hasProviderBars
            default: hasTrades || hasQuotes || hasDepth || hasProviderBars
            }
        guard isUsed else { return }
        for symbol in symbols {
            missing.append(meaning.change(of: symbol))
            mark(
                symbol, meaning.from, meaning.to, meaning.reason, meaning.kind, into: &dirty)
        }
    }

    /// Returns the symbols of a record. A record without a symbol concerns all symbols of its
    /// source.
    private func concerned(
        _ header: TickHeader, _ walk: inout PacketWalk, _ packet: RawSpan
    ) -> [UInt32] {
        guard header.symbol == TickHeader.noSymbol else {
            return symbols(header, &walk, packet)
        }
        return (0..<UInt32(tables.symbols.count)).filter {
            source == nil || tables.symbols.source(of: $0) == source
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

    /// Returns the symbols that a record names and that are known. The packet's definitions are not
    /// applied, so that no symbol is taken away from the member of its group that feeds it.
    private func symbols(
        _ header: TickHeader, _ walk: inout PacketWalk, _ packet: RawSpan
    ) -> [UInt32] {
        walk.symbol(header.symbol, in: packet).map {
            tables.indexes(of: $0.symbol, named: $0.source, source: source)
        } ?? []
    }
}

extension GraphMachine {
    /// Appends a packet's dirty ranges to the output, and applies its gap records to the tables.
    /// `source` is `nil` for the source `manual`.
    mutating func markPacket(_ packet: RawSpan, source: Int?, into output: inout GraphOutput) {
        var marks = DirtyMarks(leaves.tables, source: source, plan: program.plan)
        marks.find(in: packet, into: &output.dirty)
        note(marks.missing)
    }
}
