import MarketModel
import Testing

extension Instrument {
    /// An instrument with this symbol.
    static func named(
        _ symbol: String, _ feeds: Feeds = .trades, _ security: Security = .stock
    ) throws -> Instrument {
        Instrument(symbol: try #require(Symbol(symbol)), contract: Contract(security), feeds: feeds)
    }
}
