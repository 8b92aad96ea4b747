import OperatorGraph
import PostgresClient
import Primitives
import ServiceRuntime

/// Runs the checks of the script on one database.
struct DatabaseAudit {
    /// The time limit of one statement: the bars of a day of many symbols take a while.
    static let checkTimeout: Duration = .seconds(3_600)
    private static let settingTimeout: Duration = .seconds(5)

    private let connection: PostgresConnection
    private let terminal: Terminal
    private let asJSON: Bool

    /// What the checks have to know of the graph: the nodes before each series that remove
    /// duplicates, as JSON.
    struct Graph: Equatable {
        let nodes: String

        init(_ definition: GraphDefinition) { nodes = definition.auditSetting }

        /// The statement that tells the session. `SET` takes no parameters.
        var statement: String {
            "SET tapeline.graph = '\(nodes.replacing("'", with: "''"))'"
        }
    }

    init(_ connection: PostgresConnection, _ terminal: Terminal, asJSON: Bool) {
        self.connection = connection
        self.terminal = terminal
        self.asJSON = asJSON
    }

    /// Returns the configuration of the audit's session. Its statement timeout is that of a check.
    /// A check reads all its rows once, so hash joins are the right plan (see the script).
    static func configuration(_ base: PostgresConfiguration) -> PostgresConfiguration {
        var own = base
        own.applicationName = "tapeline audit"
        own.statementTimeout = checkTimeout
        own.settings += [
            ("enable_nestloop", "off"), ("enable_mergejoin", "off"), ("enable_sort", "off"),
            ("jit", "off"), ("work_mem", "256MB"),
        ]
        return own
    }

    /// Returns what the checks have to know of the graph. `nil` if the environment names none.
    static func graph(_ environment: [String: String]) throws(ToolError) -> Graph? {
        guard environment[ProofGraph.graphKey]?.isEmpty == false else { return nil }
        return Graph(try ProofGraph.find(environment).definition)
    }

    func add(
        _ script: AuditScript, graph: Graph?, _ scope: AuditScope, to report: inout AuditReport
    ) throws {
        report.scope = scope
        report.notChecked += script.checks.filter {
            $0.reads != .range && !scope.includes($0.reads)
        }
        .map(\.name)
        report.rowChecks.formUnion(
            script.checks.filter { $0.reads != .books }.map(\.name) + TapeAudit.names)
        if let graph {
            _ = try connection.execute(graph.statement, timeout: Self.settingTimeout)
        }
        let checks = script.checks.filter { scope.includes($0.reads) }
        let slices = try slices(scope)
        func parts(_ check: AuditScript.Check) -> [AuditSlice] {
            [.rows, .range].contains(check.reads) ? slices : [.whole]
        }
        var progress = AuditProgress(
            terminal, asJSON: asJSON, steps: checks.reduce(0) { $0 + parts($1).count })
        for check in checks {
            var lines: [AuditReport.Line] = []
            for slice in parts(check) {
                progress.begin(check.name, slice)
                lines += try run(check, slice)
            }
            report.add(AuditReport.Line.joined(lines))
        }
        progress.end()
    }

    private func run(
        _ check: AuditScript.Check, _ slice: AuditSlice
    ) throws -> [AuditReport.Line] {
        do throws(PostgresError) {
            return lines(
                of: check,
                try connection.execute(
                    slice.fill(check.sql), timeout: Self.checkTimeout + Self.settingTimeout))
        } catch {
            guard error.sqlState == .queryCanceled else { throw error }
            throw ToolError.audit(
                "\(check.name) was canceled, after \(Self.checkTimeout) at most: read less at once "
                    + "(--day, --from and --to)")
        }
    }

    /// All rows are read partition by partition, so that no statement takes longer than one over a
    /// day.
    func slices(_ scope: AuditScope) throws -> [AuditSlice] {
        switch scope {
        case .books: return [.whole]
        case .range(let from, let to): return AuditSlice.cut(from: from, to: to)
        case .all:
            let found = try connection.execute(
                """
                SELECT (extract(epoch FROM from_ts) * 1000000)::bigint,
                    (extract(epoch FROM to_ts) * 1000000)::bigint
                FROM unnest(ARRAY['trades', 'bars_short']) AS t (table_name)
                CROSS JOIN LATERAL (SELECT from_ts, to_ts FROM time_partitions(t.table_name)
                    UNION ALL SELECT from_ts, to_ts FROM time_chunks(t.table_name)) AS part
                """, timeout: Self.checkTimeout)
            func time(_ row: Int, _ column: Int) -> Timestamp? {
                found.integer(row, column).flatMap { micros in
                    let (nanoseconds, isTooMuch) = micros.multipliedReportingOverflow(by: 1_000)
                    return isTooMuch ? nil : Timestamp(nanoseconds: nanoseconds)
                }
            }
            return AuditSlice.merged(
                (0..<found.rowCount).map { AuditSlice(from: time($0, 0), to: time($0, 1)) })
        }
    }

    /// A check that returns no row has found no fault.
    private func lines(
        of check: AuditScript.Check, _ result: PostgresResult
    ) -> [AuditReport.Line] {
        func column(_ name: String) -> Int? { result.columns.firstIndex(of: name) }
        func value(_ row: Int, _ name: String) -> String {
            column(name).flatMap { result[row, $0] } ?? ""
        }
        if result.rowCount == 0 {
            return [
                AuditReport.Line(
                    name: check.name, sentence: check.sentence, expected: "0", found: "0",
                    isRight: true, detail: "")
            ]
        }
        return (0..<result.rowCount).map { row in
            AuditReport.Line(
                name: check.name, sentence: check.sentence, expected: value(row, "expected"),
                found: value(row, "found"), isRight: value(row, "ok") == "t",
                detail: value(row, "detail"))
        }
    }
}

/// Shows a person which check of how many is running, and the estimated time left.
private struct AuditProgress {
    private var line: ProgressLine
    private let steps: Int
    private var begun = 0
    private let clock = SystemClock()
    private let started: MonotonicTime

    init(_ terminal: Terminal, asJSON: Bool, steps: Int) {
        line = ProgressLine(terminal, asJSON: asJSON)
        self.steps = steps
        started = clock.monotonic()
    }

    mutating func begin(_ name: String, _ slice: AuditSlice) {
        let done = begun
        begun += 1
        let seconds = (clock.monotonic() - started) / 1_000_000_000
        let left = done > 0 ? ", about \(seconds * Int64(steps - done) / Int64(done)) s left" : ""
        let day = slice.from.map { " of \($0.description.prefix(10))" } ?? ""
        line.show { "\(done + 1) of \(steps): \(name)\(day), \(seconds) s\(left)" }
    }

    mutating func end() { line.end() }
}
