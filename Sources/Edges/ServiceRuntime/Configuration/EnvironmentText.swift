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
