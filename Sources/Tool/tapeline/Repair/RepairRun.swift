import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Carries out `tapeline repair`: puts the request on the tape and waits for its outcome.
struct RepairRun {
    let command: RepairCommand
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let partition = deployment.names.partition(of: command.symbol)
        if !command.asJSON { for line in explanation(partition) { terminal.line(line) } }
        guard !command.isDryRun else {
            finish(partition, RepairOutcome(state: .notRequested))
            return .success
        }
        guard try Confirmation.ask("Repair?", isGiven: command.isConfirmed, terminal) else {
            return .failure
        }
        let client = try deployment.openTape()
        defer { client.close() }
        var sequence: UInt64?
        do {
            return try run(deployment, partition, client, shutdown, asked: &sequence)
        } catch let error as ToolError {
            throw error
        } catch {
            guard let sequence else {
                throw .unreachable("it cannot be asked for: \(error)")
            }
            throw .unreachable(
                "the request is on the tape as message \(sequence), and what comes of it cannot "
                    + "be followed: \(error)")
        }
    }

    private func explanation(_ partition: Partition) -> [String] {
        [
            "\(command.symbol) from \(command.source?.text ?? "all sources"), "
                + "\(command.from) to \(command.to), partition \(partition):",
            "  its operator reads that part of the tape again and publishes what its windows give",
            "  as new versions of their bars, with the reason '\(command.reason)'. What came late,",
            "  was taken back, corrected or filled in meanwhile counts in them.",
        ]
    }

    /// `asked` is given the request's sequence as soon as it is known.
    private func run(
        _ deployment: Deployment, _ partition: Partition, _ client: TapeClient,
        _ shutdown: ShutdownSignal, asked: inout UInt64?
    ) throws -> ExitCode {
        let subject = RepairWatch.Subject(
            symbol: command.symbol, source: command.source, from: command.from, to: command.to,
            reason: command.reason)
        let watch = try command.waitSeconds.map { _ in try RepairWatch(subject, partition, client) }
        defer { watch?.close() }
        // Before anything is published, so that nothing is if the database cannot be asked.
        let stored = try watch == nil ? nil : deployment.storedPositions(partition)
        let publisher = try ManualPublisher(client, [partition], shutdown)
        try publisher.open()
        try publisher.append(request(), of: command.symbol, command.source, partition)
        try publisher.drain()
        let sequence = publisher.lastSequence(partition)
        asked = sequence
        guard let watch, let seconds = command.waitSeconds else {
            finish(partition, RepairOutcome(state: .requested, sequence: sequence))
            return .success
        }
        let outcome = try watch.wait(behind: sequence, seconds: seconds, stored, shutdown)
        finish(partition, outcome)
        return outcome.exitCode
    }

    private func request() -> RepairRequest {
        RepairRequest(
            header: TickHeader(
                symbol: 0, providerTime: .undefined, receiveTime: SystemClock().now()),
            from: command.from, to: command.to, reason: command.reason,
            requester: Requester.name(bytesMax: RepairRequest.requesterBytesMax),
            note: command.note)
    }

    private func finish(_ partition: Partition, _ outcome: RepairOutcome) {
        terminal.show(outcome.lines, json: outcome.json(command, partition), command.asJSON)
    }
}
