import MarketModel
import Primitives
import TapeCodec

/// What the trades of a `CancelWorld` count as by the records that were known at a time: the
/// packets are read again one after the other, and the last change of each trade is kept.
struct StandingOracle {
    private struct Known {
        let source: SourceName
        let ordinal: UInt64
        let trade: Trade
        let symbol: SymbolDefinition
    }

    /// The group of a member, and any other source itself.
    private static func owner(_ source: SourceName) -> SourceName {
        CancelWorld.members.contains(source) ? CancelWorld.group : source
    }

    private var trades: [Known] = []
    private var byID: [Known] = []
    private var byPlace: [(change: TradeChange, symbol: SymbolDefinition)] = []

    /// `taken` returns when the tape took a packet, by its place.
    init(_ packets: [SealedPacket], at time: Timestamp, taken: (Int) -> Timestamp) {
        for (index, packet) in packets.enumerated() {
            let (header, tapeTime) = (packet.header, taken(index))
            packet.withBytes { bytes in
                var walk = PacketWalk(header)
                while let item = walk.next(in: bytes) {
                    switch item {
                    case .trade(let trade):
                        guard max(tapeTime, trade.header.receiveTime) <= time,
                            let symbol = walk.symbol(trade.header.symbol, in: bytes)
                        else { continue }
                        let known = Known(
                            source: header.source, ordinal: walk.ordinal, trade: trade,
                            symbol: symbol)
                        if trade.header.action == 0 {
                            trades.append(known)
                        } else {
                            byID.append(known)
                        }
                    case .other(let message):
                        guard let change = message.tradeChange(in: bytes),
                            max(tapeTime, change.header.receiveTime) <= time,
                            let symbol = walk.symbol(change.header.symbol, in: bytes)
                        else { continue }
                        byPlace.append((change, symbol))
                    default: continue
                    }
                }
            }
        }
    }

    /// Returns the trades that count: address, price and size in their smallest units.
    var text: String {
        trades.compactMap { known in
            guard let (price, size) = values(known) else { return nil }
            return "\(known.source)/1/\(known.ordinal) \(price.raw) \(size.raw)"
        }.sorted().joined(separator: "\n")
    }

    private func values(_ known: Known) -> (Price, Quantity)? {
        let placed = byPlace.last {
            $0.change.source == known.source && $0.change.ordinal == known.ordinal
                && $0.symbol.symbol == known.symbol.symbol
        }
        switch placed.map({ TradeChangeAction(rawValue: $0.change.change) }) {
        case .some(.cancel): return nil
        case .some(.correct): return placed.map { ($0.change.price, $0.change.size) }
        default: break
        }
        let last = byID.last { $0.trade.header.providerID != 0 && isAbout(known, $0) }
        guard let last else { return (known.trade.price, known.trade.size) }
        return last.trade.header.action == TradeAction.cancel.rawValue
            ? nil : (last.trade.price, last.trade.size)
    }

    private func isAbout(_ known: Known, _ change: Known) -> Bool {
        guard change.trade.header.providerID == known.trade.header.providerID,
            change.symbol.symbol == known.symbol.symbol
        else { return false }
        let owner =
            known.source == .manual
            ? known.symbol.source ?? (known.symbol.provider == "p" ? CancelWorld.group : nil)
            : known.source
        guard change.source == .manual else {
            return known.source != .manual && Self.owner(change.source) == owner.map(Self.owner)
        }
        return change.symbol.source.map { Self.owner($0) == owner.map(Self.owner) } ?? true
    }
}
