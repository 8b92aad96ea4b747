package import MarketModel

// Subjects of the live fan-out: core NATS, best effort. The last two tokens are the symbol and its
// source, which for bars may be a group of sources. The name of a source needs no encoding.
extension TapeNames {
    package func liveTrades(_ symbol: Symbol, _ source: SourceName) -> String {
        "\(namespace).live.trade.\(Self.pair(symbol, source))"
    }

    package func liveQuotes(_ symbol: Symbol, _ source: SourceName) -> String {
        "\(namespace).live.quote.\(Self.pair(symbol, source))"
    }

    package func liveProviderBars(_ symbol: Symbol, _ source: SourceName) -> String {
        "\(namespace).live.provider-bar.\(Self.pair(symbol, source))"
    }

    package func liveBars(
        _ series: SeriesName, _ symbol: Symbol, _ source: SourceName
    ) -> String {
        "\(namespace).live.bar.\(series).\(Self.pair(symbol, source))"
    }

    /// Returns the subject of ticks that a node of a graph passes on.
    package func liveTicks(ofNode node: String, _ symbol: Symbol, _ source: SourceName) -> String {
        "\(namespace).live.node.\(node).\(Self.pair(symbol, source))"
    }

    /// Returns the subject of a value. The part of the name up to its first dot, which is the
    /// node's, and the rest are one token each. Symbol and source follow, if the value belongs to a
    /// symbol.
    package func liveValues(_ name: String, _ symbol: Symbol?, _ source: SourceName) -> String {
        var tokens = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        if tokens.contains(where: \.isEmpty) { tokens = [name[...]] }
        var subject = "\(namespace).live.value"
        for token in tokens { subject += ".\(SymbolToken.encode(text: token))" }
        if let symbol { subject += ".\(Self.pair(symbol, source))" }
        return subject
    }

    // MARK: what to subscribe to; nil: all symbols, all sources

    package func liveTrades(of symbol: Symbol?, _ source: SourceName?) -> String {
        "\(namespace).live.trade.\(Self.pair(symbol, source))"
    }

    package func liveQuotes(of symbol: Symbol?, _ source: SourceName?) -> String {
        "\(namespace).live.quote.\(Self.pair(symbol, source))"
    }

    package func liveProviderBars(of symbol: Symbol?, _ source: SourceName?) -> String {
        "\(namespace).live.provider-bar.\(Self.pair(symbol, source))"
    }

    /// A filter of the bars of all series.
    package func liveBars(of symbol: Symbol?, _ source: SourceName?) -> String {
        "\(namespace).live.bar.*.\(Self.pair(symbol, source))"
    }

    /// Filters of values. Without a symbol and a source, they include values that have no symbol.
    /// The number of tokens tells whether a value has one: its name has one or two.
    package func liveValues(of symbol: Symbol?, _ source: SourceName?) -> [String] {
        if symbol == nil, source == nil { return ["\(namespace).live.value.>"] }
        let pair = Self.pair(symbol, source)
        return ["\(namespace).live.value.*.\(pair)", "\(namespace).live.value.*.*.\(pair)"]
    }

    private static func pair(_ symbol: Symbol?, _ source: SourceName?) -> String {
        "\(symbol.map { SymbolToken.encode($0) } ?? "*").\(source?.text ?? "*")"
    }
}
