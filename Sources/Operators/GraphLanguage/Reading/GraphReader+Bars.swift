internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore
internal import YAMLFile

// Reads the operators that make bars and numbers.
extension GraphReader {
    mutating func bars(_ draft: NodeDraft, _ kind: DataKind?) -> GraphOperation? {
        let field = field(draft, kind, quoteDefault: nil)
        guard let rule = rule(draft, kind, field) else { return nil }
        return .bars(rule.rule, calendar: rule.calendar)
    }

    /// Reads the rule that bars and aggregates share; `nil` when a part of it is wrong.
    private mutating func rule(
        _ draft: NodeDraft, _ kind: DataKind?, _ field: InputField?
    ) -> (rule: BarRule, calendar: String?)? {
        let conditions = conditions(draft, kind)
        let oddLots = oddLots(draft, kind)
        guard let series = series(draft), let set = set(series, draft), let field else {
            return nil
        }
        if draft.operation == .aggregate { refuseCounted(series, draft) }
        let rule = BarRule(
            series: set, field: field, conditions: conditions, oddLots: oddLots ?? .count)
        return (rule, series.calendar)
    }

    private mutating func set(_ series: NodeSeries, _ draft: NodeDraft) -> BarSeriesSet? {
        do throws(StreamCoreError) {
            return try BarSeriesSet(series.all.map(\.series))
        } catch {
            problems.add(draft.fields["series"]?.position, "\(draft.owner): \(error)")
            return nil
        }
    }

    private static let fields: [(name: String, value: InputField)] = [
        ("trade", .trade), ("bid", .bid), ("ask", .ask), ("middle", .middle), ("spread", .spread),
    ]
    private static let fieldsOfBooks: [(name: String, value: InputField)] = [
        ("middle", .bookMiddle), ("microprice", .microprice), ("imbalance", .imbalance),
    ]

    /// Returns the field; `nil` when it is wrong, or the kind of the input is not known.
    private mutating func field(
        _ draft: NodeDraft, _ kind: DataKind?, quoteDefault: InputField?
    ) -> InputField? {
        // Without an input it is not known which of them are meant.
        let fields = kind.map { $0 == .depth ? Self.fieldsOfBooks : Self.fields }
        let given = problems.choice(
            draft.fields["price"], "\(draft.owner): price",
            fields ?? Self.fields + Self.fieldsOfBooks)
        guard let kind else { return nil }
        if draft.fields["price"] != nil, given == nil { return nil }
        let field = given ?? (kind == .trade ? .trade : quoteDefault)
        guard let field else {
            problems.add(
                draft.position,
                "\(draft.owner): \(kind.shown) have several prices: choose one, as "
                    + "'price: middle'")
            return nil
        }
        guard field.kind == kind else {
            let (wanted, got) = field.kind == .quote ? ("quotes", "trades") : ("trades", "quotes")
            problems.add(
                draft.fields["price"]?.position ?? draft.sourcePosition,
                "\(draft.owner): this price is one of \(wanted), and its input are \(got)")
            return nil
        }
        return field
    }

    /// Reads the name of a file of conditions.
    private mutating func conditions(_ draft: NodeDraft, _ kind: DataKind?) -> ConditionRules? {
        guard let node = draft.fields["conditions"],
            let name = problems.text(node, "\(draft.owner): conditions")
        else { return nil }
        if let kind, kind != .trade {
            problems.add(
                node.position, "\(draft.owner): \(kind.shown) have no sale conditions: remove it")
        }
        return use(conditions: name, at: node.position)
    }

    /// Reads `volume-only`, `{rule: exclude, below: 10}` or `{below: lot}`.
    private mutating func oddLots(_ draft: NodeDraft, _ kind: DataKind?) -> OddLotRule? {
        guard let node = draft.fields["odd_lots"] else { return nil }
        let owner = "\(draft.owner): odd_lots"
        if let kind, kind != .trade {
            problems.add(
                node.position, "\(draft.owner): \(kind.shown) are no odd lots: remove odd_lots")
        }
        var rule: YAMLNode? = node
        var below = OddLotLimit.size(RoundLot.usual)
        if node.scalar == nil {
            guard let fields = Fields(node, of: owner, known: ["rule", "below"], &problems) else {
                return nil
            }
            let isOfSymbol = fields["below"]?.scalar?.text == "lot"
            if isOfSymbol {
                below = .lot
            } else if let amount = problems.amount(fields["below"], "\(owner): below") {
                below = .size(Quantity(raw: amount))
            }
            if isOfSymbol, fields["rule"] == nil { return .volumeOnly(below: below) }
            rule = fields.required("rule", of: owner, as: "volume-only", &problems)
        }
        return problems.choice(
            rule, owner,
            [
                ("count", OddLotRule.count), ("volume-only", .volumeOnly(below: below)),
                ("exclude", .exclude(below: below)),
            ])
    }

    mutating func aggregate(_ draft: NodeDraft, _ kind: DataKind?) -> GraphOperation? {
        let field = field(draft, kind, quoteDefault: kind == .depth ? .bookMiddle : .middle)
        let rule = rule(draft, kind, field)
        let example = "[mean, count]"
        let items = problems.list(
            draft.fields.required("functions", of: draft.owner, as: example, &problems),
            "\(draft.owner): functions", as: example)
        var functions: [AggregateFunction] = []
        for item in items ?? [] {
            guard
                let function = problems.choice(
                    item, "\(draft.owner): functions",
                    AggregateFunction.allCases.map { ($0.rawValue, $0) })
            else { continue }
            if functions.contains(function) {
                problems.add(
                    item.position, "\(draft.owner): \(function.rawValue) is there twice")
            }
            if function == .vwap, let kind, kind != .trade {
                problems.add(
                    item.position, "\(draft.owner): vwap is of trades: \(kind.shown) have no size")
            }
            if function == .spread, let kind, kind != .quote {
                problems.add(item.position, "\(draft.owner): spread is of quotes")
            }
            functions.append(function)
        }
        guard let rule, !functions.isEmpty else { return nil }
        return .aggregate(
            AggregateRule(bars: rule.rule, functions: functions), calendar: rule.calendar)
    }

