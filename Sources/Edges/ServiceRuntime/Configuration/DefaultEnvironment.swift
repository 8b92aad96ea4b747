/// `default.env` of a service: every key with its default, one comment line above each.
package enum DefaultEnvironment {
    /// Returns the file that matches the schema.
    package static func text(for keys: [ConfigurationKey]) -> String {
        var text = ""
        var group: String?
        for key in keys {
            if key.group != group { text += (group == nil ? "" : "\n") + "## \(key.group)\n\n" }
            group = key.group
            text += comment(for: key) + "\n" + line(for: key) + "\n"
        }
        return text
    }

    /// Returns the differences between a file and the schema, one sentence each; empty: they agree.
    package static func differences(
        _ bytes: [UInt8], from keys: [ConfigurationKey]
    ) -> [String] {
        let file = EnvironmentFile(bytes)
        var found = file.problems.map { "line \($0.line): \($0.text)" }
        let lines = EnvironmentFile.lines(of: String(decoding: bytes, as: UTF8.self))
        for entry in file.entries where !keys.contains(where: { $0.name == entry.name }) {
            found.append("line \(entry.line): \(entry.name) is not in the schema")
        }
        for key in keys {
            guard let entry = file.entries.first(where: { $0.name == key.name }) else {
                found.append("\(key.name) is missing: add \"\(line(for: key))\"")
                continue
            }
            if entry.value != key.defaultValue ?? "" {
                let said = key.isSecret ? "is a secret, and has to be empty" : "is not the default"
                found.append("line \(entry.line): \(key.name) \(said): \"\(line(for: key))\"")
            }
            let above = entry.line >= 2 ? lines[entry.line - 2] : ""
            if above != Substring(comment(for: key)) {
                found.append("line \(entry.line): above it belongs \"\(comment(for: key))\"")
            }
            if entry.line >= 3, above.hasPrefix("#"), lines[entry.line - 3].hasPrefix("#") {
                found.append("line \(entry.line): \(key.name) has more than one comment line")
            }
        }
        return found
    }

    private static func comment(for key: ConfigurationKey) -> String {
        guard let fileName = key.fileName else { return "# \(key.help)" }
        return "# \(key.help) Or \(fileName): the path of a file that holds it."
    }

    private static func line(for key: ConfigurationKey) -> String {
        "\(key.name)=\(EnvironmentText.quoted(key.defaultValue ?? ""))"
    }
}

/// Writes values in the form that `EnvironmentFile` reads.
enum EnvironmentText {
    static func quoted(_ value: String) -> String {
        let plain = value.utf8.allSatisfy {
            (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
                || "_-.,:/@%+=".utf8.contains($0)
        }
        if plain { return value }
        if !value.contains("'"), !value.contains(where: \.isNewline) { return "'\(value)'" }
        let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            .replacing("$", with: "\\$").replacing("\n", with: "\\n")
        return "\"\(escaped)\""
    }
}
