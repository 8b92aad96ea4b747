public import MarketModel
public import Primitives

/// A tick as it went to the tape, kept near an outage's borders: history tells of it once more.
public enum ArrivedTick: Hashable, Sendable {
    case trade(Trade)
    case quote(Quote)
    /// Of five seconds, which begin at `open`.
    case bar(TickHeader, open: Timestamp)

    public var header: TickHeader {
        switch self {
        case .trade(let tick): tick.header
        case .quote(let tick): tick.header
        case .bar(let header, _): header
        }
    }
}
