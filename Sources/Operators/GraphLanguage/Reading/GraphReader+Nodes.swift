internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore
internal import YAMLFile

// Turns drafts into nodes, inputs first.
extension GraphReader {
    mutating func build(_ draft: NodeDraft) {
        let source = resolve(draft)
        // Without a source the rest is checked all the same, so that all mistakes are reported
        // together.
        let taken = source?.flow ?? draft.source?.node.flatMap { flowsOfWrong[$0] }
        let (operation, flow, branches) = operation(draft, taken)
        let live = live(draft)
        if flow == .ticks(.depth), draft.operation != .book,
            let position = draft.fields["live"]?.position
        {
            problems.add(
                position,
                "\(draft.owner): books are not sent live: remove live, and listen to bars of them")
        }
        guard let source, let operation else {
            if taken != nil, draft.operation.passesTicks { flowsOfWrong[draft.name] = flow }
            if draft.operation == .bars || draft.operation == .resample { isSeriesMissing = true }
            return
        }
        let node = GraphNode(
            name: draft.name, input: source.input, operation: operation, live: live)
        nodes.append(
            BuiltNode(node: node, flow: flow, position: draft.position, branches: branches))
        register(operation, of: draft)
    }

    private mutating func resolve(_ draft: NodeDraft) -> (input: GraphInput, flow: Flow)? {
        switch draft.source {
        case nil: return nil
        case .ticks(let kind)?:
            let isTaken =
                kind == .depth ? draft.operation == .book : draft.operation.takes(kind)
            if isTaken { return (.ticks(kind), .ticks(kind)) }
            problems.add(
                draft.sourcePosition, "\(draft.owner): \(Self.advice(draft, ofTape: kind))")
            return nil
        case .node(let name)?:
            guard let index = index(name), isTaken(nodes[index], draft) else { return nil }
            return (.node(index), nodes[index].flow)
        case .branch(let name, let branch)?:
            guard let index = index(name) else { return nil }
            guard let place = nodes[index].branches.firstIndex(of: branch) else {
                problems.add(
                    draft.sourcePosition,
                    "\(draft.owner): \(name) has no branch \(Shown.text(branch)): there are "
                        + nodes[index].branches.joined(separator: ", "))
                return nil
            }
            guard isTaken(nodes[index], draft) else { return nil }
            return (.branch(node: index, branch: place), nodes[index].flow)
        case .series(let name)?: return resolve(series: name, draft)
        }
    }

    /// Reports a node that passes ticks which the draft's operator does not take.
    private mutating func isTaken(_ feeder: BuiltNode, _ draft: NodeDraft) -> Bool {
        guard let kind = feeder.flow.kind, !draft.operation.takes(kind) else { return true }
        problems.add(
            draft.sourcePosition, "\(draft.owner): \(Self.advice(draft, feeder.node.name, kind))")
        return false
    }

    /// What to do with records of the tape that the draft's operator does not take.
    private static func advice(_ draft: NodeDraft, ofTape kind: DataKind) -> String {
        if draft.operation == .book { return "a book is made of depth: write 'input: depth'" }
        if kind == .depth {
            return "depth are changes of single rows: make books of them by "
                + "'operator: book, input: depth, levels: 5', and name that node"
        }
        if draft.operation == .join {
            return "a join takes trades: write 'input: trades, with: quotes'"
        }
        return kind == .providerBar
            ? providerBarAdvice(draft)
            : "resample takes bars: write provider_bars, or the name of a node that makes some"
    }

    /// What to do with records that the draft's operator does not take, and that a node passes.
    private static func advice(_ draft: NodeDraft, _ feeder: String, _ kind: DataKind) -> String {
        switch draft.operation {
        case .book: return "a book is made of depth: write 'input: depth'"
        case .join: return "a join takes trades, and \(feeder) passes \(kind.shown)"
        case .deduplicate where kind == .depth:
            return "two equal changes of a book are two: remove the node"
        case .custom where kind == .depth:
            return "custom code takes trades and quotes, not books: write filter or throttle"
        case .deduplicate, .filter, .throttle, .route, .custom, .bars, .aggregate, .resample,
            .breadth, .scan, .derive:
            return kind == .providerBar
                ? providerBarAdvice(draft) : "resample takes bars, and \(feeder) passes ticks"
        }
    }

