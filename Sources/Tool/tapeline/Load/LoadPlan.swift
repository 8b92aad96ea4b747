import Primitives

/// What a load will take, as the gateway's program has asked the provider. Pure.
struct LoadPlan: Equatable, Sendable {
    /// Of one symbol.
    struct Part: Equatable, Sendable {
        let symbol: String
        /// `nil`: it is not known.
        let count: UInt64?
        /// Why it cannot be loaded; empty: it can.
        let problem: String
    }

    /// Bytes on the tape with their share of a packet, and of a row with its index: of a trade, and
    /// of a bar.
    private static let tradeBytes: (tape: UInt64, row: UInt64) = (90, 149)
    private static let barBytes: (tape: UInt64, row: UInt64) = (150, 290)
    private static let shownMax = 10

    /// The trades or bars of all symbols; `nil`: nothing tells how many.
    private(set) var count: UInt64?
    /// Whether the provider does not count them: the number was worked out of something else.
    private(set) var isRough = false
    private(set) var requests: UInt64 = 0
    /// How long the provider takes for these requests.
    private(set) var seconds = 0.0
    private(set) var parts: [Part] = []
    /// Why it cannot be loaded; `nil`: it can.
    private(set) var problem: String?

    /// Reads the log of `provider-gateway plan`, line by line.
    init(log: [UInt8]) {
        let log = CommandLog(log)
        for (event, entry) in log.entries where event == "gateway.plan.symbol" {
            parts.append(Self.part(entry))
        }
        let plans = log.entries.filter { $0.event == "gateway.plan" }
        for (_, entry) in plans { read(entry) }
        if plans.isEmpty { problem = log.complaint ?? "the gateway ended without a plan" }
    }

    private static func part(_ entry: JSONValue) -> Part {
        Part(
            symbol: entry["symbol"]?.string ?? "", count: entry["count"]?.uint64,
            problem: entry["problem"]?.string ?? "")
    }

    /// Reads a line of the log that says why the provider is asked again. Returns that, and how
    /// long it waits; `nil`: it is another line.
    static func wait(_ entry: JSONValue) -> (why: String, time: Duration)? {
        guard entry["event"]?.string == "history.plan.waits", let why = entry["message"]?.string
        else { return nil }
        return (why, .seconds(max(0, min(entry["seconds"]?.int ?? 0, waitMax))))
    }

    /// Reads a line that says how long the next question waits for its turn; `nil`: it is another
    /// one.
    static func pace(_ entry: JSONValue) -> Duration? {
        guard entry["event"]?.string == "history.plan.paced" else { return nil }
        return .seconds(max(0, min(entry["seconds"]?.int ?? 0, waitMax)))
    }

    /// The longest wait that a plan waits for, in seconds.
    private static let waitMax = 3_600

    private mutating func read(_ entry: JSONValue) {
        count = entry["count"]?.uint64
        let counted = entry["counted"]?.string ?? "exactly"
        isRough = counted == "about"
        if let said = entry["problem"]?.string, !said.isEmpty {
            problem = said
            return
        }
        guard let requests = entry["requests"]?.uint64, let seconds = entry["seconds"]?.double,
            count != nil || counted == "unknown"
        else {
            problem =
                "the plan of provider-gateway has other fields: it and tapeline are of different "
                + "releases, so install both of one"
            return
        }
        self.requests = requests
        self.seconds = max(0, seconds)
    }

    /// Whether there is nothing, as far as is known.
    var isEmpty: Bool { count == 0 }

    /// What is said before a person consents: what it takes, and what is left out.
    func lines(of command: LoadCommand) -> [String] {
        var lines = amount(of: command)
        let empty = parts.filter { $0.count == 0 && $0.problem.isEmpty }.map(\.symbol)
        if !empty.isEmpty {
            let rest = empty.count - Self.shownMax
            lines.append(
                "no \(command.what) in that time: "
                    + empty.prefix(Self.shownMax).joined(separator: ", ")
                    + (rest > 0 ? " and \(rest) more" : ""))
        }
        return lines + problems()
    }

    /// Returns the problems of symbols, but those that another text has already.
    func problems(besides told: String = "") -> [String] {
        parts.filter { !$0.problem.isEmpty && !told.contains($0.problem) }
            .map { "\($0.symbol): \($0.problem)" }
    }

    private func amount(of command: LoadCommand) -> [String] {
        guard let count else {
            return [
                "\(command.provider) has \(command.what) of \(command.subject); how many is not "
                    + "known, so neither are time and room"
            ]
        }
        func size(_ each: UInt64) -> String {
            let (bytes, overflow) = count.multipliedReportingOverflow(by: each)
            return TapeReport.bytes(overflow ? .max : bytes)
        }
        let each = command.bars.isEmpty ? Self.tradeBytes : Self.barBytes
        let (about, how) =
            isRough ? ("about ", ", by \(command.provider)'s own bars") : ("", "")
        return [
            "\(command.provider) has \(about)\(count) \(command.what) of \(command.subject)\(how)",
            "they take \(about)\(requests) requests, about \(Self.time(seconds)) at "
                + "\(command.provider), about \(size(each.tape)) on the tape and "
                + "\(size(each.row)) of rows",
        ]
    }

    /// Returns "40 seconds", "7 minutes" or "1.5 hours".
    static func time(_ seconds: Double) -> String {
        if seconds < 90 { return "\(Int(seconds.rounded(.up))) seconds" }
        if seconds < 5_400 { return "\(Int((seconds / 60).rounded())) minutes" }
        // More than a year is no time that a person waits for.
        return "\((min(seconds / 3_600, 10_000) * 10).rounded() / 10) hours"
    }

    /// Returns a warning when the database removes rows of that time again; `nil`: it keeps them.
    static func warning(
        _ what: String, keptSeconds: Int64, from: Timestamp, now: Timestamp
    ) -> String? {
        let (kept, overflow) = keptSeconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow, now.nanoseconds(since: from) > kept else { return nil }
        let oldest = now.advanced(byNanoseconds: -kept)
        return "the database keeps \(what) for \(keptSeconds / 86_400) days (WRITER_RETENTION): "
            + "rows of days before \(oldest.description.prefix(10)) are removed again"
    }
}
