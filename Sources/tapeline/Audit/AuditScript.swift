/// The checks of `deploy/postgres/audit.sql`, which a person can run in psql as well.
///
/// Each begins with a line `-- check: <name>: <sentence>` and is one statement that answers rows of
/// (expected, found, ok, detail).
struct AuditScript: Equatable, Sendable {
    struct Check: Equatable, Sendable {
        let name: String
        let sentence: String
        let sql: String
    }

    static let path = "postgres/audit.sql"
    private static let mark = "-- check: "

    let checks: [Check]

    static func read(_ checkout: Checkout) throws(ToolError) -> AuditScript {
        try read(checkout.deploy(Self.path))
    }

    /// The script of the checkout, or of the image, around the program that runs.
    static func find(executable: String) throws(ToolError) -> AuditScript {
        var folder = FileSystem.folder(of: executable)
        for _ in 0..<Checkout.stepsMax {
            let path = "\(folder)/deploy/\(Self.path)"
            if FileSystem.exists(path) { return try read(path) }
            folder = FileSystem.folder(of: folder)
        }
        throw .audit("there is no deploy/\(Self.path) around \(executable)")
    }

    private static func read(_ path: String) throws(ToolError) -> AuditScript {
        guard let bytes = try FileSystem.read(path) else {
            throw .damaged(path: path, problem: "it is not there")
        }
        let script = parse(String(decoding: bytes, as: UTF8.self))
        guard !script.checks.isEmpty else { throw .damaged(path: path, problem: "no checks") }
        return script
    }

    static func parse(_ text: String) -> AuditScript {
        var checks: [Check] = []
        var heading: (name: String, sentence: String)?
        var lines: [Substring] = []
        func finish() {
            guard let heading else { return }
            checks.append(
                Check(
                    name: heading.name, sentence: heading.sentence,
                    sql: lines.joined(separator: "\n").trimmedStatement))
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix(mark) {
                finish()
                let parts = line.dropFirst(mark.count).split(separator: ":", maxSplits: 1)
                heading = (
                    String(parts.first ?? ""),
                    String((parts.count > 1 ? parts[1] : "").drop { $0 == " " })
                )
                lines = []
            } else if !line.hasPrefix("\\") {
                // psql's own commands are for people.
                lines.append(line)
            }
        }
        finish()
        return AuditScript(checks: checks)
    }
}

extension String {
    /// Without the blank lines around it and the semicolon behind it.
    fileprivate var trimmedStatement: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace || last == ";" { text.removeLast() }
        return String(text.drop { $0.isWhitespace })
    }
}
