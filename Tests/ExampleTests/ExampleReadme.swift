/// What a README asks its reader to type, and what it says comes of that.
struct ExampleReadme {
    /// A block of `sh`, with the block of `text` after it, if there is one.
    struct Step: Equatable {
        var commands: [String] = []
        var printed: [String]?
    }

    private(set) var steps: [Step] = []

    init(_ markdown: String) {
        var kind: Substring?
        for line in markdown.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                kind = kind == nil ? line.dropFirst(3) : nil
                if kind == "sh" { steps.append(Step()) }
                if kind == "text", !steps.isEmpty { steps[steps.count - 1].printed = [] }
                continue
            }
            guard let kind, !steps.isEmpty else { continue }
            switch kind {
            case "sh": steps[steps.count - 1].commands.append(String(line))
            case "text": steps[steps.count - 1].printed?.append(String(line))
            default: continue
            }
        }
    }

    /// One script, because a step may use what an earlier one has set. A line before each step
    /// separates what they print. The first command that fails ends it, and what it left in the
    /// background ends with it.
    var script: String {
        steps.enumerated().map {
            "echo '\(Self.mark)\($0)'\n" + $1.commands.joined(separator: "\n")
        }
        .reduce(Self.beginning) { "\($0)\n\($1)" }
    }

    private static let beginning = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT"
    private static let mark = "@@ step "

    /// Returns what each step of the script printed. Steps that did not begin have no entry.
    static func parts(of output: String) -> [[String]] {
        var parts: [[String]] = []
        for line in output.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix(mark) {
                parts.append([])
            } else if !parts.isEmpty {
                parts[parts.count - 1].append(String(line))
            }
        }
        return parts
    }

    /// Returns the differences between what the README says and what was printed.
    func problems(_ output: String) -> [String] {
        let parts = Self.parts(of: output)
        return steps.enumerated().compactMap { index, step in
            let title = "step \(index + 1) (\(step.commands.first ?? ""))"
            guard index < parts.count else { return "\(title) did not begin" }
            guard let printed = step.printed else { return nil }
            return PrintedText(printed).difference(from: parts[index]).map { "\(title): \($0)" }
        }
    }
}
