import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime

/// `tapeline quality`: how complete and how clean the data of a day are.
struct QualityCommand: ToolCommand {
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

    static let page = CommandPage(
        "quality", .proof, "how complete and how clean a day is, by symbol", also: [.json, .csv],
        """
        quality --day DAY [SYMBOL...]
            a day of UTC by symbol and source: ticks, late ones, duplicates, changed and fetched
            ones, bars, partial and rewritten ones, missing and silent time, with their shares, and
            refused rows. 0 nothing is missing, 1 time is, or rows were refused, 2 there is nothing
            to judge
        --source NAME
            only this source or group
        --silent N
            seconds without a tick that count (300)
        --html FILE
            write a page with plots, too
        $ tapeline quality --day yesterday --html yesterday.html
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> QualityCommand {
        var command = QualityCommand(target: try TapeTarget(given), day: try given.neededDay())
        command.symbols = try given.symbols()
        command.source = try given.source()
        command.silentSeconds =
            try given.integer("--silent", in: silentRange) ?? command.silentSeconds
        command.asJSON = given.asJSON
        command.page = try given.one("--html")
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let market = try MarketSession(tool.deployment(target), timeout: Self.timeout)
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
        let written = page.map { ["\($0): the same as a page"] } ?? []
        tool.terminal.show(
            report.lines + written, json: report.json(), rows: report.rows.fields, asJSON)
        return report.exitCode
    }
}
