internal import MarketModel
internal import OperatorGraph
internal import StreamCore
internal import YAMLFile

// Reads conditions on the bars of many symbols, and numbers of several.
extension GraphReader {
    mutating func scan(_ draft: NodeDraft) -> GraphOperation? {
        readScope(draft)
        let universe = universe(draft)
        let sources = sources(draft)
        let condition = compiled(
            draft.fields.required("where", of: draft.owner, as: "close > open", &problems), draft
        ) { text throws(ExpressionProblem) in try TickExpression.compile(ofScan: text) }
        let numbers = numbers(draft)
        let rank = problems.choice(
            draft.fields["rank"], "\(draft.owner): rank", Self.numbersOfBars)
        let most = problems.integer(
            draft.fields["most"], "\(draft.owner): most", in: 1...Int64(ScanRule.mostMax))
        guard let name = seriesOfMinutes(draft), let universe, let condition, !numbers.isEmpty
        else { return nil }
        return .scan(
            ScanRule(
                series: name, universe: universe, sources: sources, condition: condition,
                numbers: numbers, rank: rank ?? .volume,
                most: most.map { Int($0) } ?? ScanRule.mostMax))
    }

    /// Reads the series, whose windows have to be of a minute or more.
    private mutating func seriesOfMinutes(_ draft: NodeDraft) -> SeriesName? {
        guard case .series(let text)? = draft.source, let name = SeriesName(text) else {
            return nil
        }
        if let bars = series[text]?.series, bars.widthNanoseconds < ScanRule.widthMin {
            problems.add(
                draft.sourcePosition,
                "\(draft.owner): a \(draft.operation.rawValue) takes windows of a minute or more, "
                    + "and those of \(text) are shorter: name a series like 1m")
            return nil
        }
        return name
    }

    private static let numbersOfBars: [(name: String, value: TickField)] =
        ScanRule.fields.map { ($0.rawValue, $0) }

    private mutating func numbers(_ draft: NodeDraft) -> [TickField] {
        let (what, example) = ("\(draft.owner): numbers", "[close, volume]")
        let items = problems.list(
            draft.fields.required("numbers", of: draft.owner, as: example, &problems), what,
            as: example)
        var numbers: [TickField] = []
        for item in items ?? [] {
            guard let number = problems.choice(item, what, Self.numbersOfBars) else { continue }
            if numbers.contains(number) {
                problems.add(item.position, "\(what): \(number.rawValue) is there twice")
            } else {
                numbers.append(number)
            }
        }
        return numbers
    }

    // MARK: derivations

    mutating func derive(_ draft: NodeDraft) -> GraphOperation? {
        readScope(draft)
        let sources = sources(draft)
        let (inputs, names) = inputs(draft)
        var used: [TickExpression.NamedInput] = []
        let example = "a.close - b.close"
        let node = draft.fields.required("value", of: draft.owner, as: example, &problems)
        let expression = compiled(node, draft) { text throws(ExpressionProblem) in
            // What wrong inputs are called is not known.
            guard let inputs else { return nil }
            let found = try TickExpression.compile(text, of: inputs)
            used = found.used
            return found.expression
        }
        let maxAge = problems.duration(
            draft.fields["max_age"], "\(draft.owner): max_age",
            in: 1_000_000...Derivation.maxAgeMax)
        guard let name = seriesOfMinutes(draft), let node, let expression else { return nil }
        let words = Set(used.flatMap { [$0.name, String($0.name.prefix { $0 != "." })] })
        for name in names where !words.contains(name) {
            problems.add(
                draft.position, "\(draft.owner): inputs: \(name) is not in value: remove it")
        }
        let takesBars = used.contains {
            if case .bar = $0.input { true } else { false }
        }
        guard takesBars else {
            problems.add(
                node.position,
                "\(draft.owner): value takes no bar, and windows with bars alone have values: use "
                    + "one, as in a.close")
            return nil
        }
        return .scan(
            ScanRule(
                series: name, sources: sources, deriving: expression,
                Derivation(inputs: used.map(\.input), maxAge: maxAge ?? 0)))
    }

    /// Reads the inputs of a number, by their names in the expression, and the names in the file.
    /// The inputs are `nil` when some are wrong.
    private mutating func inputs(
        _ draft: NodeDraft
    ) -> (inputs: [TickExpression.NamedInput]?, names: [String]) {
        let what = "\(draft.owner): inputs"
        let example = "{a: AAPL, rate: {symbol: DGS10, value: value}}"
        guard let node = draft.fields.required("inputs", of: draft.owner, as: example, &problems)
        else { return (nil, []) }
        let range = 1...Derivation.symbolsMax
        guard let entries = node.mapping, range.contains(entries.count) else {
            problems.add(
                node.position,
                "\(what): write 1 to \(Derivation.symbolsMax) symbols by names, as \(example)")
            return (nil, [])
        }
        var inputs: [TickExpression.NamedInput] = []
        var isRight = true
        for entry in entries {
            let found = input(entry, what)
            isRight = isRight && !found.isEmpty
            inputs += found
        }
        return (isRight ? inputs : nil, entries.map(\.key))
    }

    /// Returns the inputs that one name stands for; none when it is wrong.
    private mutating func input(
        _ entry: YAMLEntry, _ what: String
    ) -> [TickExpression.NamedInput] {
        guard checkName(entry.key, at: entry.position, of: "an input") else { return [] }
        // An expression has the words, and the node publishes its number as a value.
        guard !entry.key.contains("-"),
            !["and", "or", "not", "in", "has", "value"].contains(entry.key)
        else {
            problems.add(
                entry.position,
                "\(what): \(entry.key) means something else: choose another name, without '-'")
            return []
        }
        guard entry.value.mapping != nil else {
            guard let symbol = symbol(entry.value, what) else { return [] }
            return ScanRule.fields.map { ("\(entry.key).\($0.rawValue)", .bar(symbol, $0)) }
        }
        let owner = "\(what): \(entry.key)"
        guard let fields = Fields(entry.value, of: owner, known: ["symbol", "value"], &problems)
        else { return [] }
        let symbol = symbol(
            fields.required("symbol", of: owner, as: "DGS10", &problems), "\(owner): symbol")
        let value = problems.text(
            fields.required("value", of: owner, as: "value", &problems), "\(owner): value")
        guard let symbol, let value else { return [] }
        guard (1...IndicatorValue.nameBytesMax).contains(value.utf8.count) else {
            problems.add(
                entry.position,
                "\(owner): value has no name of 1 to \(IndicatorValue.nameBytesMax) bytes")
            return []
        }
        return [
            (
                entry.key,
                .indicator(Derivation.Indicator(alias: entry.key, symbol: symbol, name: value))
            )
        ]
    }

    private mutating func symbol(_ node: YAMLNode?, _ what: String) -> Symbol? {
        guard let node, let text = problems.text(node, what) else { return nil }
        guard let symbol = Symbol(text) else {
            problems.add(node.position, "\(what): \(Shown.text(text)) is no symbol")
            return nil
        }
        return symbol
    }
}
