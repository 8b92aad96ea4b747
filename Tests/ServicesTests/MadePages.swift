import Foundation
import TestSupport
import Testing

@testable import ServiceRuntime

/// Files, and parts of files between two marks, that `make pages` makes from the keys of the
/// services.
enum MadePages {
    static let beginning = "The lines up to the end mark are made by `make pages`."
    static let end = "The end of what `make pages` makes."

    /// Expects that a file of the checkout is what `make` makes of its text. With `TAPELINE_PAGES`
    /// in the environment it is written instead.
    static func check(_ path: String, _ make: (String) throws -> String) throws {
        let file = "\(ServerPrograms.checkout)/\(path)"
        let before = try String(contentsOfFile: file, encoding: .utf8)
        let made = try make(before)
        if ProcessInfo.processInfo.environment["TAPELINE_PAGES"] != nil {
            try made.write(toFile: file, atomically: true, encoding: .utf8)
        } else {
            #expect(before == made, "\(path) is not what the code says: make pages")
        }
    }

    /// Puts lines between the marks of a text.
    static func filled(_ text: String, with made: String) throws -> String {
        let lines = text.components(separatedBy: "\n")
        let first = try #require(lines.firstIndex { $0.contains(beginning) })
        let last = try #require(lines.lastIndex { $0.contains(end) })
        return (lines[...first] + made.components(separatedBy: "\n") + lines[last...])
            .joined(separator: "\n")
    }

    /// `default.env`: every key with its default, one comment line above each.
    static func defaults(of keys: [ConfigurationKey]) -> String {
        var text = ""
        var group: String?
        for key in keys {
            if key.group != group { text += (group == nil ? "" : "\n") + "## \(key.group)\n\n" }
            group = key.group
            let file = key.fileName.map { " Or \($0): the path of a file that holds it." }
            text += "# \(key.help)\(file ?? "")\n"
            text += "\(key.name)=\(EnvironmentText.quoted(key.defaultValue ?? ""))\n"
        }
        return text
    }

    /// The table of a README.
    static func table(of keys: [ConfigurationKey]) -> String {
        let rows = keys.map { key in
            let names = key.fileName.map { "`\(key.name)` (`\($0)`)" } ?? "`\(key.name)`"
            let form = key.kind.placeholder.filter { !"[]".contains($0) }
            let cells = [
                names, key.defaultValue.map { "`\($0)`" } ?? "",
                form.replacing("|", with: ", ") + (key.kind.range.map { " \($0)" } ?? ""), key.help,
            ]
            return "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ")
                + " |"
        }
        let head = ["| key | default | values | meaning |", "| --- | --- | --- | --- |"]
        return (head + rows).joined(separator: "\n")
    }

    /// The names of all services' keys, for `KeyCatalogue`, in lines of at most 100 columns.
    static func catalogue(_ names: [String]) -> String {
        var lines = ["    private static let ofServices = \"\"\""]
        var line = "       "
        for name in names {
            if line.count + 1 + name.count > 100 {
                lines.append(line)
                line = "       "
            }
            line += " \(name)"
        }
        return (lines + [line, "        \"\"\""]).joined(separator: "\n")
    }
}

@Suite("Pages that are made") struct MadePagesTests {
    private let keys = [
        ConfigurationKey("NATS_URL", .text, default: "nats://h:1", group: "NATS", "Servers."),
        ConfigurationKey("NATS_PASSWORD", .text, secret: true, group: "NATS", "Password."),
        ConfigurationKey(
            "LOG_NOTE", .choice(["a b", "c"]), default: "a b", group: "Log", "A | b."),
        ConfigurationKey("LOG_SIZE", .integer(1...9), required: true, group: "Log", "A size."),
    ]

    @Test("default.env has each key under its comment, in groups")
    func defaults() {
        #expect(
            MadePages.defaults(of: keys) == """
                ## NATS

                # Servers.
                NATS_URL=nats://h:1
                # Password. Or NATS_PASSWORD_FILE: the path of a file that holds it.
                NATS_PASSWORD=

                ## Log

                # A | b.
                LOG_NOTE='a b'
                # A size.
                LOG_SIZE=

                """)
    }

    @Test("a table has a row for each key, with default and values")
    func table() throws {
        let text = "<!-- \(MadePages.beginning) -->\nold\n<!-- \(MadePages.end) -->\nmore\n"
        let made = try MadePages.filled(text, with: MadePages.table(of: keys))
        #expect(
            made == """
                <!-- \(MadePages.beginning) -->
                | key | default | values | meaning |
                | --- | --- | --- | --- |
                | `NATS_URL` | `nats://h:1` | TEXT | Servers. |
                | `NATS_PASSWORD` (`NATS_PASSWORD_FILE`) |  | TEXT | Password. |
                | `LOG_NOTE` | `a b` | a b, c | A \\| b. |
                | `LOG_SIZE` |  | NUMBER 1 to 9 | A size. |
                <!-- \(MadePages.end) -->
                more

                """)
    }
}
