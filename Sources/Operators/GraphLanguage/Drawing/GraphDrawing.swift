internal import MarketModel
package import OperatorGraph
internal import StreamCore

/// A graph for people: as an indented text, and as a flowchart in Mermaid's language.
package struct GraphDrawing {
    private let definition: GraphDefinition

    package init(_ definition: GraphDefinition) { self.definition = definition }

    // MARK: text

    package var text: String {
        let count = definition.nodes.count
        var lines = ["graph \(definition.name): \(count) \(count == 1 ? "node" : "nodes")"]
        for calendar in definition.calendars {
            let sessions = calendar.sessions
            guard let first = sessions.first, let last = sessions.last else { continue }
            lines.append(
                "calendar \(calendar.name): \(sessions.count) sessions, \(first.day) to \(last.day)"
            )
        }
        for (name, kind) in DataKind.inputs {
            let users = definition.nodes.indices.filter {
                definition.nodes[$0].input == .ticks(kind)
            }
            guard !users.isEmpty else { continue }
            lines.append(name)
            for user in users { add(user, depth: 1, label: nil, to: &lines) }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private func add(_ index: Int, depth: Int, label: String?, to lines: inout [String]) {
        let node = definition.nodes[index]
        let indent = String(repeating: "  ", count: depth)
        let branch = label.map { "[\($0)] " } ?? ""
        lines.append("\(indent)\(branch)\(node.name): \(node.operation.summary)")
        for detail in details(node) { lines.append("\(indent)  - \(detail)") }
        if let live = node.live { lines.append("\(indent)  - \(live.summary)") }
        // Inputs come before their users, so this recursion ends.
        for user in definition.nodes.indices where user > index {
            switch definition.nodes[user].input {
            case .node(index): add(user, depth: depth + 1, label: nil, to: &lines)
            case .branch(index, let branch):
                add(user, depth: depth + 1, label: branchName(index, branch), to: &lines)
            case .node, .branch, .ticks: break
            }
        }
    }

    /// Returns the details of an operation; of a join also where its quotes come from.
    private func details(_ node: GraphNode) -> [String] {
        guard let quotes = node.operation.quotes else { return node.operation.details }
        return ["with \(name(of: quotes))"] + node.operation.details
    }

    private func name(of input: GraphInput) -> String {
        switch input {
        case .ticks(let kind): DataKind.inputs.first { $0.kind == kind }?.name ?? "?"
        case .node(let node): definition.nodes[node].name
        case .branch(let node, let branch):
            "\(definition.nodes[node].name).\(branchName(node, branch))"
        }
    }

    private func branchName(_ node: Int, _ branch: Int) -> String {
        guard case .route(let branches) = definition.nodes[node].operation,
            branches.indices.contains(branch)
        else { return "?" }
        return branches[branch].name
    }

    // MARK: Mermaid

    package var mermaid: String {
        var lines = ["flowchart LR"]
        for (name, kind) in DataKind.inputs
        where definition.nodes.contains(where: {
            $0.input == .ticks(kind) || $0.operation.quotes == .ticks(kind)
        }) {
            lines.append("    \(name)([\(name)])")
        }
        for (index, node) in definition.nodes.enumerated() {
            let label = [node.name, node.operation.summary] + details(node)
            lines.append("    n\(index)[\"\(label.map(Self.escaped).joined(separator: "<br/>"))\"]")
            lines.append("    \(edge(to: index, from: node.input))")
            if let quotes = node.operation.quotes {
                lines.append("    \(edge(to: index, from: quotes))")
            }
            if let live = node.live {
                lines.append("    n\(index) -. \"\(Self.escaped(live.summary))\" .-> live([live])")
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private func edge(to index: Int, from input: GraphInput) -> String {
        switch input {
        case .ticks: "\(name(of: input)) --> n\(index)"
        case .node(let from): "n\(from) --> n\(index)"
        case .branch(let from, let branch):
            "n\(from) -- \"\(Self.escaped(branchName(from, branch)))\" --> n\(index)"
        }
    }

    /// Escapes text for Mermaid, where an entity begins with #.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": escaped += "#quot;"
            case "#": escaped += "#35;"
            case "<": escaped += "#lt;"
            case ">": escaped += "#gt;"
            case "&": escaped += "#amp;"
            case "`": escaped += "#96;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
