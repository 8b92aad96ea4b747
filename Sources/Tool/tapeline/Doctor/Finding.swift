/// One line of the doctor: what it looked at, what it found, and what to do about it.
struct Finding: Equatable, Sendable {
    enum Level: String, CaseIterable, Sendable {
        case fine = "ok"
        /// It works now, and can do harm later.
        case warning
        case wrong
        /// It is there, and could not be looked at.
        case unseen = "not seen"
        /// Nobody named it, so it was not looked at.
        case skipped
    }

    enum Part: String, CaseIterable, Sendable {
        case machine
        case nats = "NATS"
        case tape
        case database
        case valkey = "Valkey"
        case services
        case feeds
        case alerts
    }

    let level: Level
    let part: Part
    /// What is so, with what: one line.
    let text: String
    /// What to do. Empty for what is fine.
    let advice: String
    /// The name of the page in `docs/runbooks`. `nil` if there is none.
    let runbook: String?

    init(
        _ level: Level, _ part: Part, _ text: String, _ advice: String = "", runbook: String? = nil
    ) {
        self.level = level
        self.part = part
        self.text = Self.line(text)
        self.advice = Self.line(advice)
        self.runbook = runbook
    }

    /// The most characters of a line. Texts of servers may be longer.
    static let lineMax = 400

    private static func line(_ text: String) -> String {
        let one = text.split(whereSeparator: \.isNewline).joined(separator: "; ")
        return one.count <= lineMax ? one : "\(one.prefix(lineMax))…"
    }
}

extension [Finding] {
    mutating func add(
        _ level: Finding.Level, _ part: Finding.Part, _ text: String, _ advice: String = "",
        runbook: String? = nil
    ) {
        append(Finding(level, part, text, advice, runbook: runbook))
    }
}
