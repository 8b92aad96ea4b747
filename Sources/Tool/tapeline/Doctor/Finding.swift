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

/// A span of time for people.
enum SpanText {
    /// Returns the span like `of`, but with a tenth of a second below ten.
    static func short(_ seconds: Double) -> String {
        seconds < 10 ? "\((max(0, seconds) * 10).rounded() / 10) s" : of(seconds)
    }

    /// Returns the span with its two largest units: "41 s", "2 h 10 min", "3 d 4 h".
    static func of(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e11 else { return "more than 1000 years" }
        let whole = Int64(max(0, seconds.rounded()))
        let parts: [(unit: String, length: Int64)] = [("d", 86_400), ("h", 3_600), ("min", 60)]
        for (index, part) in parts.enumerated() where whole >= part.length {
            let count = whole / part.length
            let lower = index + 1 < parts.count ? parts[index + 1] : (unit: "s", length: 1)
            let rest = whole % part.length / lower.length
            return "\(count) \(part.unit)" + (rest > 0 ? " \(rest) \(lower.unit)" : "")
        }
        return "\(whole) s"
    }
}
