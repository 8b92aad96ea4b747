internal import MarketModel

/// The texts of all columns.
struct RowTexts {
    var symbols = TextDictionary()
    var providers = TextDictionary()
    var series = TextDictionary()
    var valueNames = KeyedTexts<String>()
    var units = KeyedTexts<String>()
    var sources = KeyedTexts<SourceName>()
    var exchanges = ShortTexts()
    var conditions = ShortTexts()
    var marketMakers = KeyedTexts<MarketMaker>()
    var names = Names()

    /// The names of numbers.
    struct Names {
        // The names that there are come first, so nearly all numbers are their own indexes.
        var actions = EnumerationTexts<TradeAction>(first: 3)
        var operations = EnumerationTexts<DepthOperation>()
        var sides = EnumerationTexts<BookSide>()
        var resetReasons = EnumerationTexts<DepthResetReason>()
        var barReasons = EnumerationTexts<BarReason>()
        var dataKinds = EnumerationTexts<DataKind>()
        var gapReasons = EnumerationTexts<GapReason>()
        var gapStates = EnumerationTexts<GapState>()
        var barData = EnumerationTexts<ProviderBarKind>()
    }

    /// Whether some texts are more than fit.
    var isOverLimit: Bool {
        symbols.isOverLimit || providers.isOverLimit || series.isOverLimit
            || sources.texts.isOverLimit || exchanges.texts.isOverLimit
            || conditions.texts.isOverLimit || marketMakers.texts.isOverLimit
            || valueNames.texts.isOverLimit || units.texts.isOverLimit
    }

    /// Returns the texts that the indexes of a column mean.
    mutating func page(_ texts: ColumnTexts) -> TextPage {
        switch texts {
        case .symbols: symbols.snapshot()
        case .sources: sources.snapshot()
        case .providers: providers.snapshot()
        case .exchanges: exchanges.snapshot()
        case .conditions: conditions.snapshot()
        case .marketMakers: marketMakers.snapshot()
        case .series: series.snapshot()
        case .names: valueNames.snapshot()
        case .units: units.snapshot()
        case .actions: names.actions.snapshot()
        case .operations: names.operations.snapshot()
        case .sides: names.sides.snapshot()
        case .resetReasons: names.resetReasons.snapshot()
        case .barReasons: names.barReasons.snapshot()
        case .dataKinds: names.dataKinds.snapshot()
        case .gapReasons: names.gapReasons.snapshot()
        case .gapStates: names.gapStates.snapshot()
        case .barData: names.barData.snapshot()
        }
    }
}
