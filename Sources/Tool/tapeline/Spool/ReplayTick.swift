import MarketModel
import Primitives
import TapeCodec

/// A tick out of a packet that can be put into another one.
struct ReplayTick {
    let ordinal: UInt64
    /// Nil: it concerns no symbol.
    let symbol: SymbolDefinition?
    let content: TapeRecord

    /// What is the same in every packet that this very tick stands in, in this process.
    var fingerprint: Int {
        let plain = content.changed {
            $0.symbol = 0
            $0.flags.remove(.backfilled)
        }
        var hasher = Hasher()
        hasher.combine(symbol?.symbol)
        hasher.combine(plain)
        return hasher.finalize()
    }

    var isBackfilled: Bool { content.header?.flags.contains(.backfilled) ?? false }
    var eventTime: Timestamp { content.eventTime }
    var kind: DataKind { content.kind ?? .any }
}

/// Takes a packet apart.
enum ReplayPacket {
    /// What stands in it, in order.
    enum Item {
        case tick(ReplayTick)
        case gap(GapRecord, SymbolDefinition?)
        /// It has an ordinal, and is about its source or of a kind that this version does not know.
        case other
    }

    /// Of a packet that was validated.
    static func walk(
        _ packet: RawSpan, from first: UInt64, _ visit: (Item) throws -> Void
    ) rethrows {
        var walk = PacketWalk(firstOrdinal: first)
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade): try visit(Self.item(.trade(trade), &walk, packet))
            case .quote(let quote): try visit(Self.item(.quote(quote), &walk, packet))
            case .bar: try visit(.other)
            case .other(let message):
                try visit(Self.item(TapeRecord(message, in: packet), &walk, packet))
            case .control: continue
            }
        }
    }

    private static func item(
        _ record: TapeRecord?, _ walk: inout PacketWalk, _ packet: RawSpan
    ) -> Item {
        guard let record, let header = record.header else { return .other }
        let symbol = walk.symbol(header.symbol, in: packet)
        if case .gap(let gap) = record { return .gap(gap, symbol) }
        guard let kind = record.kind else { return .other }
        // A tick of a symbol that nobody defined means nothing anywhere else. Prices are of a
        // symbol; no packet takes them without one.
        let isGeneral = header.symbol == TickHeader.noSymbol && kind.mayBeGeneral
        guard symbol != nil || isGeneral else { return .other }
        return .tick(ReplayTick(ordinal: walk.ordinal, symbol: symbol, content: record))
    }
}

extension DataKind {
    /// Whether it may concern no symbol.
    fileprivate var mayBeGeneral: Bool {
        switch self {
        case .trade, .quote, .depth, .providerBar, .optionComputation: false
        case .news, .fundamental, .indicator, .any: true
        }
    }
}
