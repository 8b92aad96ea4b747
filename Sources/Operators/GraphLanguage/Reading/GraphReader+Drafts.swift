internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import YAMLFile

// Turns the file's mapping of nodes into drafts.
extension GraphReader {
    /// The advice on keys of queues: ticks reach bars in one chain without a queue.
    private static let queueAdvice =
        "bars follow from the tape alone, so there is no queue before a node that could drop or"
        + " wait: put it under 'live', for those who listen"

    /// What to write instead of keys that people may expect.
    private static let explained: [String: String] = [
        "queue": queueAdvice, "overflow": queueAdvice, "capacity": queueAdvice, "edge": queueAdvice,
        "name": "a node's name is the key before it",
        "inputs": "a node has one input: write 'input'",
        "type": "write 'operator'",
    ]

    /// Returns the drafts of all nodes that are well-formed by themselves. Problems are noted.
    mutating func drafts(_ node: YAMLNode) -> [NodeDraft] {
        guard let entries = node.mapping, !entries.isEmpty else {
            problems.add(
                node.position,
                "nodes is \(node.kind): write nodes by name, as "
                    + "'bars: {operator: bars, input: trades, series: [1s]}'")
            return []
        }
        if entries.count > GraphDefinition.nodesMax {
            problems.add(
                node.position,
                "\(entries.count) nodes are more than \(GraphDefinition.nodesMax): "
                    + "use several graphs"
            )
        }
        return entries.prefix(GraphDefinition.nodesMax).compactMap { draft($0) }
    }

    private mutating func draft(_ entry: YAMLEntry) -> NodeDraft? {
        let hasName = checkName(entry.key, at: entry.position, of: "a node")
        guard let operation = operation(entry), hasName else { return nil }
        let known = ["operator", "input"] + operation.keys
        guard
            let fields = Fields(
                entry.value, of: "node \(entry.key)", known: known, explained: Self.explained,
                &problems)
        else { return nil }
        var draft = NodeDraft(
            name: entry.key, position: entry.position, operation: operation, fields: fields,
            source: nil, sourcePosition: entry.position, quotes: nil,
            quotesPosition: entry.position)
        readSource(&draft)
        readQuotes(&draft)
        return draft
    }

    /// Reads the operator before the other keys, because it decides which keys are right.
    private mutating func operation(_ entry: YAMLEntry) -> OperatorName? {
        let owner = "node \(Shown.text(entry.key))"
        guard let mapping = entry.value.mapping else {
            problems.add(
                entry.value.position,
                "\(owner) is \(entry.value.kind): write {operator: ..., input: ...}")
            return nil
        }
        guard let node = mapping.first(where: { $0.key == "operator" })?.value else {
            let names = OperatorName.allCases.map(\.rawValue).joined(separator: ", ")
            problems.add(entry.position, "\(owner): operator is missing: choose one of \(names)")
            return nil
        }
        return problems.choice(
            node, "\(owner): operator", OperatorName.allCases.map { ($0.rawValue, $0) })
    }

