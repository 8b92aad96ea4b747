internal import MarketModel

/// Trades that were taken back or corrected later, by the provider's id.
struct TradeChanges: Sendable {
    enum Change: Hashable, Sendable {
        case cancelled
        case corrected(Values)
    }

    struct Values: Hashable, Sendable {
        var price: Price
        var size: Quantity
        var exchange: ShortText
        var conditions: ShortText
    }

    private struct Key: Hashable, Sendable {
        var symbol: UInt32
        var id: UInt64
    }

    /// Beyond it a change is not noted, and counted.
    static let changesMax = 1_048_576

    /// Looked up and never walked over.
    private var byTrade: [Key: Change] = [:]

    /// A later change of one trade replaces the one before. False: there is no room, or no id.
    mutating func note(_ trade: Trade) -> Bool {
        let key = Key(symbol: trade.header.symbol, id: trade.header.providerID)
        guard key.id != 0, trade.header.symbol != TickHeader.noSymbol,
            byTrade.count < Self.changesMax || byTrade[key] != nil
        else { return false }
        switch TradeAction(rawValue: trade.header.action) {
        case .cancel: byTrade[key] = .cancelled
        case .correction:
            byTrade[key] = .corrected(
                Values(
                    price: trade.price, size: trade.size, exchange: trade.exchange,
                    conditions: trade.conditions))
        case .new, nil: return false
        }
        return true
    }

    func change(of trade: Trade) -> Change? {
        guard trade.header.providerID != 0, !byTrade.isEmpty else { return nil }
        return byTrade[Key(symbol: trade.header.symbol, id: trade.header.providerID)]
    }
}

extension TradeChanges {
    /// A tick as it was corrected later.
    func applied(to tick: KeptTicks.Step) -> KeptTicks.Step {
        guard case .trade(var trade) = tick, case .corrected(let values) = change(of: trade) else {
            return tick
        }
        trade.take(values)
        return .trade(trade)
    }
}

extension Trade {
    mutating func take(_ values: TradeChanges.Values) {
        price = values.price
        size = values.size
        exchange = values.exchange
        conditions = values.conditions
    }
}
