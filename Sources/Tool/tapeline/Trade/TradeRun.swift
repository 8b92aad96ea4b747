import MarketModel
import Primitives
import ServiceRuntime
import TapeTransport

/// Carries out `tapeline trade`: shows the trade and its bars, puts the change on the tape and
/// waits for the new versions.
struct TradeRun {
    let command: TradeCommand
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let client = try deployment.openTape()
        defer { client.close() }
        var sequence: UInt64?
        do {
            return try run(deployment, client, shutdown, asked: &sequence)
        } catch let error as ToolError {
            throw error
        } catch {
            guard let sequence else {
                throw .unreachable("the trade cannot be changed: \(error)")
            }
            throw .unreachable(
                "the change is on the tape as message \(sequence), and what comes of it cannot be "
                    + "followed: \(error)")
        }
    }

    /// `asked` is given the change's sequence as soon as it is known.
    private func run(
        _ deployment: Deployment, _ client: TapeClient, _ shutdown: ShutdownSignal,
        asked: inout UInt64?
    ) throws -> ExitCode {
        var found = try TradeLookup(
            client: client, address: command.address, shutdown: shutdown
        ).trade()
        let bars = try look(up: &found, deployment)
        let record = try found.record(
            for: command, requester: Requester.name(bytesMax: TradeChange.requesterBytesMax),
            now: SystemClock().now())
        let report = TradeReport(command: command, found: found, record: record, bars: bars)
        if !command.asJSON { for line in report.lines { terminal.line(line) } }
        guard !command.isDryRun else {
            return finish(report, RepairOutcome(state: .notRequested), [])
        }
        guard try Confirmation.ask(report.question, isGiven: command.isConfirmed, terminal) else {
            return .failure
        }
        let partition = command.address.partition
        let watch = try command.waitSeconds.map { _ in
            try RepairWatch(report.subject, partition, client)
        }
        defer { watch?.close() }
        let stored = try watch == nil ? nil : deployment.storedPositions(partition)
        let publisher = try ManualPublisher(client, [partition], shutdown)
        try publisher.open()
        try publisher.append(record, of: found.symbol, found.owner, partition)
        try publisher.drain()
        let sequence = publisher.lastSequence(partition)
        asked = sequence
        guard let watch, let seconds = command.waitSeconds else {
            return finish(report, RepairOutcome(state: .requested, sequence: sequence), [])
        }
        let outcome = try watch.wait(behind: sequence, seconds: seconds, stored, shutdown)
        return finish(report, outcome, watch.versions)
    }

    /// Asks the database, if one is named, what the provider said of the trade, and for its bars.
    private func look(
        up found: inout TradeOnTape, _ deployment: Deployment
    ) throws(ToolError) -> TradeReport.Bars {
        guard deployment.postgres != nil else {
            found.provider = .unknown
            return .notAsked
        }
        let tables = try TradeTables(deployment)
        found.provider = try tables.word(of: found)
        do throws(ToolError) {
            let time = found.trade.header.eventTime
            return .found(try tables.bars(of: found.symbol, at: time, found.owner))
        } catch {
            // The change does not need them.
            return .failed("\(error)")
        }
    }

    private func finish(
        _ report: TradeReport, _ outcome: RepairOutcome, _ versions: [RepairWatch.Version]
    ) -> ExitCode {
        terminal.show(
            report.lines(of: versions) + outcome.lines, json: report.json(outcome, versions),
            command.asJSON)
        return outcome.exitCode
    }
}