    /// Checks that a name is `[a-z]`, then `[a-z0-9_-]`.
    mutating func checkName(_ name: String, at position: YAMLPosition, of owner: String) -> Bool {
        let letters = name.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x5f
        }
        guard letters, (1...GraphDefinition.nameBytesMax).contains(name.utf8.count),
            name.utf8.first.map({ (0x61...0x7a).contains($0) }) == true
        else {
            problems.add(
                position,
                "\(Shown.text(name)) is no name of \(owner): write a letter and then at most "
                    + "\(GraphDefinition.nameBytesMax - 1) of a-z, 0-9, - and _")
            return false
        }
        guard !DataKind.inputs.contains(where: { $0.name == name }) else {
            problems.add(position, "\(name) are what the tape holds: choose another name")
            return false
        }
        return true
    }

    /// Reads a node's input.
    private mutating func readSource(_ draft: inout NodeDraft) {
        if draft.operation.isOverAll {
            let node = draft.fields.required("series", of: draft.owner, as: "1m", &problems)
            draft.sourcePosition = node?.position ?? draft.position
            draft.source = problems.text(node, "\(draft.owner): series").map { .series($0) }
            if let input = draft.fields["input"] {
                problems.add(
                    input.position,
                    "\(draft.owner): \(draft.operation.rawValue) has no input: its 'series' "
                        + "says what it takes")
            }
            return
        }
        guard let node = draft.fields.required("input", of: draft.owner, as: "trades", &problems),
            let text = problems.text(node, "\(draft.owner): input")
        else { return }
        draft.sourcePosition = node.position
        draft.source = Self.source(text)
    }

    /// Reads the input of a join's quotes.
    private mutating func readQuotes(_ draft: inout NodeDraft) {
        guard draft.operation == .join,
            let node = draft.fields.required("with", of: draft.owner, as: "quotes", &problems),
            let text = problems.text(node, "\(draft.owner): with")
        else { return }
        draft.quotesPosition = node.position
        draft.quotes = Self.source(text)
    }

    private static func source(_ text: String) -> NodeDraft.Source {
        if let input = DataKind.inputs.first(where: { $0.name == text }) {
            return .ticks(input.kind)
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 2
            ? .branch(node: String(parts[0]), branch: String(parts[1])) : .node(text)
    }

    /// Reports sources that do not exist, and removes them.
    mutating func checkSources(_ drafts: inout [NodeDraft]) {
        let byName = drafts.reduce(into: [:]) { $0[$1.name] = $1 }
        for index in drafts.indices {
            let draft = drafts[index]
            drafts[index].source = checked(
                draft.source, "input", draft.sourcePosition, draft, byName)
            drafts[index].quotes = checked(
                draft.quotes, "with", draft.quotesPosition, draft, byName)
        }
    }

    /// Returns a draft's source under this key; reports one that does not exist, and returns `nil`.
    private mutating func checked(
        _ source: NodeDraft.Source?, _ key: String, _ place: YAMLPosition, _ draft: NodeDraft,
        _ byName: [String: NodeDraft]
    ) -> NodeDraft.Source? {
        guard let source, let name = source.node else { return source }
        guard let feeder = byName[name] else {
            // A node that exists but is wrong was already reported.
            if !names.contains(name) {
                let near = NearestName.of(name, in: names + DataKind.inputs.map(\.name))
                problems.add(
                    place,
                    "\(draft.owner): \(key) \(Shown.text(name)) is no node: "
                        + (near.map { "did you mean \($0)?" }
                            ?? "write trades, quotes, depth, provider_bars or the name of a node"))
            }
            return nil
        }
        guard let problem = mismatch(source, draft, feeder) else { return source }
        problems.add(place, "\(draft.owner): \(problem)")
        return nil
    }

    private func mismatch(
        _ source: NodeDraft.Source, _ draft: NodeDraft, _ feeder: NodeDraft
    ) -> String? {
        if case .branch(_, let branch) = source {
            if branch == "live" {
                return
                    "\(feeder.name).live may drop ticks, and what follows must follow from the "
                    + "tape alone: write \(feeder.name)"
            }
            guard feeder.operation == .route else {
                return "\(feeder.name) has no branches: write \(feeder.name)"
            }
            return nil
        }
        switch feeder.operation {
        case .route: return "\(feeder.name) is a route: name a branch, as \(feeder.name).rest"
        case .aggregate, .breadth, .scan, .derive:
            return "nothing comes out of \(feeder.name) that a node can take"
        case .bars, .resample:
            return draft.operation == .resample
                ? nil : "\(draft.operation.rawValue) takes ticks, and \(feeder.name) makes bars"
        // Which ticks these nodes pass is known when they are built.
        case .deduplicate, .filter, .throttle, .custom, .join, .book: return nil
        }
    }

    /// Returns the drafts with inputs before their users, otherwise in the file's order. Reports
    /// circles, and leaves out their nodes.
    mutating func ordered(_ drafts: [NodeDraft]) -> [NodeDraft] {
        var done: Set<String> = []
        var ordered: [NodeDraft] = []
        var rest = drafts
        while !rest.isEmpty {
            let ready = rest.firstIndex { draft in
                needs(draft, drafts).allSatisfy(done.contains)
            }
            guard let ready else { break }
            let draft = rest.remove(at: ready)
            done.insert(draft.name)
            ordered.append(draft)
        }
        for draft in rest {
            // Other nodes only wait for one that is in a circle.
            guard let circle = circle(draft, rest) else { continue }
            problems.add(
                draft.sourcePosition,
                "\(draft.owner): its input leads back to it (\(circle)): break the circle")
        }
        return ordered
    }

    private func needs(_ draft: NodeDraft, _ drafts: [NodeDraft]) -> [String] {
        if case .series = draft.source {
            // Any node that makes bars may make the series.
            return drafts.filter { $0.operation == .bars || $0.operation == .resample }.map(\.name)
        }
        return draft.feeders
    }

    private func circle(_ draft: NodeDraft, _ rest: [NodeDraft]) -> String? {
        var seen: Set<String> = []
        return path(from: draft, to: draft.name, rest, &seen)?.joined(separator: " <- ")
    }

    /// Returns the names from a node back to one of those that feed it; `nil` when it is none.
    private func path(
        from draft: NodeDraft, to end: String, _ rest: [NodeDraft], _ seen: inout Set<String>
    ) -> [String]? {
        guard seen.insert(draft.name).inserted else { return nil }
        if draft.feeders.contains(end) { return [draft.name, end] }
        for next in rest where draft.feeders.contains(next.name) {
            if let found = path(from: next, to: end, rest, &seen) { return [draft.name] + found }
        }
        return nil
    }
}
