internal import MarketModel
internal import OperatorGraph
internal import StreamCore
internal import YAMLFile

// Reads measures over many symbols.
extension GraphReader {
    mutating func breadth(_ draft: NodeDraft) -> GraphOperation? {
        readScope(draft)
        let universe = universe(draft)
        let measures = measures(draft)
        let sources = sources(draft)
        var warmsUp = false
        if let node = draft.fields["warm_up"] {
            warmsUp =
                problems.choice(
                    node, "\(draft.owner): warm_up", [("provider", true), ("none", false)])
                ?? false
        }
        var calendar: String?
        if let node = draft.fields["calendar"],
            let name = problems.text(node, "\(draft.owner): calendar")
        {
            calendar = name
            use(calendar: name, at: node.position)
        }
        guard case .series(let text)? = draft.source, let name = SeriesName(text), let universe,
            !measures.isEmpty
        else { return nil }
        return .breadth(
            BreadthRule(
                series: name, universe: universe, measures: measures, sources: sources,
                warmsUp: warmsUp),
            calendar: calendar)
    }

    mutating func readScope(_ draft: NodeDraft) {
        _ = problems.choice(
            draft.fields.required("scope", of: draft.owner, as: "all", &problems),
            "\(draft.owner): scope", [("all", true)])
    }

    /// Reads the universe. Without the key it is empty, which means every symbol that has bars.
    mutating func universe(_ draft: NodeDraft) -> [Symbol]? {
        guard let node = draft.fields["universe"] else { return [] }
        let what = "\(draft.owner): universe"
        guard let items = problems.list(node, what, as: "[SPY, QQQ]") else { return nil }
        guard items.count <= BreadthRule.universeMax else {
            problems.add(
                node.position,
                "\(what): \(items.count) symbols are more than \(BreadthRule.universeMax)")
            return nil
        }
        var seen: Set<Symbol> = []
        var symbols: [Symbol] = []
        for item in items {
            guard let text = problems.text(item, what) else { continue }
            guard let symbol = Symbol(text) else {
                problems.add(item.position, "\(what): \(Shown.text(text)) is no symbol")
                continue
            }
            if !seen.insert(symbol).inserted {
                problems.add(item.position, "\(what): \(Shown.text(text)) is there twice")
            }
            symbols.append(symbol)
        }
        return symbols
    }

    /// Reads the sources and groups that count. Without the key the list is empty, which means all.
    mutating func sources(_ draft: NodeDraft) -> [SourceName] {
        guard let node = draft.fields["sources"] else { return [] }
        let what = "\(draft.owner): sources"
        let items = problems.list(node, what, as: "[ibkr]") ?? []
        return items.prefix(StreamLimits.sourcesMax).compactMap { item in
            guard let text = problems.text(item, what) else { return nil }
            guard let source = SourceName(text) else {
                problems.add(item.position, "\(what): \(Shown.text(text)) is no name of a source")
                return nil
            }
            if let group = groups.first(where: { $0.members.contains(source) }) {
                problems.add(
                    item.position,
                    "\(what): \(Shown.text(text)) is a member of the group \(group.name), under "
                        + "whose name its bars are: write \(group.name)")
            }
            return source
        }
    }

    private mutating func measures(_ draft: NodeDraft) -> [BreadthMeasure] {
        let example = "[advance_decline, {new_highs: 20}]"
        let what = "\(draft.owner): measures"
        let items = problems.list(
            draft.fields.required("measures", of: draft.owner, as: example, &problems), what,
            as: example)
        var measures: [BreadthMeasure] = []
        for item in items ?? [] {
            guard let measure = measure(item, what) else { continue }
            if measures.contains(measure) {
                problems.add(item.position, "\(what): this one is there twice")
            }
            measures.append(measure)
        }
        return measures
    }

    private mutating func measure(_ item: YAMLNode, _ what: String) -> BreadthMeasure? {
        if item.scalar != nil {
            return problems.choice(
                item, what,
                [
                    ("advance_decline", BreadthMeasure.advanceDecline),
                    ("advance_decline_ratio", .advanceDeclineRatio),
                ])
        }
        let known = ["new_highs", "new_lows", "above_average"]
        guard let fields = Fields(item, of: what, known: known, &problems) else { return nil }
        let given = known.filter { fields[$0] != nil }
        guard given.count == 1,
            let days = problems.integer(
                fields[given[0]], "\(what): \(given[0])", in: 1...Int64(BreadthRule.daysMax))
        else {
            if given.count != 1 {
                problems.add(
                    item.position,
                    "\(what): write one of \(known.joined(separator: ", ")) with its "
                        + "number of days")
            }
            return nil
        }
        switch given[0] {
        case "new_highs": return .newHighs(days: Int(days))
        case "new_lows": return .newLows(days: Int(days))
        default: return .aboveAverage(days: Int(days))
        }
    }
}
