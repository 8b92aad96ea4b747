internal import MarketModel
internal import OperatorGraph
internal import StreamCore
internal import YAMLFile

// Reads conditions on the bars of many symbols.
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
        guard case .series(let text)? = draft.source, let name = SeriesName(text) else {
            return nil
        }
        if let bars = series[text]?.series, bars.widthNanoseconds < ScanRule.widthMin {
            problems.add(
                draft.sourcePosition,
                "\(draft.owner): a scan takes windows of a minute or more, and those of \(text) "
                    + "are shorter: name a series like 1m")
            return nil
        }
        guard let universe, let condition, !numbers.isEmpty else { return nil }
        return .scan(
            ScanRule(
                series: name, universe: universe, sources: sources, condition: condition,
                numbers: numbers, rank: rank ?? .volume,
                most: most.map { Int($0) } ?? ScanRule.mostMax))
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
}
