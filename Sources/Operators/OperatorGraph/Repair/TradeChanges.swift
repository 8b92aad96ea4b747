internal import MarketModel
internal import Primitives

/// The trades that were cancelled or corrected later.
///
/// A record of a provider names its trade by the provider's id. It concerns trades of its own
/// source or group, because ids are unique within it: the members of a group are parts of one feed,
/// and share its ids. Such a record of the source `manual` is noted for each source that it may
/// concern.
///
/// A person's `TradeChange` names its trade by source and ordinal. It counts before all others,
/// until a person takes it back.
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

    /// One trade of the tape. After a restore from a backup an ordinal may be given twice: then the
    /// time tells the two apart.
    private struct Place: Hashable, Sendable {
        var symbol: UInt32
        var eventTime: Timestamp
        /// The source that published it; `nil` for `manual`.
        var source: Int?
        var ordinal: UInt64
    }

    private enum Addressed: Sendable {
        case cancelled
        case corrected(Price, Quantity)
    }

    private struct Noted: Sendable {
        var change: Change
        /// The number of the change, which counts up.
        var number: Int
    }

    /// The maximum number of changes. Further ones are not noted, but counted.
    static let changesMax = 1_048_576

    /// Both are looked up and never walked over.
    private var byTrade: [Key: Noted] = [:]
    private var byPlace: [Place: Addressed] = [:]
    /// The number of the last change.
    private var noted = 0

    /// Notes a change. It replaces an earlier change of the same trade. Returns false when there is
    /// no room, or no id.
    mutating func note(_ trade: Trade, source: Int?) -> Bool {
        let key = Key(
            symbol: trade.header.symbol, isOfPeople: source == nil, id: trade.header.providerID)
        guard key.id != 0, trade.header.symbol != TickHeader.noSymbol,
            hasRoom || byTrade[key] != nil
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

    private var hasRoom: Bool { byTrade.count + byPlace.count < Self.changesMax }

    /// Notes a person's change of the trade with this symbol and source; `nil` is `manual`. It
    /// replaces the last one of the same trade. Returns false when there is no room, or when the
    /// change says nothing that can be done.
    mutating func note(_ change: TradeChange, of symbol: UInt32, source: Int?) -> Bool {
        let place = Place(
            symbol: symbol, eventTime: change.header.eventTime, source: source,
            ordinal: change.ordinal)
        let addressed: Addressed
        switch TradeChangeAction(rawValue: change.change) {
        case .cancel: addressed = .cancelled
        case .correct:
            guard change.price.isDefined, change.size.isDefined, change.size.raw >= 0 else {
                return false
            }
            addressed = .corrected(change.price, change.size)
        case .restore:
            byPlace[place] = nil
            return true
        case nil: return false
        }
        guard hasRoom || byPlace[place] != nil else { return false }
        byPlace[place] = addressed
        return true
    }

    /// Returns the change that counts for a trade: a person's of this very trade, else the last one
    /// by id, from its own source or group or from `manual`.
    func change(of trade: Trade, _ ordinal: UInt64, source: Int?) -> Change? {
        addressed(trade, ordinal, source) ?? changeByID(of: trade, source)
    }

    private func addressed(_ trade: Trade, _ ordinal: UInt64, _ source: Int?) -> Change? {
        guard !byPlace.isEmpty else { return nil }
        let place = Place(
            symbol: trade.header.symbol, eventTime: trade.header.eventTime, source: source,
            ordinal: ordinal)
        switch byPlace[place] {
        case .cancelled: return .cancelled
        case .corrected(let price, let size):
            return .corrected(
                Values(
                    price: price, size: size, exchange: trade.exchange,
                    conditions: trade.conditions))
        case nil: return nil
        }
    }

    private func changeByID(of trade: Trade, _ source: Int?) -> Change? {
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
    /// Returns a trade as it was corrected later.
    func corrected(_ trade: Trade, _ ordinal: UInt64, source: Int?) -> Trade {
        guard case .corrected(let values) = change(of: trade, ordinal, source: source) else {
            return trade
        }
        var corrected = trade
        corrected.take(values)
        return corrected
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
