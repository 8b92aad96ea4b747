internal import MarketModel
internal import Primitives
internal import TapeCodec
internal import StreamCore

/// Which source feeds each symbol, and the time that is reached for it.
struct OracleClock {
    private var watermarks: [SourceName: Int64] = [:]
    private var feeds: [SourceSymbol: SourceName] = [:]
    /// The time up to which earlier sources of the symbol closed windows.
    private var closed: [SourceSymbol: Int64] = [:]
    /// The time that was reached at the last watermark of a source that feeds the symbol. A window
    /// with ticks stays open until then, even if another source begins to feed the symbol in
    /// between.
    private var told: [SourceSymbol: Int64] = [:]
    private var firstSince: [SourceSymbol: Int64] = [:]
    private var lastSince: [SourceSymbol: Int64] = [:]

    /// Notes a definition. Returns whether the subscription began again.
    mutating func define(_ definition: LoggedDefinition, _ source: SourceName) -> Bool {
        let symbol = definition.symbol
        let before = feeds.updateValue(source, forKey: symbol)
        if let before, before != source {
            closed[symbol] = max(closed[symbol] ?? Int64.min, watermarks[before] ?? Int64.min)
        }
        let since = definition.since.isDefined ? definition.since.nanoseconds : Int64.min
        if before == nil { firstSince[symbol] = since }
        let last = lastSince.updateValue(
            max(lastSince[symbol] ?? Int64.min, since), forKey: symbol)
        return before != nil && since > last ?? Int64.min
    }

    mutating func advance(_ source: SourceName, to watermark: Timestamp) {
        guard watermark.isDefined else { return }
        watermarks[source] = max(watermarks[source] ?? Int64.min, watermark.nanoseconds)
        for (symbol, feed) in feeds where feed == source { told[symbol] = reached(symbol) }
    }

    func knows(_ scope: LoggedScope) -> Bool {
        scope.symbol == nil || feeds.keys.contains { scope.holds($0) }
    }

    /// Returns the time that is reached for the symbol.
    func reached(_ symbol: SourceSymbol) -> Int64 {
        let own = feeds[symbol].flatMap { watermarks[$0] } ?? Int64.min
        return max(own, closed[symbol] ?? Int64.min)
    }

    /// Returns whether a window takes no more ticks. `isThere` states that it has some, or may have
    /// had.
    func isOver(_ end: Int64, _ symbol: SourceSymbol, isThere: Bool) -> Bool {
        end <= (isThere ? told[symbol] ?? Int64.min : reached(symbol))
    }

    /// Returns whether a window that begins at `start` was not seen from its start.
    func isCut(_ start: Int64, _ symbol: SourceSymbol) -> Bool {
        start < firstSince[symbol] ?? Int64.min
    }
}
