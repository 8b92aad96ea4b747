package import MarketModel

// Subjects on which `LivePublisher` publishes single records for live readers: core NATS, best
// effort, one subject per symbol.
extension TapeNames {
    /// The subjects of a symbol's trades and quotes, and of its bars of one series.
    package func liveTrades(_ symbol: Symbol) -> String {
        "\(namespace).live.trade.\(SymbolToken.encode(symbol))"
    }

    package func liveQuotes(_ symbol: Symbol) -> String {
        "\(namespace).live.quote.\(SymbolToken.encode(symbol))"
    }

    package func liveBars(_ series: SeriesName, _ symbol: Symbol) -> String {
        "\(namespace).live.bar.\(series).\(SymbolToken.encode(symbol))"
    }

    /// Returns the subject of a value. The part of the name up to its first dot, which is the
    /// node's, and the rest are one token each. The symbol follows, if the value belongs to one.
    package func liveValues(_ name: String, _ symbol: Symbol?) -> String {
        var tokens = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        if tokens.contains(where: \.isEmpty) { tokens = [name[...]] }
        var subject = "\(namespace).live.value"
        for token in tokens { subject += ".\(SymbolToken.encode(text: token))" }
        if let symbol { subject += ".\(SymbolToken.encode(symbol))" }
        return subject
    }

    /// A filter of all values, including those without a symbol.
    package var liveValues: String { "\(namespace).live.value.>" }

    // MARK: filters (a symbol of nil: all symbols)

    /// Filters of the trades and the quotes.
    package func liveTrades(of symbol: Symbol?) -> String {
        symbol.map { liveTrades($0) } ?? "\(namespace).live.trade.*"
    }

    package func liveQuotes(of symbol: Symbol?) -> String {
        symbol.map { liveQuotes($0) } ?? "\(namespace).live.quote.*"
    }

    /// A filter of the bars of all series.
    package func liveBars(of symbol: Symbol?) -> String {
        "\(namespace).live.bar.*.\(symbol.map { SymbolToken.encode($0) } ?? "*")"
    }
}
