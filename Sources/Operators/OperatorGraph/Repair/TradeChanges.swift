internal import MarketModel

/// The trades that were cancelled or corrected later, by the provider's id. A change concerns
/// trades of its own source or group, because ids are unique within it: the members of a group are
/// parts of one feed, and share its ids. A change of the source `manual` is noted for each source
/// that it may concern.
struct TradeChanges: Sendable {
    enum Change: Hashable, Sendable {
        /// The trade does not count.
        case cancelled
        /// The trade counts with these values.
        case corrected(Values)
    }

    /// The values that a correction replaces.
    struct Values: Hashable, Sendable {
        var price: Price
        var size: Quantity
        var exchange: ShortText
        var conditions: ShortText
    }

    private struct Key: Hashable, Sendable {
        /// The symbol of one source or group.
        var symbol: UInt32
        /// Whether it came from `manual`.
        var isOfPeople: Bool
        var id: UInt64
    }

    private struct Noted: Sendable {
        var change: Change
        /// The number of the change, which counts up.
        var number: Int
    }

    /// The maximum number of changes. Further ones are not noted, but counted.
    static let changesMax = 1_048_576

    /// Looked up and never walked over.
    private var byTrade: [Key: Noted] = [:]
    /// The number of the last change.
    private var noted = 0

    /// Notes a change. It replaces an earlier change of the same trade. Returns false when there is
    /// no room, or no id.
    mutating func note(_ trade: Trade, source: Int?) -> Bool {
        let key = Key(
            symbol: trade.header.symbol, isOfPeople: source == nil, id: trade.header.providerID)
        guard key.id != 0, trade.header.symbol != TickHeader.noSymbol,
            byTrade.count < Self.changesMax || byTrade[key] != nil
        else { return false }
        let change: Change
        switch TradeAction(rawValue: trade.header.action) {
        case .cancel: change = .cancelled
        case .correction:
            change = .corrected(
                Values(
                    price: trade.price, size: trade.size, exchange: trade.exchange,
                    conditions: trade.conditions))
        case .new, nil: return false
        }
        noted += 1
        byTrade[key] = Noted(change: change, number: noted)
        return true
    }

    /// Returns the last change of a trade, from its own source or group or from `manual`.
    func change(of trade: Trade, source: Int?) -> Change? {
        guard trade.header.providerID != 0, !byTrade.isEmpty else { return nil }
        var key = Key(
            symbol: trade.header.symbol, isOfPeople: true, id: trade.header.providerID)
        // Of the two changes the later one counts.
        let ofPeople = byTrade[key]
        guard source != nil else { return ofPeople?.change }
        key.isOfPeople = false
        guard let own = byTrade[key] else { return ofPeople?.change }
        guard let ofPeople, ofPeople.number > own.number else { return own.change }
        return ofPeople.change
    }
}

extension TradeChanges {
    /// Returns a tick as it was corrected later.
    func applied(to tick: KeptTicks.Step, source: Int?) -> KeptTicks.Step {
        guard case .trade(var trade) = tick,
            case .corrected(let values) = change(of: trade, source: source)
        else { return tick }
        trade.take(values)
        return .trade(trade)
    }
}

extension Trade {
    /// Takes the corrected values.
    mutating func take(_ values: TradeChanges.Values) {
        price = values.price
        size = values.size
        exchange = values.exchange
        conditions = values.conditions
    }
}
