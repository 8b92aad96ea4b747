internal import MarketModel
internal import OperatorGraph
internal import StreamCore
internal import YAMLFile

// Reads the operators that ticks go through.
extension GraphReader {
    /// Reads the operation. `input` is `nil` when another mistake leaves it unknown.
    mutating func operation(
        _ draft: NodeDraft, _ input: Flow?
    ) -> (operation: GraphOperation?, flow: Flow, branches: [String]) {
        let passed = input ?? .ticks(.trade)
        let kind = input?.kind
        switch draft.operation {
        case .deduplicate: return (deduplicate(draft, kind).map { .deduplicate($0) }, passed, [])
        case .filter:
            let node = draft.fields.required("where", of: draft.owner, as: "price > 0", &problems)
            return (expression(node, draft, input).map { .filter($0) }, passed, [])
        case .throttle: return (throttle(draft).map { .throttle($0) }, passed, [])
        case .route:
            let branches = branches(draft, input)
            return (branches.map { .route($0) }, passed, (branches ?? []).map(\.name))
        case .custom: return (custom(draft), passed, [])
        case .join: return (join(draft, input), .joined, [])
        case .book: return (book(draft), .ticks(.depth), [])
        case .bars: return (bars(draft, kind), .bars, [])
        case .aggregate: return (aggregate(draft, kind), .values, [])
        case .resample: return (resample(draft, kind), .bars, [])
        case .breadth: return (breadth(draft), .values, [])
        case .scan: return (scan(draft), .values, [])
        case .derive: return (derive(draft), .values, [])
        }
    }

    private mutating func deduplicate(_ draft: NodeDraft, _ kind: DataKind?) -> DeduplicateRule? {
        let key = deduplicationKey(draft, kind)
        let ttl = problems.duration(
            draft.fields.required("ttl", of: draft.owner, as: "2s", &problems),
            "\(draft.owner): ttl", in: 1_000_000...DeduplicateRule.timeToLiveMax)
        let entries = problems.integer(
            draft.fields["entries"], "\(draft.owner): entries",
            in: 1...Int64(DeduplicateRule.entriesLimit))
        guard let ttl, !key.isEmpty else { return nil }
        var rule = DeduplicateRule(key: key, timeToLive: ttl)
        if let entries { rule.entriesMax = Int(entries) }
        return rule
    }

    /// Reads the key. Two different trades may be equal in all but their ids, so a key without `id`
    /// has to be confirmed with `equal_ticks`.
    private mutating func deduplicationKey(_ draft: NodeDraft, _ kind: DataKind?) -> [TickField] {
        let example = "[id, time]"
        let node = draft.fields.required("key", of: draft.owner, as: example, &problems)
        let items = problems.list(node, "\(draft.owner): key", as: example)
        let allowed = TickField.allCases.filter { field in kind.map { field.isOf($0) } ?? true }
        var key: [TickField] = []
        for item in items ?? [] {
            guard
                let field = problems.choice(
                    item, "\(draft.owner): key", allowed.map { ($0.rawValue, $0) })
            else { continue }
            if key.contains(field) {
                problems.add(item.position, "\(draft.owner): \(field.rawValue) is there twice")
            }
            key.append(field)
        }
        let equal = draft.fields["equal_ticks"]
        if kind == .providerBar {
            checkKey(key, ofBars: node, equal, draft)
            return key
        }
        let drops = problems.choice(equal, "\(draft.owner): equal_ticks", [("drop", true)]) == true
        if let node, !key.isEmpty, key.count == items?.count, !key.contains(.id), !drops {
            problems.add(
                node.position,
                "\(draft.owner): key: without id two ticks that are equal by chance count once: "
                    + "name id, or write 'equal_ticks: drop' if that is wanted")
        }
        if let equal, key.contains(.id) {
            problems.add(
                equal.position,
                "\(draft.owner): equal_ticks is for a key without id: by id, a tick that has none "
                    + "is no duplicate")
        }
        return key
    }

    /// Checks the key for a provider's bars: it has to tell bars of different times apart.
    private mutating func checkKey(
        _ key: [TickField], ofBars node: YAMLNode?, _ equal: YAMLNode?, _ draft: NodeDraft
    ) {
        if let node, !key.isEmpty, !key.contains(.start), !key.contains(.time) {
            problems.add(
                node.position,
                "\(draft.owner): key: without start bars of different times that are equal count "
                    + "once: name start")
        }
        if let equal {
            problems.add(
                equal.position,
                "\(draft.owner): equal_ticks is for trades and quotes: remove it")
        }
    }

    private mutating func throttle(_ draft: NodeDraft) -> ThrottleRule? {
        let node = draft.fields.required("rate", of: draft.owner, as: "10/s", &problems)
        let scope = problems.choice(
            draft.fields["per"], "\(draft.owner): per",
            ThrottleRule.Scope.allCases.map { ($0.rawValue, $0) })
        guard let node, let text = problems.text(node, "\(draft.owner): rate") else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isOne = parts.count == 2 && parts[1].utf8.first.map({ $0 > 0x39 }) == true
        if parts.count == 2, let count = Int(parts[0]), (1...1_000_000).contains(count),
            let per = YAMLScalar.duration(isOne ? "1\(parts[1])" : parts[1]),
            (1_000_000...3_600_000_000_000).contains(per)
        {
            return ThrottleRule(count: count, per: per, scope: scope ?? .symbol)
        }
        problems.add(
            node.position,
            "\(draft.owner): rate: \(Shown.text(text)) is no rate: write 1 to 1000000 ticks "
                + "per 1ms to 1h, as 10/s or 5/500ms")
        return nil
    }

