package import MarketModel
package import OperatorGraph
package import Primitives
package import StreamCore

/// Makes definitions of graphs from seeds.
package struct SimulatedGraphs {
    private static let second: Int64 = 1_000_000_000

    package static func lateness(using random: inout SeededRandom) -> Int64 {
        [0, 0, 2 * second, 20 * second].randomElement(using: &random) ?? 0
    }

    /// Returns bars by time, with other series in each world. With a `lateness` of `nil` each
    /// series has its own. If all have the same, some series fill windows without trades.
    package static func timeBars(
        lateness: Int64? = nil, using random: inout SeededRandom
    ) throws -> GraphDefinition {
        .simple(try BarSeriesSet(timeSeries("", lateness: lateness, using: &random)))
    }

    private static func timeSeries(
        _ prefix: String, lateness: Int64? = nil, using random: inout SeededRandom
    ) throws -> [BarSeries] {
        let widths: [Int64] = [1, 5, 10, 60]
        var chosen = widths.filter { _ in Bool.random(using: &random) }
        if chosen.isEmpty { chosen = [1] }
        return try chosen.map { seconds in
            let isFilled = lateness != nil && Bool.random(using: &random)
            return try oneSeries(
                "\(prefix)\(seconds)s", .tumbling(width: seconds * second),
                lateness ?? Self.lateness(using: &random),
                fill: isFilled ? .previousClose(max: Int.random(in: 1...9, using: &random)) : .none)
        }
    }

    /// Returns windows by the clock and of sessions, all of which are filled.
    package static func filled(using random: inout SeededRandom) throws -> GraphDefinition {
        let windows: [(String, WindowRule)] = [
            ("2s", .tumbling(width: 2 * second)), ("10s", .tumbling(width: 10 * second)),
            ("7s", .session(width: 7 * second)),
        ]
        let series = try windows.map {
            try oneSeries(
                $0.0, $0.1, lateness(using: &random),
                fill: .previousClose(max: Int.random(in: 1...9, using: &random)))
        }
        return GraphDefinition(
            name: "filled",
            nodes: [
                bars(
                    "bars", .ticks(.trade), BarRule(series: try BarSeriesSet(series)),
                    calendar: calendar.name)
            ], calendars: [calendar])
    }

    // MARK: complete graphs

    /// Returns a graph of any kind, for a market with every kind of weather.
    package static func any(using random: inout SeededRandom) throws -> GraphDefinition {
        var nodes: [GraphNode] = []
        var input = GraphInput.ticks(.trade)
        for stage in 0..<Int.random(in: 0...2, using: &random) {
            nodes.append(
                GraphNode(
                    name: "stage\(stage)", input: input,
                    operation: try Self.stage(using: &random)))
            input = .node(nodes.count - 1)
        }
        for node in 0..<Int.random(in: 1...2, using: &random) {
            var rule = BarRule(series: try series("t\(node)x", using: &random))
            if Bool.random(using: &random) { rule.conditions = try conditions() }
            let limit = Self.limit(using: &random)
            rule.oddLots =
                [
                    .count, .volumeOnly(below: limit), .exclude(below: limit),
                ].randomElement(using: &random) ?? .count
            nodes.append(
                bars("trades\(node)", input, rule, calendar: calendar.name))
        }
        if Bool.random(using: &random) {
            let field = [InputField.bid, .ask, .middle, .spread].randomElement(using: &random)
            let rule = BarRule(
                series: try BarSeriesSet(timeSeries("q", using: &random)),
                field: field ?? .middle)
            nodes.append(
                bars("quotes", .ticks(.quote), rule))
        }
        return GraphDefinition(
            name: "any", nodes: nodes, calendars: [calendar], groups: groups(using: &random))
    }

    /// Returns no groups, one of all sources, or one of some: a market has at most three.
    private static func groups(using random: inout SeededRandom) -> SourceGroups {
        let members = Int.random(in: 1...3, using: &random)
        guard members > 1, let name = SourceName("group") else { return SourceGroups() }
        return SourceGroups([
            SourceGroups.Group(
                name: name, members: (0..<members).compactMap { SourceName("src\($0)") })
        ])
    }

    /// Returns what an odd lot is below: 100 shares, or the symbol's lot.
    private static func limit(using random: inout SeededRandom) -> OddLotLimit {
        Bool.random(using: &random) ? .lot : .size(Quantity(raw: 10_000_000_000))
    }

    private static func series(
        _ prefix: String, using random: inout SeededRandom
    ) throws -> BarSeriesSet {
        var series = try timeSeries(prefix, using: &random)
        if Bool.random(using: &random) {
            series.append(
                try oneSeries(
                    "\(prefix)slide", .sliding(width: 10 * second, hop: 2 * second),
                    Self.lateness(using: &random)))
        }
        if Bool.random(using: &random) {
            series.append(
                try oneSeries(
                    "\(prefix)session",
                    .session(width: Bool.random(using: &random) ? 7 * second : nil),
                    Self.lateness(using: &random)))
        }
        return try BarSeriesSet(series)
    }

    /// Returns bars that end with a tick.
    package static func numberBars(using random: inout SeededRandom) throws -> GraphDefinition {
        var windows: [(String, WindowRule)] = [
            ("ticks3", .ticks(3)), ("ticks1", .ticks(1)), ("volume", .volume(90_000_000_000)),
            ("dollars", .dollars(150_000_000_000)),
        ].filter { _ in Bool.random(using: &random) }
        if windows.isEmpty { windows = [("ticks2", .ticks(2))] }
        let series = try windows.map { try oneSeries($0.0, $0.1) }
        var rule = BarRule(series: try BarSeriesSet(series))
        let limit = Self.limit(using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: rule.conditions = try conditions()
        case 1: rule.oddLots = .volumeOnly(below: limit)
        default:
            rule.conditions = try conditions()
            rule.oddLots =
                Bool.random(using: &random) ? .volumeOnly(below: limit) : .exclude(below: limit)
        }
        let hasCalendar = Bool.random(using: &random)
        return GraphDefinition(
            name: "numbers",
            nodes: [
                bars("bars", .ticks(.trade), rule, calendar: hasCalendar ? calendar.name : nil)
            ], calendars: [calendar])
    }

    /// Returns bars of runs of ticks.
    package static func pauses(using random: inout SeededRandom) throws -> GraphDefinition {
        let series = try [1, 4, 20].filter { $0 == 4 || Bool.random(using: &random) }.map {
            try oneSeries(
                "pause\($0)", .inactivity(gap: $0 * second), Self.lateness(using: &random))
        }
        return .simple(try BarSeriesSet(series))
    }

    /// Returns bars of bars with the lateness of their origin, numbers of windows, and bars after
    /// branches.
    package static func derived(using random: inout SeededRandom) throws -> GraphDefinition {
        let lateness = Self.lateness(using: &random)
        let fine = try oneSeries("fine", .tumbling(width: second), lateness)
        let coarse = try oneSeries("coarse", .tumbling(width: 5 * second), lateness)
        let moving = try oneSeries("moving", .sliding(width: 6 * second, hop: 2 * second), lateness)
        let counted = try oneSeries(
            "5s", .tumbling(width: 5 * second), Self.lateness(using: &random))
        let cheap = TickExpression(
            text: "price < 4",
            instructions: [.field(.price), .number(4_000_000_000), .less])
        let numbers: [AggregateFunction] = [.first, .last, .min, .max, .sum, .count, .mean]
        let quoted = try oneSeries(
            "q5s", .tumbling(width: 5 * second), Self.lateness(using: &random))
        let field = [InputField.bid, .ask, .middle, .spread].randomElement(using: &random)
        return GraphDefinition(
            name: "derived",
            nodes: [
                GraphNode(
                    name: "split", input: .ticks(.trade),
                    operation: .route([
                        RouteBranch(name: "cheap", condition: cheap),
                        RouteBranch(name: "rest", condition: nil),
                    ])),
                bars(
                    "bars", .branch(node: 0, branch: 0), BarRule(series: try BarSeriesSet([fine]))),
                GraphNode(
                    name: "coarser", input: .node(1),
                    operation: .resample(
                        ResampleRule(
                            from: fine.name, series: try BarSeriesSet([coarse, moving])))),
                GraphNode(
                    name: "numbers", input: .branch(node: 0, branch: 1),
                    operation: .aggregate(
                        AggregateRule(
                            bars: BarRule(series: try BarSeriesSet([counted])),
                            functions: numbers + [.vwap]), calendar: nil)),
                GraphNode(
                    name: "quoted", input: .ticks(.quote),
                    operation: .aggregate(
                        AggregateRule(
                            bars: BarRule(
                                series: try BarSeriesSet([quoted]), field: field ?? .middle),
                            functions: numbers + [.spread]), calendar: nil)),
            ])
    }

    /// Returns bars of trades by the quote rule: a join, of all quotes or of some, and a route.
    /// Beside them are bars of all trades and of bids.
    package static func joined(using random: inout SeededRandom) throws -> GraphDefinition {
        let maxAge = [second / 2, 2 * second, 20 * second].randomElement(using: &random) ?? second
        let tight = TickExpression(
            text: "ask - bid < 0.003",
            instructions: [.field(.ask), .field(.bid), .subtract, .number(3_000_000), .less])
        var nodes = [
            GraphNode(name: "tight", input: .ticks(.quote), operation: .filter(tight))
        ]
        let quotes = Bool.random(using: &random) ? GraphInput.node(0) : .ticks(.quote)
        nodes.append(
            GraphNode(
                name: "paired", input: .ticks(.trade),
                operation: .join(JoinRule(maxAge: maxAge), with: quotes)))
        let sides: [(String, [TickExpression.Instruction]?)] = [
            ("bought", [.field(.price), .field(.ask), .greaterOrEqual]),
            ("sold", [.field(.price), .field(.bid), .lessOrEqual]), ("between", [.isPaired]),
            ("alone", nil),
        ]
        nodes.append(
            GraphNode(
                name: "sides", input: .node(1),
                operation: .route(
                    sides.map { name, instructions in
                        RouteBranch(
                            name: name,
                            condition: instructions.map {
                                TickExpression(text: name, instructions: $0)
                            })
                    })))
        for (place, (name, _)) in sides.enumerated() {
            let rule = BarRule(series: try BarSeriesSet(timeSeries(name, using: &random)))
            nodes.append(bars("\(name)s", .branch(node: 2, branch: place), rule))
        }
        nodes.append(
            bars(
                "all", .ticks(.trade),
                BarRule(series: try BarSeriesSet(timeSeries("t", using: &random)))))
        nodes.append(
            bars(
                "bids", .node(0),
                BarRule(
                    series: try BarSeriesSet(timeSeries("q", using: &random)), field: .bid)))
        return GraphDefinition(name: "joined", nodes: nodes, groups: groups(using: &random))
    }

    /// Returns bars and numbers of books, of all changes and of those of books that are not
    /// crossed, beside bars of trades.
    package static func books(using random: inout SeededRandom) throws -> GraphDefinition {
        let levels = [1, 2, 4, 20].shuffled(using: &random)
        let apart = TickExpression(
            text: "bid < ask and imbalance < 0.9",
            instructions: [
                .field(.bid), .field(.ask), .less, .field(.imbalance), .number(900_000_000), .less,
                .and,
            ])
        let numbers: [AggregateFunction] = [.first, .last, .min, .max, .sum, .count, .mean]
        func rule(
            _ prefix: String, _ field: InputField, _ random: inout SeededRandom
        ) throws -> BarRule {
            BarRule(series: try BarSeriesSet(timeSeries(prefix, using: &random)), field: field)
        }
        return GraphDefinition(
            name: "books",
            nodes: [
                GraphNode(
                    name: "book", input: .ticks(.depth),
                    operation: .book(BookRule(levels: levels[0]))),
                GraphNode(name: "apart", input: .node(0), operation: .filter(apart)),
                bars("micro", .node(0), try rule("m", .microprice, &random)),
                bars("imbalances", .node(1), try rule("i", .imbalance, &random)),
                GraphNode(
                    name: "numbers", input: .node(1),
                    operation: .aggregate(
                        AggregateRule(
                            bars: try rule("n", .bookMiddle, &random), functions: numbers),
                        calendar: nil)),
                GraphNode(
                    name: "deep", input: .ticks(.depth),
                    operation: .book(BookRule(levels: levels[1]))),
                bars("deeper", .node(5), try rule("d", .imbalance, &random)),
                bars("trades", .ticks(.trade), try rule("t", .trade, &random)),
            ], groups: groups(using: &random))
    }

    /// Returns bars of a provider's bars, beside bars of trades. With `isPlain` they are of one
    /// series and without nodes before it, as the oracle's repairs need it.
    package static func providerBars(
        isPlain: Bool = false, using random: inout SeededRandom
    ) throws -> GraphDefinition {
        let minute = try oneSeries("p30s", .tumbling(width: 30 * second), lateness(using: &random))
        let moving = try oneSeries(
            "p20s10s", .sliding(width: 20 * second, hop: 10 * second), lateness(using: &random))
        let series = isPlain ? [minute] : [minute, moving]
        let bars = try oneSeries("5s", .tumbling(width: 5 * second), series.map(\.lateness).max())
        var nodes = GraphDefinition.simple(try BarSeriesSet(["1s"])).nodes
        var input = GraphInput.ticks(.providerBar)
        let stages: [GraphOperation] = [
            .throttle(ThrottleRule(count: 2, per: 2 * second)),
            .deduplicate(DeduplicateRule(key: [.start], timeToLive: 9 * second)),
        ]
        for stage in stages where !isPlain && Bool.random(using: &random) {
            nodes.append(
                GraphNode(name: "n\(nodes.count)", input: input, operation: stage))
            input = .node(nodes.count - 1)
        }
        nodes.append(
            GraphNode(
                name: "provided", input: input,
                operation: .resample(
                    ResampleRule(
                        ProviderBarChoice(bars, of: .trades), series: try BarSeriesSet(series)))))
        return GraphDefinition(name: "provided", nodes: nodes)
    }

    // MARK: parts

    private static func oneSeries(
        _ text: String, _ window: WindowRule, _ lateness: Int64? = nil, fill: FillRule = .none
    ) throws -> BarSeries {
        try BarSeries(name: name(text), window: window, lateness: lateness, fill: fill)
    }

    private static func bars(
        _ name: String, _ input: GraphInput, _ rule: BarRule, calendar: String? = nil
    ) -> GraphNode {
        GraphNode(name: name, input: input, operation: .bars(rule, calendar: calendar))
    }

    private static func stage(using random: inout SeededRandom) throws -> GraphOperation {
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            return .deduplicate(
                DeduplicateRule(
                    key: [.id], timeToLive: Int64.random(in: 1...9, using: &random) * second))
        case 1:
            let scope = Bool.random(using: &random) ? ThrottleRule.Scope.symbol : .partition
            return .throttle(
                ThrottleRule(
                    count: Int.random(in: 1...3, using: &random),
                    per: Int64.random(in: 1...4_000, using: &random) * 1_000_000, scope: scope))
        default:
            return .filter(
                TickExpression(
                    text: "price > 3",
                    instructions: [.field(.price), .number(3 * 1_000_000_000)]
                        + [.greater]))
        }
    }

    /// Short sessions with a pause in between, beginning shortly before the market's start.
    package static let calendar: SessionCalendar = {
        let start = SimulatedInput.start - 3 * second
        let sessions = (0..<400).map { index in
            SessionCalendar.Session(
                open: start + Int64(index) * 30 * second,
                close: start + Int64(index) * 30 * second + 25 * second, day: 20_231_114)
        }
        guard let calendar = SessionCalendar(name: "short", sessions: sessions) else {
            preconditionFailure("the sessions overlap")
        }
        return calendar
    }()

    private static func conditions() throws -> ConditionRules {
        let rules: [(code: String, effect: TradeEffect)] = [
            ("W", .volume), ("L", [.range, .volume]), ("I", []), ("T", [.last, .volume]),
        ]
        guard let rules = ConditionRules(name: "test", rules) else {
            throw StreamCoreError.seriesText("conditions")
        }
        return rules
    }

    package static func name(_ text: String) throws -> SeriesName {
        guard let name = SeriesName(text) else { throw StreamCoreError.seriesText(text) }
        return name
    }
}