    /// Finds the quotes of a join.
    mutating func quotes(_ draft: NodeDraft) -> GraphInput? {
        let found: (input: GraphInput, flow: Flow)? =
            switch draft.quotes {
            case .ticks(let kind)?: (.ticks(kind), .ticks(kind))
            case .node(let name)?: index(name).map { (.node($0), nodes[$0].flow) }
            case .branch(let name, let branch)?:
                index(name).flatMap { index in
                    nodes[index].branches.firstIndex(of: branch).map {
                        (.branch(node: index, branch: $0), nodes[index].flow)
                    }
                }
            case .series?, nil: nil
            }
        if let found, found.flow == .ticks(.quote) { return found.input }
        if let found {
            problems.add(
                draft.quotesPosition,
                "\(draft.owner): with takes quotes, and these are \(found.flow.shown)")
        } else if case .branch(let name, let branch)? = draft.quotes, let index = index(name) {
            problems.add(
                draft.quotesPosition,
                "\(draft.owner): \(name) has no branch \(Shown.text(branch)): there are "
                    + nodes[index].branches.joined(separator: ", "))
        }
        return nil
    }

    /// What to do with a provider's bars, which the draft's operator does not take.
    private static func providerBarAdvice(_ draft: NodeDraft) -> String {
        draft.operation == .custom
            ? "custom code takes trades and quotes, not provider bars: write filter or throttle"
            : "\(draft.operation.rawValue) takes ticks, and provider bars are bars: "
                + "write 'operator: resample, from: 5s'"
    }

    private func index(_ name: String) -> Int? { nodes.firstIndex { $0.node.name == name } }

    private mutating func resolve(
        series name: String, _ draft: NodeDraft
    ) -> (input: GraphInput, flow: Flow)? {
        guard let found = series[name] else {
            if !isSeriesMissing {
                let near = NearestName.of(name, in: series.keys).map { "did you mean \($0)?" }
                problems.add(
                    draft.sourcePosition,
                    "\(draft.owner): no node makes bars \(Shown.text(name)): "
                        + (near ?? "name a series of a bars node"))
            }
            return nil
        }
        guard case .tumbling = found.series.window else {
            problems.add(
                draft.sourcePosition,
                "\(draft.owner): series \(name) has no windows of one width that follow each "
                    + "other: name one like 1m")
            return nil
        }
        return (.node(found.node), .bars)
    }

    /// Registers the names under which other nodes find the series. Each must be unique.
    private mutating func register(_ operation: GraphOperation, of draft: NodeDraft) {
        switch operation {
        case .deduplicate: claim(draft.name, at: draft.position, draft)
        case .bars(let rule, _): register(rule.series, of: draft, isBars: true)
        case .aggregate(let rule, _): register(rule.bars.series, of: draft, isBars: false)
        case .resample(let rule): register(rule.series, of: draft, isBars: true)
        case .throttle, .filter, .route, .custom, .join, .book, .breadth, .scan: break
        }
    }

    private mutating func register(_ set: BarSeriesSet, of draft: NodeDraft, isBars: Bool) {
        let position = draft.fields["series"]?.position ?? draft.position
        let isOfProvider: Bool =
            if case .resample(let rule)? = nodes.last?.node.operation {
                rule.provider != nil
            } else { false }
        for one in set.all {
            claim(
                one.name.text, at: position, draft,
                example: isOfProvider ? ", such as broker-\(one.name)" : "")
            if isBars { series[one.name.text] = (nodes.count - 1, one) }
        }
    }

    private mutating func claim(
        _ name: String, at position: YAMLPosition, _ draft: NodeDraft, example: String = ""
    ) {
        if let other = seriesNames.updateValue(position, forKey: name) {
            problems.add(
                position,
                "\(draft.owner): the name \(name) is taken in line \(other.line): give the "
                    + "series a name of its own\(example)")
        }
    }

    private mutating func live(_ draft: NodeDraft) -> LiveEdge? {
        let owner = "\(draft.owner): live"
        guard let node = draft.fields["live"],
            let fields = Fields(
                node, of: owner, known: ["capacity", "overflow", "high", "low"], &problems)
        else { return nil }
        let capacity = problems.integer(
            fields.required("capacity", of: owner, as: "1000", &problems), "\(owner): capacity",
            in: 1...Int64(LiveEdge.capacityMax))
        let overflow = problems.choice(
            fields.required("overflow", of: owner, as: "drop-oldest", &problems),
            "\(owner): overflow", LiveEdge.Overflow.allCases.map { ($0.rawValue, $0) })
        guard let capacity, let overflow else { return nil }
        let high = problems.integer(fields["high"], "\(owner): high", in: 1...capacity)
        let highMark = high ?? max(1, capacity / 5 * 4)
        let low = problems.integer(fields["low"], "\(owner): low", in: 0...(highMark - 1))
        return LiveEdge(
            capacity: Int(capacity), overflow: overflow, high: Int(highMark),
            low: Int(low ?? highMark / 4))
    }
}