    /// Reports counted windows. A published number is identified by its window's start, and several
    /// counted windows may start at the same time.
    private mutating func refuseCounted(_ series: NodeSeries, _ draft: NodeDraft) {
        for (one, position) in series.all {
            switch one.window {
            case .ticks, .volume, .dollars:
                problems.add(
                    position,
                    "\(draft.owner): series \(one.name) ends by count, and numbers are of windows "
                        + "by time: give it a width, or make bars of it")
            case .tumbling, .session, .sliding, .inactivity: continue
            }
        }
    }

    /// Reads a node that makes bars of bars: of a provider's bars when `kind` says so.
    mutating func resample(_ draft: NodeDraft, _ kind: DataKind?) -> GraphOperation? {
        let isOfProvider = kind == .providerBar
        let node = draft.fields.required(
            "from", of: draft.owner, as: isOfProvider ? "5s" : "1m", &problems)
        let series = series(draft)
        let data = data(draft, isOfProvider: isOfProvider)
        guard let node, let name = problems.text(node, "\(draft.owner): from"), let series,
            let set = set(series, draft)
        else { return nil }
        let found =
            isOfProvider
            ? providerBars(name, node.position, draft, set) : source(name, node.position, draft)
        guard let from = found else { return nil }
        for (one, position) in series.all {
            if let problem = Self.mismatch(one, from, mayBeEqual: isOfProvider) {
                problems.add(position, "\(draft.owner): series \(one.name) \(problem)")
            }
            if one.fill != .none {
                problems.add(
                    position,
                    "\(draft.owner): series \(one.name) is made of bars, and only bars of ticks "
                        + "are filled: remove fill, or make it of ticks in a bars node")
            }
        }
        guard isOfProvider else {
            return .resample(ResampleRule(from: from.name, series: set))
        }
        return data.map { .resample(ResampleRule(ProviderBarChoice(from, of: $0), series: set)) }
    }

    /// Reads the data of which a provider made its bars.
    private mutating func data(_ draft: NodeDraft, isOfProvider: Bool) -> ProviderBarKind? {
        guard let node = draft.fields["of"] else { return .trades }
        if !isOfProvider {
            problems.add(
                node.position,
                "\(draft.owner): of is for provider bars: 'from' names the bars here")
        }
        return problems.choice(
            node, "\(draft.owner): of", ProviderBarChoice.choices.map { ($0.name, $0.data) })
    }

    /// Returns the windows of a provider's bars. They may come late for as long as one of the
    /// series takes them.
    private mutating func providerBars(
        _ length: String, _ position: YAMLPosition, _ draft: NodeDraft, _ set: BarSeriesSet
    ) -> BarSeries? {
        let lateness = set.all.map(\.lateness).max() ?? 0
        guard let name = SeriesName(length), let width = BarSeries.width(length) else {
            problems.add(
                position,
                "\(draft.owner): from: \(Shown.text(length)) is no length of a provider's bars: "
                    + "write it as 5s or 1m")
            return nil
        }
        do throws(StreamCoreError) {
            return try BarSeries(name: name, window: .tumbling(width: width), lateness: lateness)
        } catch {
            problems.add(position, "\(draft.owner): from: \(error)")
            return nil
        }
    }

    /// Returns the series of the input node from which others are made.
    private mutating func source(
        _ name: String, _ position: YAMLPosition, _ draft: NodeDraft
    ) -> BarSeries? {
        guard let input = draft.source?.node,
            let index = nodes.firstIndex(where: { $0.node.name == input })
        else { return nil }
        let own = series.values.filter { $0.node == index }.map(\.series)
        guard let found = own.first(where: { $0.name.text == name }) else {
            problems.add(
                position,
                "\(draft.owner): \(input) makes no \(Shown.text(name)): there are "
                    + own.map(\.name.text).sorted().joined(separator: ", "))
            return nil
        }
        guard case .tumbling = found.window else {
            problems.add(
                position,
                "\(draft.owner): the windows of \(name) do not follow each other at one "
                    + "width: choose a series like 1m")
            return nil
        }
        return found
    }

    private static func mismatch(
        _ series: BarSeries, _ from: BarSeries, mayBeEqual: Bool
    ) -> String? {
        let part = from.widthNanoseconds
        let width = series.widthNanoseconds
        switch series.window {
        case .tumbling:
            guard width % part == 0, width > part || mayBeEqual else {
                return "is no multiple of \(from.name): choose another width"
            }
        case .sliding(_, let hop):
            guard width % part == 0, hop % part == 0 else {
                return "is no multiple of \(from.name), or moves by none: choose another width"
            }
        case .session, .inactivity, .ticks, .volume, .dollars:
            return "cannot be made of bars: make it of ticks, in a bars node"
        }
        guard width / part <= ResampleRule.ratioMax else {
            return
                "is made of more than \(ResampleRule.ratioMax) windows of \(from.name): choose a "
                + "wider series to make it of"
        }
        return nil
    }
}
