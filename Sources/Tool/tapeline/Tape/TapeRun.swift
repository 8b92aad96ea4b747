import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Carries out `tapeline tape`: reads the streams, twice for the rates, and the positions of their
/// readers.
struct TapeRun {
    private static let rateNanoseconds: Int64 = 1_000_000_000

    let command: TapeCommand
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            let report = try report(deployment, client, shutdown)
            terminal.show(report.lines, json: report.json(), command.asJSON)
            return .success
        } catch {
            throw ToolError(error) { .unreachable("the tape cannot be looked at: \($0)") }
        }
    }

    private func report(
        _ deployment: Deployment, _ client: TapeClient, _ shutdown: ShutdownSignal
    ) throws -> TapeReport {
        let names = deployment.names
        var report = TapeReport()
        for name in deployment.allStreams { report.streams.append(try stream(name, client)) }
        let clock = SystemClock()
        let started = clock.monotonic()
        report.ticks = try (0..<TapeNames.tickStreams).flatMap { try client.tickHeads(stream: $0) }
            .sorted { ($0.partition, $0.source) < ($1.partition, $1.source) }
        report.bars = try (0..<names.partitions).compactMap { number in
            try client.head(
                stream: names.barStream, subject: names.bars(Partition(number)))
        }
        report.universe = try client.head(
            stream: names.barStream, subject: names.universeValues)
        try readers(&report, deployment, client)
        report.durability = TapeWatch.durability(deployment.monitors, client)
        if command.withRate {
            let left = Self.rateNanoseconds - (clock.monotonic() - started)
            _ = shutdown.wait(timeout: .nanoseconds(max(0, left)))
            try addRates(&report, names, client, since: started)
        }
        report.now = clock.now()
        return report
    }

    private func stream(_ name: String, _ client: TapeClient) throws -> TapeReport.Stream {
        guard let info = try client.jetStream.streamInfo(name) else {
            throw ToolError.refused("stream \(name) is gone")
        }
        var stream = TapeReport.Stream(info: info)
        guard info.messages > 0 else { return stream }
        let messages = client.jetStream
        if let first = try messages.message(stream: name, sequence: info.firstSequence) {
            stream.firstTime = first.time
        }
        if let last = try messages.message(stream: name, sequence: info.lastSequence) {
            stream.lastTime = last.time
        }
        return stream
    }

    // MARK: rates

    private func addRates(
        _ report: inout TapeReport, _ names: TapeNames, _ client: TapeClient, since: MonotonicTime
    ) throws {
        for index in report.ticks.indices {
            let before = report.ticks[index]
            guard
                let after = try client.head(
                    stream: names.tickStream(of: before.partition),
                    subject: names.ticks(before.partition, before.source))
            else { continue }
            let seconds = Double(SystemClock().monotonic() - since) / 1e9
            let ticks =
                after.lastOrdinal >= before.lastOrdinal
                ? after.lastOrdinal - before.lastOrdinal : 0
            report.ticks[index].ticksPerSecond = Double(ticks) / max(seconds, 0.001)
        }
    }

    // MARK: readers

    private func readers(
        _ report: inout TapeReport, _ deployment: Deployment, _ client: TapeClient
    ) throws {
        let operators = OperatorPositions(client: client)
        report.operators = try (0..<deployment.names.partitions)
            .map { try operators.position(Partition($0)) }
        if let bucket = try client.jetStream.bucketAsFound(
            "\(deployment.names.namespace)_operator")
        {
            for entry in try bucket.entries(matching: "operator.*.head").entries {
                let tokens = entry.key.split(separator: ".")
                guard tokens.count == 3, let number = Int(tokens[1]) else { continue }
                report.checkpoints[Partition(number)] = entry.time
            }
        }
        guard deployment.postgres != nil else {
            report.writerAbsence = "no database is named (POSTGRES_HOST)"
            return
        }
        // The tape can still be shown while the database is unreachable.
        do {
            let database = try deployment.openDatabase()
            defer { database.close() }
            report.writer = try StorePositions(deployment.store, database).positions()
        } catch {
            report.writerAbsence = "\(error)"
        }
    }
}
