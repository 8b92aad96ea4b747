package import MarketModel
internal import Primitives
package import TapeCodec

/// Which messages of a packet are listed.
package struct ListedSelection: Sendable {
    /// Empty means all.
    package var symbols: Set<Symbol> = []
    /// Empty means all ticks.
    package var kinds: Set<TickKind> = []
    /// `nil` means all sources.
    package var source: SourceName?
    /// Whether packets without ticks are listed.
    package var wantsControl = false

    /// Selects all ticks.
    package init() {}
}

/// Walks over one packet and turns the selected messages into ticks. Its tables are reused for the
/// next packet.
package struct PacketListing {
    private var header = PacketHeader(
        kind: .ticks, partition: Partition(0), source: .operator, epoch: 0, firstOrdinal: 0,
        watermark: .undefined, sendTime: .undefined)
    private var sequence: UInt64 = 0
    private var walk = PacketWalk()
    /// For each symbol index, whether the symbol and its source are selected.
    private var isWanted = PacketTable<Bool>()

    /// Makes one without a packet.
    package init() {}

    /// Begins with this packet, which is at this sequence of its stream.
    package mutating func begin(_ header: PacketHeader, sequence: UInt64) {
        self.header = header
        self.sequence = sequence
        walk = PacketWalk(header)
        isWanted.removeAll()
    }

    /// Calls `visit` with each tick that is selected.
    package mutating func walk(
        _ bytes: RawSpan, _ selection: borrowing ListedSelection,
        _ tick: inout ListedTick, _ visit: (borrowing ListedTick) -> Void
    ) {
        if header.tickCount == 0, selection.wantsControl {
            visitControl(bytes, selection, &tick, visit)
            return
        }
        while let item = walk.next(in: bytes) {
            switch item {
            case .trade(let trade):
                guard shows(.record(.trade), trade.header.symbol, selection) else { continue }
                start(&tick, .record(.trade), walk.ordinal)
                set(&tick, .trade(trade), trade.header.symbol, bytes)
            case .quote(let quote):
                guard shows(.record(.quote), quote.header.symbol, selection) else { continue }
                start(&tick, .record(.quote), walk.ordinal)
                set(&tick, .quote(quote), quote.header.symbol, bytes)
            case .bar(let bar):
                guard shows(.record(.bar), bar.symbol, selection) else { continue }
                start(&tick, .record(.bar), walk.ordinal)
                set(&tick, .bar(bar), bar.symbol, bytes)
            case .other(let message):
                let kind = TickKind(template: message.template)
                let index = message.tickHeader(in: bytes)?.symbol ?? TickHeader.noSymbol
                guard shows(kind, index, selection) else { continue }
                start(&tick, kind, walk.ordinal)
                set(&tick, message, kind, index, bytes)
            case .control(let message):
                if !selection.symbols.isEmpty || selection.source != nil,
                    let (index, symbol) = message.symbolDefinition(in: bytes)
                {
                    isWanted[index] =
                        (selection.symbols.isEmpty || selection.symbols.contains(symbol.symbol))
                        && isOf(selection.source, symbol)
                }
                continue
            }
            visit(tick)
        }
    }

    private func start(_ tick: inout ListedTick, _ kind: TickKind, _ ordinal: UInt64?) {
        tick.kind = kind
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
        _ kind: TickKind, _ symbol: UInt32, _ selection: borrowing ListedSelection
    ) -> Bool {
        guard selection.kinds.isEmpty || selection.kinds.contains(kind) else { return false }
        if selection.symbols.isEmpty, selection.source == nil { return true }
        if symbol == TickHeader.noSymbol {
            return selection.symbols.isEmpty && isOf(selection.source, nil)
        }
        return isWanted[symbol] ?? false
    }

    /// Returns whether a record belongs to the source: by its packet, or by the definition of its
    /// symbol. A person's record that names no source concerns all of them.
    private func isOf(_ source: SourceName?, _ symbol: SymbolDefinition?) -> Bool {
        guard let source, header.source != source else { return true }
        return symbol?.source.map { $0 == source } ?? (header.source == .manual)
    }

    private mutating func set(
        _ tick: inout ListedTick, _ record: TapeRecord, _ index: UInt32, _ bytes: RawSpan
    ) {
        tick.set(record, walk.symbol(index, in: bytes)) { walk.series($0, in: bytes) }
    }

    private mutating func set(
        _ tick: inout ListedTick, _ message: MessageBounds, _ kind: TickKind, _ index: UInt32,
        _ bytes: RawSpan
    ) {
        if let record = TapeRecord(message, in: bytes) {
            set(&tick, record, index, bytes)
        } else if kind == .unknown {
            let symbol = walk.symbol(index, in: bytes)
            tick.set(message.template, message.tickHeader(in: bytes), symbol)
        } else {
            tick.fields.add("damaged", "its fields do not hold what its template says")
        }
    }

    private func visitControl(
        _ bytes: RawSpan, _ selection: borrowing ListedSelection, _ tick: inout ListedTick,
        _ visit: (borrowing ListedTick) -> Void
    ) {
        start(&tick, .watermark, nil)
        if let marker = PacketReader.epochMarker(of: bytes) {
            tick.set(marker, header)
        } else {
            tick.setWatermark(header)
        }
        if selection.kinds.isEmpty || selection.kinds.contains(tick.kind) { visit(tick) }
    }
}
