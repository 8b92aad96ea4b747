/// Shortens foreign text for messages: one line, without terminal control characters.
enum PrintableText {
    /// The longest foreign text in a message, in characters.
    static let charactersMax = 120

    static func text(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars.prefix(charactersMax) {
            if scalar.properties.generalCategory == .control {
                shown += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return text.unicodeScalars.count > charactersMax ? shown + "..." : shown
    }

    static func name(_ name: String) -> String { text(name) }

    /// Returns a help sentence as the end of another sentence.
    static func asClause(_ help: String) -> String {
        help.hasSuffix(".") ? String(help.dropLast()) : help
    }

    /// Returns whether the file is accessible to more than its owner and readers in its group:
    /// looser than 0640.
    static func isLoose(_ mode: UInt32) -> Bool { mode & 0o037 != 0 }

    /// Returns the path that a `_FILE` setting names. A text that does not look like a path is not
    /// shown: it may be the secret itself, in the wrong variable.
    static func secretPath(_ path: String) -> String {
        let looksLikePath = path.hasPrefix("/") || path.hasPrefix(".")
        return looksLikePath ? text(path) : "the file (its path begins with neither / nor .)"
    }

    static func looseness(of path: String, _ mode: UInt32) -> String {
        let digits = String(mode & 0o777, radix: 8)
        return "\(path) holds a secret and has mode 0\(digits): make it 0640 or stricter"
    }
}
