internal import Glibc
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import TapeListing
import TapeProtocol

/// Carries out `tapeline export`: reads one snapshot of the database in pieces. An output file is
/// complete or absent.
struct ExportRun {
    let command: ExportCommand
    let terminal: Terminal

    private static let timeout = Duration.seconds(3_600)
    /// Rows of one round trip.
    private static let page = 5_000

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        guard let path = command.output else {
            var output = OutputBuffer(descriptor: terminal.output)
            let rows = try write(&output, deployment, shutdown)
            return rows == nil ? .temporary : .success
        }
        guard !FileSystem.exists(path) else {
            throw .refused("\(path) is there already: remove it, or name another file")
        }
        let temporary = "\(path).\(getpid()).new"
        let descriptor = unsafe open(
            temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o644))
        guard descriptor >= 0 else { throw FileSystem.failure("write", path) }
        var isKept = false
        defer {
            close(descriptor)
            if !isKept { unsafe unlink(temporary) }
        }
        var output = OutputBuffer(descriptor: descriptor)
        guard let rows = try write(&output, deployment, shutdown) else { return .temporary }
        guard fsync(descriptor) == 0, unsafe rename(temporary, path) == 0 else {
            throw FileSystem.failure("write", path)
        }
        isKept = true
        terminal.line("\(path): \(rows) rows")
        return .success
    }

    /// Returns the number of rows. `nil` if interrupted, or if the reader of the pipe has closed
    /// it.
    private func write(
        _ output: inout OutputBuffer, _ deployment: Deployment, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> Int? {
        let market = try MarketSession(deployment, timeout: Self.timeout)
        try market.requireKnown(command.symbols)
        var progress = ProgressLine(terminal, asJSON: command.output == nil)
        defer { progress.end() }
        progress.show { "looking for the rows" }
        try market.open(query(deployment.names.namespace), parameters)
        var rows = 0
        while true {
            let page = try market.fetch(Self.page)
            if rows == 0 { output.csvLine(page.columns) }
            for row in page.rows { output.csvLine(row) }
            rows += page.rows.count
            output.flush()
            if let failure = output.failure, failure != EPIPE {
                throw .file(
                    operation: "write", path: command.output ?? "standard output",
                    SystemErrorCode(rawValue: failure))
            }
            if output.isGone { return nil }
            if shutdown.isRequested {
                terminal.problem("interrupted; nothing was kept")
                return nil
            }
            if page.rows.count < Self.page { return rows }
            let time = page.columns.firstIndex(of: "ts").flatMap { page.rows.last?[$0] }
            progress.show { "\(rows) rows, up to \(time ?? "-")" }
        }
    }

    private func query(_ namespace: String) -> String {
        let wanted = criteria.enumerated()
            .map { " AND \($0.element.column) = ANY ($\($0.offset + 3))" }.joined()
        return """
            SELECT * FROM \(command.kind.rows(of: namespace)) WHERE ts >= $1 AND ts < $2\(wanted)
            ORDER BY ts, symbol, \(command.kind.order)
            """
    }

    private var parameters: [PostgresValue] {
        [.timestamp(command.from), .timestamp(command.to)]
            + criteria.map { .textArray($0.values) }
    }

    /// The columns that have to have one of some values.
    private var criteria: [(column: String, values: [String])] {
        let all: [(column: String, values: [String])] = [
            ("symbol", command.symbols.map(\.text)), ("series", command.series.map(\.text)),
            (command.kind.source, command.source.map { [$0.text] } ?? []),
        ]
        return all.filter { !$0.values.isEmpty }
    }
}
