import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ReplayProvider
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Carries out `tapeline load`: says what the load takes, and runs a gateway that ends when the
/// range is on the tape.
struct LoadRun {
    /// How long the provider may take for a plan, and for each symbol of it.
    private static let planTimeout = Duration.seconds(60)
    private static let planTimeoutEach = Duration.seconds(5)
    private static let statementTimeout = Duration.seconds(10)
    /// The settings of the deployment's gateways that hold for this one, too: it may have to purge
    /// the tape for all of them.
    private static let sharedKeys: Set = [
        "GATEWAY_KEEP", "GATEWAY_LAG_MAX", "GATEWAY_TICKS_PER_SECOND", "MDS_LEASE",
        "NATS_MONITOR_URL", "LLVM_PROFILE_FILE",
    ]
    /// Of a deployment that is no local stack: the user that writes ticks, and the gateway's keys
    /// for it. The tool's own user may not write them.
    private static let writerKeys = [
        "LOAD_NATS_USER": "NATS_USER", "LOAD_NATS_PASSWORD": "NATS_PASSWORD",
        "LOAD_NATS_PASSWORD_FILE": "NATS_PASSWORD_FILE",
    ]

    let command: LoadCommand
    let terminal: Terminal
    /// The path of the gateway's program.
    let program: String
    /// The tool's own environment.
    let environment: [String: String]
    var clock = SystemClock()

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let gateway = ToolGateway(
            deployment, named: "load-\(command.source)", environment: environment)
        let settings = try settings(deployment, gateway)
        let usual = try deployment.feedSettings().merging(environment) { own, _ in own }
        let instruments = try LoadInstruments(
            command, usual: LoadInstruments.files(usual["GATEWAY_INSTRUMENTS"])
        ).find()
        guard !command.prints else { return printed(settings, instruments.list, deployment) }
        try Checkout.require(program)
        let journal = LoadJournal(
            deployment: deployment, source: command.source,
            wanted: LoadRange(
                command.symbols, (command.from, command.to), bars: command.bars,
                by: Requester.name(bytesMax: LoadRange.requesterBytesMax), at: clock.now()))
        var isResumed = false
        switch try journal.decision() {
        case .refused(let reason): throw .refused(reason)
        // What was agreed to once is not asked again.
        case .resume:
            isResumed = true
            say("source \(command.source) goes on with \(command.subject)")
        case .begin:
            for note in instruments.notes { terminal.problem(note) }
            let plan = try plan(settings, instruments.list, shutdown)
            guard !shutdown.isRequested else {
                terminal.problem("interrupted; nothing was loaded")
                return .temporary
            }
            guard try isAgreed(plan, deployment) else { return .failure }
            try journal.begin()
        }
        switch try load(gateway, settings, instruments.list, shutdown) {
        case .interrupted(let records): return interrupted(records)
        case .done(let progress):
            // A run that is killed before the note is repeated, and then retires once more.
            let problem = retire(deployment, shutdown)
            try journal.finish(at: clock.now())
            report(progress, deployment.names.namespace, isResumed: isResumed)
            if let problem {
                terminal.problem(
                    "'tapeline source retire \(command.source)' has to be run, so that nothing "
                        + "waits for the source: \(problem)")
            }
            return .success
        }
    }

    private func say(_ text: String) {
        if !command.asJSON { terminal.line(text) }
    }

    // MARK: settings

    /// Returns the gateway's settings without its list: those of the provider as the deployment's
    /// gateways have them, the servers, and the load.
    private func settings(
        _ deployment: Deployment, _ gateway: ToolGateway
    ) throws(ToolError) -> [String: String] {
        let prefix = "\(command.provider.uppercased())_"
        var settings = environment.merging(try deployment.feedSettings()) { $1 }
            .filter { $0.key.hasPrefix(prefix) || Self.sharedKeys.contains($0.key) }
            .merging(gateway.server) { $1 }
            .merging(command.environment) { $1 }
        if hasWriter(deployment) {
            for (own, key) in Self.writerKeys { settings[key] = environment[own] }
        }
        settings["MDS_NAMESPACE"] = deployment.names.namespace
        settings["MDS_PARTITIONS"] = "\(deployment.names.partitions)"
        settings["MDS_STREAM_BYTES"] = try streamBytes(deployment)
        return settings
    }

    /// Whether the environment names another user for the gateway than for the tool.
    private func hasWriter(_ deployment: Deployment) -> Bool {
        deployment.home == nil && environment["LOAD_NATS_USER"]?.isEmpty == false
    }

    /// The size of the streams as they are. `nil` if there are none.
    private func streamBytes(_ deployment: Deployment) throws(ToolError) -> String? {
        do {
            return try TapeRoom.find(
                deployment.nats, namespace: deployment.names.namespace,
                telemetry: RecordedSource.telemetry
            ).map { "\($0.bytesMax)" }
        } catch {
            throw ToolError(reading: error)
        }
    }

    private func printed(
        _ settings: [String: String], _ list: String, _ deployment: Deployment
    ) -> ExitCode {
        var settings = settings
        let path = "\(command.source).yaml"
        settings["GATEWAY_INSTRUMENTS"] = path
        terminal.line("printf %s \(ToolGateway.quoted(list)) > \(path)")
        let variables =
            hasWriter(deployment)
            ? Dictionary(Self.writerKeys.map { ($0.value, $0.key) }) { $1 } : [:]
        for line in ToolGateway.printed(settings, program, variables: variables) {
            terminal.line(line)
        }
        return .success
    }

    // MARK: before

    private func plan(
        _ settings: [String: String], _ list: String, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> LoadPlan {
        let timeout = Self.planTimeout + Self.planTimeoutEach * command.symbols.count
        let answer = try GatewayQuestion(
            program: program, word: "plan", environment: settings, list: list,
            timeout: timeout
        ) { line in
            guard let wait = LoadPlan.wait(line) else { return LoadPlan.pace(line) ?? .zero }
            terminal.problem("\(command.provider) does not answer yet: \(wait.why)")
            return wait.time
        }.ask(shutdown)
        let plan = LoadPlan(log: answer.log)
        guard !shutdown.isRequested else { return plan }
        guard let ended = answer.exitStatus else {
            throw .unreachable(
                "\(command.provider) did not say in \(timeout.shown) what a load takes: try again")
        }
        if let problem = plan.problem ?? (ended.isSuccess ? nil : "the gateway ended (\(ended))") {
            for line in plan.problems(besides: problem) { terminal.problem(line) }
            throw .refused("\(command.subject) cannot be loaded: \(problem)")
        }
        guard !plan.isEmpty else {
            throw .refused("\(command.provider) has no \(command.what) of \(command.subject)")
        }
        return plan
    }

    private func isAgreed(
        _ plan: LoadPlan, _ deployment: Deployment
    ) throws(ToolError) -> Bool {
        for line in plan.lines(of: command) { say(line) }
        if let warning = retentionWarning(deployment) { terminal.problem(warning) }
        return try Confirmation.ask(
            "Load it as source \(command.source)?", isGiven: command.isConfirmed, terminal,
            refused: "nothing was loaded")
    }

    /// What the database will remove again of the range. A database that cannot be asked does not
    /// hinder the load.
    private func retentionWarning(_ deployment: Deployment) -> String? {
        guard deployment.postgres != nil else { return nil }
        do {
            let database = try deployment.openDatabase()
            defer { database.close() }
            let found = try database.execute(
                """
                SELECT extract(epoch FROM least_kept)::bigint FROM retention_least
                WHERE table_name = '\(command.bars.isEmpty ? "trades" : "provider_bars")'
                """, timeout: Self.statementTimeout)
            guard found.rowCount > 0, let kept = found.integer(0, 0) else { return nil }
            return LoadPlan.warning(
                command.what, keptSeconds: kept, from: command.from, now: clock.now())
        } catch {
            return "how long the database keeps rows is not known: \(error)"
        }
    }

    // MARK: while it runs

    private func load(
        _ gateway: ToolGateway, _ given: [String: String], _ list: String,
        _ shutdown: ShutdownSignal
    ) throws(ToolError) -> GatewayRun.End {
        let run = GatewayRun(
            terminal: terminal, program: program, provider: command.kind, title: "load",
            adviceWhenFull: "it goes on when the readers have taken what is there",
            asJSON: command.asJSON, writerKeys: "LOAD_NATS_USER and LOAD_NATS_PASSWORD")
        return try FileSystem.withTemporaryFolder("load", environment) { folder throws(ToolError) in
            var settings = given
            let path = "\(folder)/instruments.yaml"
            try FileSystem.write(Array(list.utf8), to: path)
            settings["GATEWAY_INSTRUMENTS"] = path
            return try run.run(gateway, settings, shutdown)
        }
    }

    // MARK: after

    private func interrupted(_ records: UInt64) -> ExitCode {
        terminal.problem(
            "interrupted at \(records) \(command.what); the same command goes on where it was, "
                + "with \(command.times)")
        return .temporary
    }

    private func report(_ progress: GatewayProgress, _ namespace: String, isResumed: Bool) {
        guard !command.asJSON else { return terminal.line(json(progress, namespace, isResumed)) }
        let count = isResumed ? "the last \(progress.records)" : "\(progress.records)"
        terminal.line(
            "\(count) \(command.what) of \(command.subject) are on the tape of \(namespace) "
                + "as source \(command.source)")
    }

    /// Ends the source, because nothing is to wait for its next tick. Returns why it did not; `nil`
    /// if it did.
    private func retire(_ deployment: Deployment, _ shutdown: ShutdownSignal) -> ToolError? {
        let run = SourceRun(
            command: SourceCommand(verb: .retire(command.source), target: command.target),
            terminal: terminal)
        do throws(ToolError) {
            _ = try run.retire(command.source, deployment, shutdown: shutdown)
            return nil
        } catch {
            return error
        }
    }

    private func json(
        _ progress: GatewayProgress, _ namespace: String, _ isResumed: Bool
    ) -> String {
        JSONWriter.made { json in
            json.member("namespace", namespace)
            json.member("source", command.source.text)
            json.member("provider", command.provider)
            json.member("symbols", values: command.symbols.map(\.text))
            json.member("from", "\(command.from)")
            json.member("to", "\(command.to)")
            json.member(command.bars.isEmpty ? "trades" : "bars", progress.records)
            if !command.bars.isEmpty { json.member("length", command.bars) }
            json.member("resumed", isResumed)
            json.member("state", LoadRange.State.done.rawValue)
        }.text
    }
}
