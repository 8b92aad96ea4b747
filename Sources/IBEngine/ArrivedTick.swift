public import MarketModel

/// A tick as it went to the tape, kept near an outage's borders: history tells of it once more.
public enum ArrivedTick: Hashable, Sendable {
    case trade(Trade)
    case quote(Quote)

    public var header: TickHeader {
        switch self {
        case .trade(let tick): tick.header
        case .quote(let tick): tick.header
        }
    }
}
