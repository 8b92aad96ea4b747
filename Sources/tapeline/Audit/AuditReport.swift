import Primitives

/// What an audit found, line by line.
struct AuditReport: Equatable, Sendable {
    struct Line: Equatable, Sendable {
        let name: String
        let sentence: String
        let expected: String
        let found: String
        let isRight: Bool
        let detail: String
    }

    private(set) var lines: [Line] = []

    var isClean: Bool { !lines.isEmpty && lines.allSatisfy(\.isRight) }
    var failures: Int { lines.count { !$0.isRight } }

    mutating func add(_ line: Line) { lines.append(line) }

    mutating func add(_ other: AuditReport) { lines += other.lines }

    mutating func add(
        _ name: String, _ sentence: String, expected: UInt64, found: UInt64, detail: String = ""
    ) {
        add(
            Line(
                name: name, sentence: sentence, expected: "\(expected)", found: "\(found)",
                isRight: expected == found, detail: expected == found ? "" : detail))
    }

    /// Ready to be printed.
    var text: [String] {
        let numbers = lines.map { max($0.expected.count, $0.found.count) }.max() ?? 0
        var text: [String] = []
        for line in lines {
            let figures =
                line.isRight
                ? line.found.leftPadded(to: numbers)
                : "\(line.found.leftPadded(to: numbers)), expected \(line.expected)"
            text.append(
                "  \(line.isRight ? "ok  " : "FAIL")  \(figures)  \(line.sentence)"
                    + (line.detail.isEmpty ? "" : ": \(line.detail)"))
        }
        return text
    }

    func json() -> String {
        var writer = JSONWriter(capacity: 2_048)
        writer.object { writer in
            writer.member("clean", isClean)
            writer.member(
                "checks",
                array: { writer in
                    for line in lines {
                        writer.object { writer in
                            writer.member("name", line.name)
                            writer.member("sentence", line.sentence)
                            writer.member("expected", line.expected)
                            writer.member("found", line.found)
                            writer.member("ok", line.isRight)
                            writer.member("detail", line.detail)
                        }
                    }
                })
        }
        return writer.text
    }
}

extension String {
    func leftPadded(to width: Int) -> String {
        String(repeating: " ", count: max(0, width - count)) + self
    }
}
