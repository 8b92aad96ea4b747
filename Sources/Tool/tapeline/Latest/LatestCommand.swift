import MarketModel
import Primitives
import ServiceRuntime
import ValkeyClient

/// `tapeline latest`: the latest values of symbols, as the hot state in Valkey has them.
struct LatestCommand: ToolCommand {
    var target = TapeTarget()
    var symbols: [Symbol] = []
    /// `nil` means all sources.
    var source: SourceName?
    var series: [SeriesName] = []
    /// How old a value may be, in nanoseconds. `nil`: of any age.
    var freshNanoseconds: Int64?
    var asJSON = false

    static let page = CommandPage(
        "latest", .data, "the latest values of symbols", also: [.source],
        """
        latest SYMBOL...
            the last trade and quote of each source, from Valkey: with ordinal and age, what the
            tape says of the feed, and how many records of its lane are not in Valkey yet.
            2: a value is unknown
        --series NAME
            the last bar of this series, too; may be repeated
        --fresh LENGTH
            such as 5s or 500ms. 1: a value is older, or unknown
        --json
            an object per line
        $ tapeline latest AAPL
        $ tapeline latest AAPL MSFT --source ibkr --fresh 5s --json
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> LatestCommand {
        var command = LatestCommand(target: try TapeTarget(given))
        command.symbols = try given.symbols()
        command.source = try given.source()
        for text in given.all("--series") {
            guard let name = SeriesName(text) else {
                throw .usage("'\(text.prefix(40))' is no series")
            }
            command.series.append(name)
        }
        command.freshNanoseconds = try given.one("--fresh").map { text throws(ToolError) in
            try length(text)
        }
        command.asJSON = given.asJSON
        return command
    }

    private static let units: [(letters: String, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    private static func length(_ text: String) throws(ToolError) -> Int64 {
        for unit in units where text.hasSuffix(unit.letters) {
            guard let number = UInt32(text.dropLast(unit.letters.count)), number > 0 else {
                continue
            }
            let (length, overflow) = Int64(number).multipliedReportingOverflow(by: unit.nanoseconds)
            if !overflow { return length }
        }
        throw .usage("--fresh wants a length such as 5s or 500ms, not '\(text.prefix(20))'")
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let deployment = try tool.deployment(target)
        guard let valkey = deployment.valkey else {
            throw .usage(
                "no Valkey is named: set VALKEY_HOST, VALKEY_USER and VALKEY_PASSWORD (or "
                    + "VALKEY_PASSWORD_FILE)")
        }
        let run = LatestRun(self, deployment)
        let rows = try run.rows(valkey)
        let now = SystemClock().now()
        if asJSON {
            for row in rows { tool.terminal.line(row.json(now)) }
        } else {
            let lines = [LatestRow.head] + rows.map { $0.line(now) }
            for line in TextTable.lines(lines, numbers: LatestRow.numbers) {
                tool.terminal.line(line)
            }
        }
        if let problem = run.tapeProblem {
            tool.terminal.problem("the feeds are unknown: \(problem)")
        }
        return Self.outcome(rows, fresh: freshNanoseconds, now: now)
    }

    /// Returns how the command ends.
    static func outcome(_ rows: [LatestRow], fresh: Int64?, now: Timestamp) -> ExitCode {
        if let fresh {
            return rows.allSatisfy { ($0.age(now) ?? Int64.max) <= fresh } ? .success : .failure
        }
        return rows.allSatisfy { $0.unknown == nil } ? .success : .incomplete
    }
}
