import MarketModel
import Primitives
import ServiceRuntime

/// A trade as it is on the tape, with what people and its provider said of it later. Decides
/// whether a command can be carried out.
struct TradeOnTape {
    let address: TickAddress
    let trade: Trade
    let symbol: Symbol
    /// The source whose bars it is in; `nil` for a trade of `manual` that names none.
    let owner: SourceName?
    /// The last record of a person, unless it was taken back.
    var change: TradeChange?
    /// What the provider's records say of the trade, as far as the database knows.
    var provider = ProviderWord.nothing

    enum ProviderWord: Equatable, Sendable {
        case nothing
        /// Not known: no database is named.
        case unknown
        case cancelled
        case corrected(Price, Quantity)
    }

    struct Values: Equatable {
        var price: Price
        var size: Quantity
    }

    /// The values with which the trade counts now; `nil` when it does not count.
    var present: Values? {
        switch (change, provider) {
        case (let change?, _) where change.change == TradeChangeAction.cancel.rawValue: nil
        case (let change?, _): Values(price: change.price, size: change.size)
        case (nil, .nothing), (nil, .unknown): Values(price: trade.price, size: trade.size)
        case (nil, .cancelled): nil
        case (nil, .corrected(let price, let size)): Values(price: price, size: size)
        }
    }

    /// Returns the record that carries out the command. Refuses what would change nothing.
    func record(
        for command: TradeCommand, requester: String, now: Timestamp
    ) throws(ToolError) -> TradeChange {
        let header = TickHeader(
            symbol: 0, resolution: trade.header.resolution,
            providerTime: trade.header.eventTime, receiveTime: now)
        var record = TradeChange(
            header: header, source: address.source, ordinal: address.ordinal,
            change: command.action)
        record.requester = requester
        record.note = command.note
        switch command.action {
        case .cancel:
            guard present != nil else { throw alreadyCancelled }
        case .restore:
            guard change != nil else {
                throw .refused(
                    provider == .nothing || provider == .unknown
                        ? "\(address) was not changed: there is nothing to take back"
                        : "\(address) was changed by its provider, and only people's changes can "
                            + "be taken back: 'tapeline trade correct' sets its values")
            }
        case .correct:
            guard isWordKnown || command.price != nil && command.size != nil else {
                throw .refused(
                    "without a database (POSTGRES_HOST) it is not known what the provider said of "
                        + "\(address): give --price and --size")
            }
            let before = present ?? Values(price: trade.price, size: trade.size)
            let values = Values(
                price: command.price ?? before.price, size: command.size ?? before.size)
            guard values != present else {
                throw .refused(
                    "\(address) already counts with the price \(values.price) and the size "
                        + "\(values.size): give other values")
            }
            (record.price, record.size) = (values.price, values.size)
        }
        return record
    }

    /// Whether the values are known that a correction keeps. A provider changes trades by their id.
    private var isWordKnown: Bool {
        provider != .unknown || change != nil || trade.header.providerID == 0
    }

    private var alreadyCancelled: ToolError {
        guard let change else {
            return .refused("\(address) was cancelled by its provider: there is nothing to do")
        }
        return .refused(
            "\(address) was cancelled by \(change.requester) at \(change.header.receiveTime): "
                + "'tapeline trade restore' takes that back")
    }

    /// The trade for people.
    var lines: [String] {
        let place = [trade.exchange.text, trade.conditions.text].filter { !$0.isEmpty }
        let values = ["\(symbol)", "\(trade.header.eventTime)", "\(trade.size) at \(trade.price)"]
        return ["trade \(address): " + (values + place).joined(separator: "  ")] + said
    }

    private var said: [String] {
        var lines: [String] = []
        switch provider {
        case .nothing, .unknown: break
        case .cancelled: lines.append("  cancelled by its provider")
        case .corrected(let price, let size):
            lines.append("  corrected by its provider: \(size) at \(price)")
        }
        if let change {
            let what = present.map { "corrected to \($0.size) at \($0.price)" } ?? "cancelled"
            lines.append(
                "  \(what) by \(change.requester) at \(change.header.receiveTime): \(change.note)")
        }
        return lines
    }
}
