public import MarketModel

// The live fan-out: core NATS, best effort, one subject per symbol.
extension TapeNames {
    public func liveTrades(_ symbol: Symbol) -> String {
        "\(namespace).live.trade.\(SymbolToken.encode(symbol))"
    }

    public func liveQuotes(_ symbol: Symbol) -> String {
        "\(namespace).live.quote.\(SymbolToken.encode(symbol))"
    }

    public func liveBars(_ series: SeriesName, _ symbol: Symbol) -> String {
        "\(namespace).live.bar.\(series).\(SymbolToken.encode(symbol))"
    }

    // MARK: what to subscribe to; nil: of all symbols

    public func liveTrades(of symbol: Symbol?) -> String {
        symbol.map { liveTrades($0) } ?? "\(namespace).live.trade.*"
    }

    public func liveQuotes(of symbol: Symbol?) -> String {
        symbol.map { liveQuotes($0) } ?? "\(namespace).live.quote.*"
    }

    /// Of all series.
    public func liveBars(of symbol: Symbol?) -> String {
        "\(namespace).live.bar.*.\(symbol.map { SymbolToken.encode($0) } ?? "*")"
    }
}
