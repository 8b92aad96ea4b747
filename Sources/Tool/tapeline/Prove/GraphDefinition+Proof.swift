import MarketModel
import OperatorGraph
import Primitives
import StreamCore

// The properties of a graph that the proof of stored bars needs.
extension GraphDefinition {
    /// The series of all nodes that make bars.
    var allSeries: [BarSeries] {
        nodes.flatMap { node in
            switch node.operation {
            case .bars(let rule, _): rule.series.all
            case .resample(let rule): rule.series.all
            default: [BarSeries]()
            }
        }
    }

    /// Nanoseconds before a bar within which an earlier tick can still influence it. A tick seen
    /// then makes a later one a duplicate, a quote is paired with a later trade, and bars that end
    /// by ticks are counted from the start of their session. The memory of a custom operator is
    /// unknown; a day is read for it.
    var memory: Int64 {
        let day: Int64 = 86_400_000_000_000
        let ofNodes = nodes.map { node -> Int64 in
            switch node.operation {
            case .deduplicate(let rule): rule.timeToLive
            case .throttle(let rule): rule.per
            // By receive times, which may be later than the times of ticks.
            case .join(let rule, _): rule.maxAge + 60_000_000_000
            case .custom: day
            default: 0
            }
        }
        let windows = allSeries + aggregates.flatMap(\.series)
        let ofSeries = windows.contains { !$0.window.isByTime } ? day : 0
        return max(ofSeries, hasJoin ? ofNodes.reduce(0, +) : ofNodes.max() ?? 0)
    }

    /// Returns the kind of ticks that come to an input.
    func kind(of input: GraphInput) -> DataKind {
        switch input {
        case .ticks(let kind): kind
        case .node(let node), .branch(let node, _): kind(of: nodes[node].input)
        }
    }

    /// The longest time for which a quote may count for later trades; 0 without a join.
    var quoteAgeMax: Int64 {
        nodes.map { node -> Int64 in
            if case .join(let rule, _) = node.operation { rule.maxAge } else { 0 }
        }.max() ?? 0
    }

    /// The same for the trades of a series.
    func quoteAge(of name: SeriesName) -> Int64 {
        stages(before: name).map { node in
            if case .join(let rule, _) = node.operation { rule.maxAge } else { 0 }
        }.max() ?? 0
    }

    var hasJoin: Bool { nodes.contains { $0.operation.quotes != nil } }

    /// Whether a series is made of trades behind a join.
    func isJoined(_ name: SeriesName) -> Bool {
        stages(before: name).contains { $0.operation.quotes != nil }
    }

    /// Whether some node's result depends on earlier ticks, so that ticks that were fetched later
    /// have to be given at their places.
    var remembers: Bool {
        nodes.contains { node in
            switch node.operation {
            case .deduplicate, .throttle, .custom, .join: true
            case .filter, .route, .book, .bars, .aggregate, .resample, .breadth, .scan: false
            }
        }
    }

    var latenessMax: Int64 {
        (allSeries + aggregates.flatMap(\.series)).map(\.lateness).max() ?? 0
    }

    /// Returns a series and those its bars are made of. A tick that is late for one of them is late
    /// for this one, too.
    func made(_ name: SeriesName) -> [SeriesName] {
        for node in nodes {
            guard case .resample(let rule) = node.operation, rule.provider == nil,
                rule.series.all.contains(where: { $0.name == name })
            else { continue }
            return [name] + made(rule.from)
        }
        return [name]
    }

    /// Whether what a series counts depends on the lots of symbols, which only the tape states.
    func needsLots(_ name: SeriesName) -> Bool {
        let made = Set(made(name))
        return nodes.contains { node in
            guard case .bars(let rule, _) = node.operation,
                rule.series.all.contains(where: { made.contains($0.name) })
            else { return false }
            switch rule.oddLots {
            case .volumeOnly(.lot), .exclude(.lot): return true
            case .count, .volumeOnly(.size), .exclude(.size): return false
            }
        }
    }

