import MarketModel
import ServiceRuntime

/// Reads the symbols of a synthetic market from the items of `SYNTHETIC_SYMBOLS`.
enum SyntheticSymbols {
    /// Returns the symbols that the items name, in their order: an item is a symbol, or many of
    /// them, as `S*3` is S1, S2 and S3. At most `SyntheticMarket.symbolsMax` are made.
    static func named(_ items: [String]) throws(SettingsError) -> [Symbol] {
        var symbols: [Symbol] = []
        var known = Set<Symbol>()
        for item in items {
            for name in try names(item, most: SyntheticMarket.symbolsMax - symbols.count) {
                guard let symbol = Symbol(name) else {
                    throw SettingsError("SYNTHETIC_SYMBOLS: one of them is no symbol")
                }
                guard known.insert(symbol).inserted else {
                    throw SettingsError("SYNTHETIC_SYMBOLS: \(name) is there twice")
                }
                symbols.append(symbol)
            }
        }
        guard !symbols.isEmpty else { throw wrongCount }
        return symbols
    }

    private static func names(_ item: String, most: Int) throws(SettingsError) -> [String] {
        guard let mark = item.lastIndex(of: "*") else {
            guard most > 0 else { throw wrongCount }
            return [item]
        }
        let digits = item[item.index(after: mark)...]
        guard mark > item.startIndex, let number = Int(digits), number > 0,
            digits == String(number)[...]
        else {
            throw SettingsError(
                "SYNTHETIC_SYMBOLS: \(item) has to be a name, * and a number above 0, as S*3")
        }
        guard number <= most else { throw wrongCount }
        return (1...number).map { "\(item[..<mark])\($0)" }
    }

    private static var wrongCount: SettingsError {
        SettingsError("SYNTHETIC_SYMBOLS: 1 to \(SyntheticMarket.symbolsMax) symbols are needed")
    }
}