    private mutating func join(_ draft: NodeDraft, _ input: Flow?) -> GraphOperation? {
        let maxAge = problems.duration(
            draft.fields.required("max_age", of: draft.owner, as: "5s", &problems),
            "\(draft.owner): max_age", in: JoinRule.maxAgeRange)
        let quotes = quotes(draft)
        guard input != .joined else {
            problems.add(
                draft.sourcePosition,
                "\(draft.owner): its trades were paired with quotes before: take those from before "
                    + "the other join")
            return nil
        }
        guard let maxAge, let quotes else { return nil }
        return .join(JoinRule(maxAge: maxAge), with: quotes)
    }

    private mutating func book(_ draft: NodeDraft) -> GraphOperation? {
        let range = BookRule.levelsRange
        return problems.integer(
            draft.fields.required("levels", of: draft.owner, as: "5", &problems),
            "\(draft.owner): levels", in: Int64(range.lowerBound)...Int64(range.upperBound)
        ).map { .book(BookRule(levels: Int($0))) }
    }

    private mutating func branches(_ draft: NodeDraft, _ input: Flow?) -> [RouteBranch]? {
        let example = "{big: \"size >= 1000\", rest: else}"
        guard let node = draft.fields.required("branches", of: draft.owner, as: example, &problems)
        else { return nil }
        guard let entries = node.mapping, !entries.isEmpty, entries.count <= 64 else {
            problems.add(
                node.position, "\(draft.owner): branches: write 1 to 64 of them, as \(example)")
            return nil
        }
        var branches: [RouteBranch] = []
        for (index, entry) in entries.enumerated() {
            guard checkName(entry.key, at: entry.position, of: "a branch") else { continue }
            if entry.key == "live" {
                problems.add(entry.position, "a branch cannot be called live: choose another name")
            }
            if entry.value.scalar?.text == "else" {
                if index + 1 < entries.count {
                    problems.add(
                        entry.position, "\(draft.owner): 'else' takes what is left: put it last")
                }
                branches.append(RouteBranch(name: entry.key, condition: nil))
            } else if let condition = expression(entry.value, draft, input) {
                branches.append(RouteBranch(name: entry.key, condition: condition))
            }
        }
        return branches.count == entries.count ? branches : nil
    }

    private mutating func custom(_ draft: NodeDraft) -> GraphOperation? {
        let node = draft.fields.required("code", of: draft.owner, as: "example", &problems)
        var settings: [GraphSetting] = []
        if let node = draft.fields["settings"] {
            guard let entries = node.mapping else {
                problems.add(
                    node.position, "\(draft.owner): settings is \(node.kind): write {name: value}")
                return nil
            }
            for entry in entries {
                guard let scalar = entry.value.scalar else {
                    problems.add(
                        entry.value.position,
                        "\(draft.owner): setting \(Shown.text(entry.key)) is \(entry.value.kind): "
                            + "write one text")
                    continue
                }
                settings.append(GraphSetting(name: entry.key, value: scalar.text))
            }
        }
        guard let node, let code = problems.text(node, "\(draft.owner): code") else { return nil }
        if let registered = files.customOperators, !registered.contains(code) {
            let known = registered.sorted().joined(separator: ", ")
            problems.add(
                node.position,
                "\(draft.owner): no code is registered as \(Shown.text(code)): "
                    + (known.isEmpty ? "there is none" : "there is \(known)"))
        }
        return .custom(name: code, settings: settings.sorted { $0.name < $1.name })
    }

    mutating func expression(
        _ node: YAMLNode?, _ draft: NodeDraft, _ input: Flow?
    ) -> TickExpression? {
        // When the input is wrong, its fields are not known.
        compiled(node, draft) { text throws(ExpressionProblem) in
            guard let kind = input?.kind else { return nil }
            return try TickExpression.compile(text, kind: kind, isJoined: input == .joined)
        }
    }

    /// Reads an expression by `compile`, which returns `nil` for one that is not to be judged.
    mutating func compiled(
        _ node: YAMLNode?, _ draft: NodeDraft,
        _ compile: (String) throws(ExpressionProblem) -> TickExpression?
    ) -> TickExpression? {
        guard let node, let scalar = node.scalar, let text = problems.text(node, draft.owner) else {
            if let node, node.scalar == nil {
                problems.add(node.position, "\(draft.owner): an expression is one text in quotes")
            }
            return nil
        }
        do throws(ExpressionProblem) {
            return try compile(text)
        } catch {
            var position = node.position
            if scalar.isVerbatim {
                position.column += error.offset + (scalar.isPlain ? 0 : 1)
                problems.add(position, "\(draft.owner): \(error.what)")
            } else {
                problems.add(position, "\(draft.owner): \(error)")
            }
            return nil
        }
    }
}