    /// Returns the nodes before a series that remove duplicates, by the names under which these are
    /// listed. `withQuotes`: also those that the quotes of a join pass.
    func deduplicates(before name: SeriesName, withQuotes: Bool) -> [SeriesName] {
        let stages = stages(before: name)
        let ofQuotes = withQuotes ? stages.compactMap(\.operation.quotes).flatMap(way(to:)) : []
        return deduplicates(in: stages + ofQuotes)
    }

    func deduplicates(in stages: [GraphNode]) -> [SeriesName] {
        stages.compactMap { node in
            guard case .deduplicate = node.operation else { return nil }
            return SeriesName(node.name)
        }
    }

    /// True if a stage before the series decides which ticks are counted as left out.
    func keepsBack(_ name: SeriesName) -> Bool {
        stages(before: name).contains { node in
            switch node.operation {
            case .deduplicate, .join: false
            case .throttle, .filter, .route, .custom, .book, .bars, .aggregate, .resample,
                .breadth, .scan:
                true
            }
        }
    }

    /// Returns whether the bars of a series are made of books in the end. A proof does not compute
    /// them: it packs ticks anew, and which rows are one change of a book depends on the packets.
    func isOfBooks(_ name: SeriesName) -> Bool {
        stages(before: name).contains(where: \.makesBooks)
    }

    /// Returns the same of the numbers of a node.
    func isOfBooks(_ node: GraphNode) -> Bool {
        stages(before: node).contains(where: \.makesBooks)
    }

    /// Returns whether the bars of a series are made of a provider's bars in the end.
    func isOfProviderBars(_ name: SeriesName) -> Bool {
        let origin = made(name).last ?? name
        guard case .resample? = nodes.first(where: { $0.makes(origin) })?.operation else {
            return false
        }
        return true
    }

    /// The audit's setting in SQL, per series: the nodes before it that remove duplicates, or null
    /// when other nodes also keep ticks back, or the bars are not made of trades.
    var auditSetting: String {
        JSONWriter.made { json in
            for series in allSeries {
                let name = series.name
                guard !keepsBack(name), !isOfProviderBars(name) else {
                    json.key(name.text)
                    json.null()
                    continue
                }
                json.array(name.text) { json in
                    for node in deduplicates(before: name, withQuotes: false) {
                        json.value(node.text)
                    }
                }
            }
        }.text
    }

    /// The kinds of records of which bars are made, or may be.
    var kinds: [DataKind] {
        [.trade]
            + [.quote, .providerBar].filter { kind in
                nodes.contains {
                    $0.input == .ticks(kind) || $0.operation.quotes == .ticks(kind)
                }
            }
    }

    /// Returns the nodes that a tick passes on its way into a series, the last one first.
    func stages(before name: SeriesName) -> [GraphNode] {
        let origin = made(name).last ?? name
        return nodes.first { $0.makes(origin) }.map { stages(before: $0) } ?? []
    }

    /// Returns the nodes that a tick passes on its way into a node, the last one first.
    func stages(before last: GraphNode) -> [GraphNode] { way(to: last.input) }

    /// Returns the nodes that a tick passes on its way to an input, the last one first.
    private func way(to input: GraphInput) -> [GraphNode] {
        var (stages, input): ([GraphNode], GraphInput) = ([], input)
        while let place = input.place, nodes.indices.contains(place) {
            stages.append(nodes[place])
            input = nodes[place].input
        }
        return stages
    }
}

extension GraphNode {
    fileprivate var makesBooks: Bool { if case .book = operation { true } else { false } }

    fileprivate func makes(_ name: SeriesName) -> Bool {
        switch operation {
        case .bars(let rule, _): return rule.series.all.contains { $0.name == name }
        case .resample(let rule) where rule.provider != nil:
            return rule.series.all.contains { $0.name == name }
        case .resample, .deduplicate, .throttle, .filter, .route, .custom, .join, .book,
            .aggregate, .breadth, .scan:
            return false
        }
    }
}

extension GraphInput {
    fileprivate var place: Int? {
        switch self {
        case .ticks: nil
        case .node(let place), .branch(let place, _): place
        }
    }
}

extension WindowRule {
    /// True if a bar ends by an amount. An unfilled one then waits for the end of the session.
    var isByNumber: Bool {
        switch self {
        case .ticks, .volume, .dollars: true
        case .tumbling, .session, .sliding, .inactivity: false
        }
    }
}
