import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime

/// `tapeline quality`: how complete and how clean the data of a day are.
struct QualityCommand: Equatable, Sendable {
    var target = TapeTarget()
    /// The beginning of the UTC day.
    let day: Timestamp
    /// Empty means all symbols.
    var symbols: [Symbol] = []
    /// `nil` means all sources.
    var source: SourceName?
    /// A symbol without a tick for so many seconds is silent.
    var silentSeconds = 300
    var asJSON = false
    /// A file for the page in HTML; `nil` for none.
    var page: String?

    private static let silentRange = 1...86_400
    /// The ticks of a day are read twice.
    private static let timeout = Duration.seconds(600)
    /// Rows that are read at most: a symbol of a source each.
    private static let rowsMax = 100_000

    static func parse(_ arguments: [String], now: Timestamp) throws(ToolError) -> QualityCommand {
        let given = try CommandArguments(
            "quality", arguments,
            .init(
                values: TapeTarget.options.union([
                    "--day", "--symbols", "--source", "--silent", "--html",
                ]), flags: ["--json"]))
        try given.requireWords(0, "no words: --day and --symbols say what to read")
        guard let day = try given.day(now: now) else {
            throw .usage("'tapeline quality' wants --day: a day of UTC (2026-11-20, yesterday)")
        }
        var command = QualityCommand(target: try TapeTarget(given), day: day)
        command.symbols = try ReplayTimes.symbols(given.all("--symbols"))
        command.source = try given.source()
        command.silentSeconds =
            try given.integer("--silent", in: silentRange) ?? command.silentSeconds
        command.asJSON = given.has("--json")
        command.page = try given.one("--html")
        return command
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let market = try MarketSession(deployment, timeout: Self.timeout)
        try market.requireKnown(symbols)
        let query = QualityQuery(namespace: market.namespace)
        let parameters: [PostgresValue] = [
            .timestamp(day), .timestamp(day.advanced(byNanoseconds: AuditScope.day)),
            .textArray(symbols.map(\.text)), source.map { .text($0.text) } ?? .null,
        ]
        let rows = try market.rows(
            query.symbols(rowsMax: Self.rowsMax + 1),
            parameters + [.integer(Int64(silentSeconds))])
        guard rows.count <= Self.rowsMax else {
            throw .refused("more than \(Self.rowsMax) symbols: name those of interest")
        }
        let report = QualityReport(
            day: "\("\(day)".prefix(10))", silentSeconds: silentSeconds,
            asked: symbols.map(\.text), symbols: rows.map(QualityOfSymbol.init),
            refused: try market.rows(query.refused).map { ($0[0] ?? "-", $0[1] ?? "0") },
            hours: page == nil
                ? []
                : try market.rows(query.hours, parameters).map { row in
                    row.map { $0.flatMap { Int($0) } ?? 0 }
                })
        if let page {
            try FileSystem.write(Array(QualityPage(report).html.utf8), to: page, mode: 0o644)
        }
        if asJSON {
            terminal.line(report.json())
        } else {
            for line in report.lines { terminal.line(line) }
            if let page { terminal.line("\(page): the same as a page") }
        }
        return report.exitCode
    }
}
