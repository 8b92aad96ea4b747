/// The checks of `deploy/postgres/audit.sql`, which a person can also run in psql.
///
/// Each check begins with a line `-- check: <name>: <sentence>`, then `-- reads: <what>`. It is one
/// statement that returns rows of (expected, found, ok, detail).
struct AuditScript: Equatable, Sendable {
    /// The data that a check reads.
    enum Reads: String, Sendable {
        case books
        /// Every row. The check is meaningless on a part of them.
        case all
        /// The rows of a range, or all rows.
        case rows
        /// Only the rows of a range.
        case range
    }

    struct Check: Equatable, Sendable {
        let name: String
        let sentence: String
        var reads = Reads.all
        let sql: String
    }

    static let path = "postgres/audit.sql"
    private static let mark = "-- check: "
    private static let readsMark = "-- reads: "
    /// Includes a file from the script's folder. That file may not include another one.
    private static let includeMark = "\\ir "

    let checks: [Check]

    static func read(_ checkout: Checkout) throws(ToolError) -> AuditScript {
        try read(checkout.deploy(Self.path))
    }

    /// Finds the script of the checkout, or of the image, around the running program.
    static func find(executable: String) throws(ToolError) -> AuditScript {
        var folder = FileSystem.folder(of: executable)
        for _ in 0..<Checkout.stepsMax {
            let path = "\(folder)/deploy/\(Self.path)"
            if FileSystem.exists(path) { return try read(path) }
            folder = FileSystem.folder(of: folder)
        }
        throw .audit("there is no deploy/\(Self.path) around \(executable)")
    }

    static func read(_ path: String) throws(ToolError) -> AuditScript {
        var lines: [Substring] = []
        let script = try content(path)
        for line in script.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix(includeMark) {
                let file = line.dropFirst(includeMark.count)
                let part = try content("\(FileSystem.folder(of: path))/\(file)")
                lines += part.split(separator: "\n", omittingEmptySubsequences: false)
            } else {
                lines.append(line)
            }
        }
        let parsed = parse(lines.joined(separator: "\n"))
        guard !parsed.checks.isEmpty else { throw .damaged(path: path, problem: "no checks") }
        return parsed
    }

    private static func content(_ path: String) throws(ToolError) -> String {
        guard let bytes = try FileSystem.read(path) else {
            throw .damaged(path: path, problem: "it is not there")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func parse(_ text: String) -> AuditScript {
        var checks: [Check] = []
        var heading: (name: String, sentence: String)?
        var reads = Reads.all
        var lines: [Substring] = []
        func finish() {
            guard let heading else { return }
            checks.append(
                Check(
                    name: heading.name, sentence: heading.sentence, reads: reads,
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
                reads = .all
            } else if line.hasPrefix(readsMark) {
                reads = Reads(rawValue: String(line.dropFirst(readsMark.count))) ?? .all
            } else if !line.hasPrefix("\\") {
                // psql's own commands are for interactive use.
                lines.append(line)
            }
        }
        finish()
        return AuditScript(checks: checks)
    }
}

extension String {
    /// The statement without surrounding blank lines and without the final semicolon.
    fileprivate var trimmedStatement: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace || last == ";" { text.removeLast() }
        return String(text.drop { $0.isWhitespace })
    }
}
