import MarketModel
import OperatorGraph
import PostgresClient
import Primitives
import ServiceRuntime
import StreamCore
import TapeProtocol
import TapeTransport

/// Carries out `tapeline prove`.
struct ProveRun {
    let command: ProveCommand
    let terminal: Terminal

    private static let hour: Int64 = 3_600_000_000_000
    private static let day: Int64 = 24 * hour
    /// How long a bar that is over may be on its way to the table.
    static let storing: Int64 = 10_000_000_000

    func run(
        _ deployment: Deployment, _ program: GraphProgram, shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let wanted = try self.wanted(program.definition)
        let series = wanted.filter { !program.definition.isOfBooks($0.name) }
        let stored = try StoredProof(deployment, skipsTape: command.skipsTape)
        defer { stored.close() }
        let (database, client) = (stored.database, stored.client)
        var report = ProofReport(readsTape: client != nil)
        report.ofBooks = ofBooks(wanted, program.definition)
        report.onLots = series.map(\.name).filter { program.definition.needsLots($0) }
        let clock = SystemClock()
        let began = clock.monotonic()
        // With names of series only their bars.
        let aggregates =
            command.series.isEmpty && client != nil ? program.definition.aggregates : []
        if !aggregates.isEmpty { report.values = ProofValues() }
        let windows = series + aggregates.flatMap(\.series)
        for range in slices(windows) {
            let until = range.upperBound + (windows.map(Self.reach).max() ?? 0)
            let symbols = try self.symbols(database, range)
            let grouped = Dictionary(grouping: symbols) { deployment.names.partition(of: $0) }
            for partition in grouped.keys.sorted() where !shutdown.isRequested {
                var slice = ProofSlice(
                    program, series: series.map(\.name), symbols: grouped[partition] ?? [],
                    partition, range, until: until)
                slice.storedBy = command.asked.nanoseconds - Self.storing
                slice.aggregates = aggregates
                try slice.load(database)
                if let client {
                    let tape = ProofTape(
                        client: client, names: deployment.names, partition: partition,
                        shutdown: shutdown)
                    var values = report.values ?? ProofValues()
                    report.add(
                        try slice.fromTape(tape, into: &report.tape, &values), partition, range)
                    if !aggregates.isEmpty { report.values = values }
                }
                try slice.fromTables(database, into: &report.tables)
                report.ticks += slice.ticks
                report.nanoseconds = clock.monotonic() - began
                printReport(report, range)
            }
        }
        if let client {
            let proof = ProofUniverse(
                client: client, names: deployment.names, shutdown: shutdown)
            report.overAll = try overAll(proof, program, database)
        }
        report.isInterrupted = shutdown.isRequested
        if command.asJSON { terminal.line(report.json()) } else { report.write(terminal) }
        return report.exitCode
    }

    /// Returns the series that are made of books, and the nodes unless only series are asked for.
    private func ofBooks(_ series: [BarSeries], _ definition: GraphDefinition) -> [String] {
        let nodes = definition.nodes.filter { node in
            guard case .aggregate = node.operation, command.series.isEmpty else { return false }
            return definition.isOfBooks(node)
        }
        return series.map(\.name).filter { definition.isOfBooks($0) }.map(\.text)
            + nodes.map(\.name)
    }

    /// Proves the values over all partitions, unless only some symbols or series are asked for.
    private func overAll(
        _ proof: ProofUniverse, _ program: GraphProgram, _ database: ProofDatabase
    ) throws(ToolError) -> ProofValues? {
        guard command.symbols.isEmpty, command.series.isEmpty, !proof.shutdown.isRequested,
            let universe = UniverseProgram(
                program.definition, partitions: proof.names.partitions)
        else { return nil }
        return try proof.compare(
            universe, command.from.nanoseconds..<command.to.nanoseconds,
            storedBy: command.asked.nanoseconds - Self.storing, database)
    }

    /// Returns how long after its opening a bar may still take ticks. A bar without a fixed width
    /// ends within a day.
    static func reach(_ series: BarSeries) -> Int64 {
        series.widthNanoseconds > 0 ? series.widthNanoseconds : day
    }

    private func wanted(_ definition: GraphDefinition) throws(ToolError) -> [BarSeries] {
        let all = definition.allSeries
        for name in command.series where !all.contains(where: { $0.name == name }) {
            let known = all.map(\.name.text).joined(separator: ", ")
            throw .usage("no series is called \(name): the graph makes \(known)")
        }
        return command.series.isEmpty
            ? all : all.filter { command.series.contains($0.name) }
    }

    private func symbols(
        _ database: ProofDatabase, _ range: Range<Int64>
    ) throws(ToolError) -> [Symbol] {
        guard command.symbols.isEmpty else { return command.symbols }
        return try database.symbols(range.lowerBound, range.upperBound)
    }

    /// Cuts the range into hours or days: small enough for memory, and holding complete windows.
    private func slices(_ series: [BarSeries]) -> [Range<Int64>] {
        let fitsHour = series.allSatisfy { series in
            if case .tumbling(let width) = series.window { Self.hour % width == 0 } else { false }
        }
        let step = fitsHour ? Self.hour : Self.day
        var slices: [Range<Int64>] = []
        var start = command.from.nanoseconds
        while start < command.to.nanoseconds {
            let next = Timestamp(nanoseconds: start).floored(toNanoseconds: step)
                .advanced(byNanoseconds: step)
            let end = min(next, command.to).nanoseconds
            guard end > start else { break }
            slices.append(start..<end)
            start = end
        }
        return slices
    }

    private func printReport(_ report: ProofReport, _ range: Range<Int64>) {
        guard terminal.isInteractive, !command.asJSON else { return }
        terminal.raw(
            "\r\(Timestamp(nanoseconds: range.upperBound)): \(report.tables.equal) bars equal, "
                + "\(report.ticks) ticks read\u{1B}[K")
    }
}
