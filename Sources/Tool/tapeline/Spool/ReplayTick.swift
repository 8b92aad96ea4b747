import MarketModel
import Primitives
import TapeCodec

/// A tick taken from one packet that can be put into another.
struct ReplayTick {
    let ordinal: UInt64
    /// `nil` if the tick has no symbol.
    let symbol: SymbolDefinition?
    let content: TapeRecord

    /// A hash that is equal for the same tick in every packet. It is valid only in this process.
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

/// Splits a packet into ticks.
enum ReplayPacket {
    /// One entry of a packet, in order.
    enum Item {
        case tick(ReplayTick)
        case gap(GapRecord, SymbolDefinition?)
        /// A record with an ordinal that concerns the source, or whose kind this version does not
        /// know.
        case other
    }

    /// Walks over a packet, which must be validated.
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
        // A tick with an undefined symbol has no meaning in another packet. Prices need a symbol,
        // so only some kinds may go without.
        let isGeneral = header.symbol == TickHeader.noSymbol && kind.mayBeGeneral
        guard symbol != nil || isGeneral else { return .other }
        return .tick(ReplayTick(ordinal: walk.ordinal, symbol: symbol, content: record))
    }
}

extension DataKind {
    /// True if ticks of this kind may have no symbol.
    fileprivate var mayBeGeneral: Bool {
        switch self {
        case .trade, .quote, .depth, .providerBar, .optionComputation: false
        case .news, .fundamental, .indicator, .any: true
        }
    }
}
