/// The text of `--help`: everything about calling a service, from its description.
struct HelpText {
    static let columns = 96

    let service: ServiceDescription

    var text: String {
        var parts = [head]
        if !service.subcommands.isEmpty { parts.append(subcommands) }
        parts.append(options)
        parts += groups.map { section(of: $0) }
        if !service.examples.isEmpty { parts.append(examples) }
        parts.append(exitCodes)
        return parts.joined(separator: "\n")
    }

    private var head: String {
        let subcommand = service.subcommands.isEmpty ? "" : " [SUBCOMMAND]"
        return """
            \(service.name) \(service.version)
            \(service.summary)

            Usage: \(service.name)\(subcommand) [--config FILE] [--key value]...

            Every setting is a flag, a variable of the environment, or a line of the file, and the
            earlier of these wins. An empty value counts as not given.

            """
    }

    private var subcommands: String {
        let rows = service.subcommands.flatMap { subcommand in
            [(subcommand.name, subcommand.summary)]
                + subcommand.flags.map { ("\(subcommand.name) \($0.name)", $0.summary) }
        }
        return "Subcommands:\n" + table(rows)
    }

    private var options: String {
        let questions = service.questions.map { ("\($0.flag) \($0.placeholder)", $0.summary) }
        return "Options:\n"
            + table(questions + BuiltInFlag.allCases.map { ($0.usage, $0.summary) })
    }

    /// The groups in the order in which the schema first names them.
    private var groups: [String] {
        service.keys.map(\.group).reduce(into: []) { groups, group in
            if !groups.contains(group) { groups.append(group) }
        }
    }

    private func section(of group: String) -> String {
        let keys = service.keys.filter { $0.group == group }
        return "\(group):\n" + keys.map { entry($0) }.joined()
    }

    private func entry(_ key: ConfigurationKey) -> String {
        let title: String
        if let fileName = key.fileName {
            title = "\(ConfigurationKey.flag(of: fileName)) FILE   (\(key.name), \(fileName))"
        } else {
            title = "\(key.flag) \(key.kind.placeholder)   (\(key.name))"
        }
        let range = key.kind.range.map { "From \($0). " } ?? ""
        return "  \(title)\n" + wrapped("\(key.help) \(range)\(value(of: key))", indent: 8)
    }

    private func value(of key: ConfigurationKey) -> String {
        if key.required { return "Required." }
        if key.isSecret { return "A secret: no flag takes the value itself." }
        guard let value = key.defaultValue, !value.isEmpty else { return "Default: none." }
        return "Default: \(value)"
    }

    private var examples: String {
        "Examples:\n"
            + service.examples.map { "  \($0.command)\n" + wrapped($0.meaning, indent: 8) }.joined()
    }

    private var exitCodes: String {
        "Exit codes:\n" + table(service.exitCodes.map { (String($0.rawValue), $0.meaning) })
    }

    // MARK: layout

    private func table(_ rows: [(String, String)]) -> String {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, meaning in
            let gap = String(repeating: " ", count: width - name.count + 3)
            let text = wrapped(meaning, indent: width + 5)
            return "  \(name)\(gap)\(text.drop { $0 == " " })"
        }.joined()
    }

    /// Returns lines of at most `columns`, unless one word is longer.
    private func wrapped(_ text: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = margin
        for word in text.split(separator: " ") {
            if line.count > indent, line.count + 1 + word.count > Self.columns {
                lines.append(line)
                line = margin
            }
            line += (line.count > indent ? " " : "") + word
        }
        return (lines + [line]).map { $0 + "\n" }.joined()
    }
}
