import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Carries out `tapeline position raise`: raises the records of gateways and workers to what the
/// database has, and sets the store's positions to the start of the tape.
struct RaiseRun {
    let command: PositionCommand
    let terminal: Terminal

    func run(_ deployment: Deployment, _ client: TapeClient) throws -> ExitCode {
        if !command.isDryRun { try refuseWhileServicesRun(client) }
        let database = try deployment.openDatabase()
        defer { database.close() }
        let books = StorePositions(deployment.store, database)
        let positions = try books.positions().filter(\.hasRead)
        // The streams are read last. Otherwise a position that moves meanwhile could seem to be
        // beyond their end.
        let look = try PositionCheck(client, deployment.allStreams)
        let plan = try RaisePlan(positions, universe: client.names.universe) {
            try onTape(client, $0, $1, $2)
        }
        let accepted = try positions.map { try look.acceptance($0).restored() }
            .filter { !$0.isNothing }
        // Only what is accepted gives its groups up: elsewhere they may read on.
        let givenUp = try command.givenUp(
            accepted.map(\.position), accepting: accepted.map(\.position))
        let raised = try raisedAlready(plan, client)
        let text = RaiseText(
            plan: plan, accepted: accepted, givenUp: givenUp, isRaised: raised)
        guard !command.isDryRun, !(raised && accepted.isEmpty) else {
            show(text, isDone: false)
            return .success
        }
        if !command.asJSON {
            show(text, isDone: false)
            guard
                try Confirmation.ask(
                    "Raise and accept this?", isGiven: command.isConfirmed, terminal)
            else { return .failure }
        }
        // Positions come last: until then, the next run does everything again.
        try raise(plan, client)
        for acceptance in accepted { try books.accept(acceptance) }
        if command.asJSON {
            show(text, isDone: true)
        } else {
            terminal.line("raised; start the services in any order")
        }
        return .success
    }

    private func show(_ text: RaiseText, isDone: Bool) {
        terminal.show(
            text.lines, json: text.json(isDryRun: command.isDryRun, isDone: isDone), command.asJSON)
    }

    /// A gateway or worker that runs has already taken its numbers from the tape.
    private func refuseWhileServicesRun(_ client: TapeClient) throws {
        let members = try GroupDirectory(client).members
        guard !members.isEmpty else { return }
        let names = Set(members.map { "\($0.heartbeat.member) (\($0.group))" }).sorted()
        let shown = names.prefix(8).joined(separator: ", ")
        throw ToolError.refused(
            "services run: \(shown)\(names.count > 8 ? ", …" : ""); stop all gateways, workers "
                + "and writers of the namespace \(client.names.namespace), and run it again")
    }

    private func onTape(
        _ client: TapeClient, _ input: TapeInput, _ source: SourceName, _ partition: Partition
    ) throws -> UInt64 {
        let names = client.names
        let last =
            switch input {
            case .ticks:
                try client.lastPacket(
                    stream: names.tickStream(of: partition),
                    subject: names.ticks(partition, source))
            case .bars:
                try client.lastPacket(stream: names.barStream, subject: names.output(partition))
            }
        return (last?.header.nextOrdinal ?? 1) - 1
    }

    // MARK: records and requests

    /// Whether an earlier run has raised all of it, and no gateway or worker has started since.
    private func raisedAlready(_ plan: RaisePlan, _ client: TapeClient) throws -> Bool {
        for (source, wanted) in plan.records {
            if try SourceRestore(client, of: source).isBelow(wanted) { return false }
        }
        let requests = plan.requests
        guard !requests.isEmpty else { return true }
        let bucket = try operatorBucket(client)
        for (share, wanted) in requests {
            guard let entry = try bucket.get(RebuildRequest.key(share)),
                let standing = try RebuildRequest(json: entry.value).stored,
                standing.joined(wanted) == standing.joined(standing)
            else { return false }
        }
        return true
    }

    private func raise(_ plan: RaisePlan, _ client: TapeClient) throws {
        let now = SystemClock().now()
        for (source, wanted) in plan.records {
            var restore = try SourceRestore(client, of: source)
            if let refusal = restore.refusal {
                throw ToolError.refused(
                    "the record of source \(source) cannot be read (\(refusal)): it may hold "
                        + "higher ordinals than the database. 'nats kv del "
                        + "\(client.names.sourceBucket) gateway.\(source).record' gives it up")
            }
            if let problem = try restore.raise(to: wanted, at: now) {
                throw ToolError.refused(
                    "the record of source \(source) was not written: \(problem); run it again")
            }
        }
        let requests = plan.requests
        guard !requests.isEmpty else { return }
        let bucket = try operatorBucket(client)
        for (share, stored) in requests {
            let key = RebuildRequest.key(share)
            let known = try bucket.get(key)
            // Another store may have more.
            let standing = try known.flatMap { try RebuildRequest(json: $0.value).stored }
            let request = RebuildRequest(
                requested: now, stored: standing?.joined(stored) ?? stored)
            let outcome = try bucket.put(key, request.json, after: known?.revision ?? 0)
            guard case .stored = outcome else {
                throw ToolError.refused(
                    "nobody knows whether \(key) was written: run it again")
            }
        }
    }

    private func operatorBucket(_ client: TapeClient) throws(TapeError) -> KeyValueBucket {
        try client.jetStream.openOrMakeBucket(client.names.operatorBucketConfiguration)
    }
}
