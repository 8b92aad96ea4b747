internal import Glibc
import Membership
import Primitives
import ServiceRuntime

/// `tapeline up`: starts a stack and its supervisor, and waits until everything works.
extension Stack {
    struct UpOptions: Equatable, Sendable {
        var settings = StackSettings()
        var withServices = true
        /// True to start a simulator of the provider as the source of ticks.
        var withSimulator = false
        /// True to add the source to those that the stack has.
        var addsSource = false
        /// The stores beside the usual one.
        var stores: [GroupName] = []
        /// Where the tables of those are that have no database on the stack's server.
        var urls: [GroupName: StoreURL] = [:]
        /// True for a start without a person: all settings of the last start stay, and nothing has
        /// to be reached that may be away at the start of a machine.
        var resumes = false

        /// Adds a store that is not there yet: its name, or `name=URL`.
        mutating func add(store word: String) throws(ToolError) {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            // PostgreSQL cuts a database's name after 63 bytes.
            guard let store = parts.first.flatMap({ GroupName($0) }), store.isStore,
                store != .store, StackPlan.database(of: store).utf8.count < 64
            else {
                throw .usage("--store is store-NAME of at most 60 bytes, not '\(word.prefix(80))'")
            }
            if !stores.contains(store) { stores.append(store) }
            if parts.count == 2, urls[store] == nil { urls[store] = try StoreURL(parts[1]) }
        }

        /// Adds a store of the start before. It keeps its kind.
        mutating func add(storeBefore word: String) throws(ToolError) {
            let given = urls
            try add(store: word)
            guard !word.contains("="),
                let store = given.keys.first(where: { $0.text == word })
            else { return }
            throw .usage(
                "\(store) has a database of PostgreSQL in this stack: give a store elsewhere another "
                    + "name")
        }
    }

    /// Space for the servers' own files and the first data.
    static let freeMegabytesMin = 256
    /// Longer than all limits of the supervision, so only a hanging supervisor reaches it.
    static let upTimeout: Duration = .seconds(600)
    private static let lookEvery: Duration = .milliseconds(30)
    /// How long to wait for services that are up but not ready.
    private static let settleTimeout: Duration = .seconds(5)
    private static let settleEvery: Duration = .milliseconds(200)
    /// How long an exchange may take to answer. With the end of the trial it is below 5 s.
    private static let feedTimeout: Duration = .milliseconds(3_800)

    func up(_ options: UpOptions, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        try checkout.requirePrograms(
            services: options.withServices, simulators: options.simulators)
        try options.check()
        try options.settings.check(isPackage: checkout.places.isPackage)
        return try locked { () throws(ToolError) in
            let isNew = !FileSystem.exists(home.path)
            try home.makeFolders()
            do throws(ToolError) {
                return try upLocked(options, shutdown)
            } catch {
                // What was refused leaves nothing behind.
                if isNew, try StackState.read(home) == nil {
                    try FileSystem.removeFolder(home.path)
                    try removeLocks()
                }
                throw error
            }
        }
    }

    private func upLocked(
        _ options: UpOptions, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let known = try StackState.read(home)
        guard let known, known.isSupervised else {
            return try start(options, after: known, shutdown)
        }
        var missing = options.arguments(missingFrom: known.arguments)
        if options.addsSource || !missing.isEmpty {
            let isNew = try sources(with: options).all.count > StackSources.read(home).all.count
            if isNew, options.addsSource { missing.append("--add-source") }
        }
        guard missing.isEmpty else { throw try refusal(missing, options) }
        terminal.line("the stack \(home.name) is already up")
        terminal.line()
        return try status(asJSON: false)
    }

    /// Returns why a stack that is up is not given these arguments. A bad graph is said at once,
    /// and not after the stack was stopped for it.
    private func refusal(_ missing: [String], _ options: UpOptions) throws(ToolError) -> ToolError {
        let up = "the stack \(home.name) is already up without \(missing.joined(separator: " "))"
        let key = "\(ProofGraph.graphKey)="
        guard missing.contains(where: { $0.hasPrefix(key) }) else {
            return .refused(
                "\(up): nothing was changed; run '\(home.command("down"))' first, then this again")
        }
        _ = try readGraph(of: options.settings, "nothing was changed")
        guard missing.count == 1, let path = options.settings[ProofGraph.graphKey], !path.isEmpty
        else {
            return .refused(
                "\(up): nothing was changed; run '\(home.command("down"))' first, then this again")
        }
        return .refused(
            "\(up): nothing was changed; '\(home.command("graph apply \(path)"))' gives its "
                + "workers that graph")
    }

    private func start(
        _ options: UpOptions, after known: StackState?, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let options = try following(known, options)
        let leftovers = Leftovers(home: home, state: known)
        if options.withServices {
            try requireSameGraph(options.settings, isStrict: !leftovers.isEmpty)
        }
        if !leftovers.isEmpty {
            terminal.line("the supervisor has died; what it left running is stopped first")
            try leftovers.stop { terminal.line("  \($0)") }
        }
        try requireReadableTape()
        let free = try FileSystem.freeMegabytes(at: home.path)
        guard free >= Stack.freeMegabytesMin else {
            throw .diskNearlyFull(
                path: home.path, freeMegabytes: free, neededMegabytes: Stack.freeMegabytesMin)
        }
        let sources = try sources(with: options)
        let further = sources.of(namespace: options.settings.namespace).dropFirst().map(\.name)
        var plan = try plan(
            options, sources,
            ports: StackPorts.open(home, gatewaysOf: further, writersOf: options.stores))
        if home.hasData { plan.graph = try keptCopy(for: options.settings) }
        // Sources of before have simulators, too.
        try checkout.requirePrograms(services: options.withServices, simulators: plan.simulators)
        if plan.sendsAlerts { try checkout.requireServers(checkout.alertPrograms) }
        try checkConfigurations(of: plan)
        // The gateway of a stack that has data goes on trying by itself.
        if !options.resumes || !home.hasData { try checkFeeds(of: plan) }
        try writeFiles(of: plan)
        try sources.write(home)
        if options.withServices { try keepGraph(of: options.settings, hasBars: home.hasData) }
        terminal.line("starting the stack \(home.name)")
        let begin = SystemClock().monotonic()
        // It was for a supervisor that has ended.
        try FileSystem.removeFile(home.change)
        let supervisor = try startSupervisor(options)
        guard let state = try follow(supervisor, shutdown) else {
            terminal.line("interrupted: what was started is stopped")
            try end(supervisor.identity)
            return .interrupted
        }
        let table = try settled(state, shutdown)
        let passed = SystemClock().monotonic().duration(since: begin)
        let outcome = table.works ? "is up" : "runs, and not everything in it works"
        terminal.line("the stack \(home.name) \(outcome) (\(passed.shown))")
        terminal.line()
        show(table)
        terminal.line()
        for line in plan.hints { terminal.line(line) }
        let path = try FileSystem.ownEnvironment()["PATH"] ?? ""
        if let hint = checkout.pathHint(path) { terminal.line(hint) }
        if !table.works {
            terminal.problem("\(table.verdict); everything runs, so that it can be mended")
        }
        return table.works ? .success : .failure
    }

    /// A tape of before the accounts is in none of them, so nobody would ever read it.
    private func requireReadableTape() throws(ToolError) {
        guard FileSystem.names(in: "\(home.natsStore)/jetstream/$G/streams").isEmpty else {
            throw .refused(
                "the stack \(home.name) has the tape of an earlier revision, which this one cannot "
                    + "read: run that one, or begin anew after '\(home.command("down")) --remove'")
        }
    }

    /// Reports what the services would refuse, in their own words, before anything is started.
    private func checkConfigurations(of plan: StackPlan) throws(ToolError) {
        // The cockpit looks whether it can be read.
        let people = plan.cockpitPeople(user: Requester.user)
        try FileSystem.write(Array(people.utf8), to: home.cockpitPeople)
        var problems: [String] = []
        var checked: Set<String> = []
        // The tool itself takes no settings but those of the servers.
        for unit in plan.units
        where unit.kind == .service
            && (unit.operationsPort != nil || unit.name == StackPlan.alertmanager)
        {
            // The workers have the same configuration. Each gateway has its own.
            let source = unit.environment["GATEWAY_SOURCE"] ?? ""
            let store = unit.environment["STORE_NAME"] ?? ""
            guard checked.insert("\(unit.executable) \(source) \(store)").inserted else { continue }
            let outcome = try ConfigurationCheck(unit, logPath: home.log("configuration")).outcome()
            problems += outcome.problems
            for warning in outcome.warnings { terminal.problem(warning) }
        }
        problems = ConfigurationCheck.joined(problems)
        guard !problems.isEmpty else { return }
        throw refusal(problems, "nothing was started")
    }

    /// The services whose answer `up` waits for: without internet nothing would come. Massive is
    /// not asked: it would cut another session of the account.
    private static let askedVenues = [SimulatedVenue.binance, .alpaca]

    /// Looks whether real services answer.
    private func checkFeeds(of plan: StackPlan) throws(ToolError) {
        for venue in Self.askedVenues {
            let real = plan.sources.filter { $0.provider == venue.rawValue && !$0.isSimulated }
                .map(\.name)
            let unit = plan.units.first {
                $0.executable == checkout.program(StackPlan.gateway)
                    && real.contains($0.environment["GATEWAY_SOURCE"] ?? "")
            }
            if let unit { try checkFeed(venue, unit) }
        }
    }

    private func checkFeed(_ venue: SimulatedVenue, _ unit: UnitPlan) throws(ToolError) {
        let probe = FeedProbe(
            program: unit.executable, provider: venue.rawValue, subject: "its instruments",
            ticks: 0, time: Self.feedTimeout, environment: unit.environment)
        let outcome = try probe.run(nil).outcome
        // A session of before that was cut off ends by itself. The gateway waits for that.
        if outcome.verdict == .occupied { return terminal.line(outcome.sentence) }
        guard outcome.verdict != .works else { return }
        throw .unreachable(
            "\(outcome.sentence); nothing was started. Without internet: "
                + "'\(home.command("up")) PROVIDER=\(venue.rawValue) --simulator'")
    }

    /// Waits until the services are settled. A service that was ready may find at its first read of
    /// the tape that it cannot continue. Others become ready, and their feeds deliver, after a
    /// moment. After an upgrade, workers may first read the whole tape.
    private func settled(
        _ state: StackState, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> StatusTable {
        var deadline = SystemClock().deadline(after: Stack.settleTimeout)
        let last = SystemClock().deadline(after: Stack.upTimeout)
        var isTold = false
        var table = try table(state)
        while !table.works, SystemClock().remaining(until: deadline) > .zero,
            !shutdown.wait(timeout: Stack.settleEvery)
        {
            table = try self.table(state)
            guard !table.works, makesBarsAnew(state) else { continue }
            if !isTold { terminal.line("workers make bars anew from the tape: waiting for them") }
            isTold = true
            deadline = min(last, SystemClock().deadline(after: Stack.settleTimeout))
        }
        return table
    }

    /// Returns the stack's sources together with the one that is asked for. Throws if the stack has
    /// ticks of others and that one is not to be added. A stack without services has no gateway.
    private func sources(with options: UpOptions) throws(ToolError) -> StackSources {
        var sources = home.hasData ? try StackSources.read(home) : StackSources()
        guard options.withServices else { return sources }
        let wanted = StackSource(options.settings, isSimulated: options.withSimulator)
        if home.hasData, sources.all.isEmpty, !options.addsSource {
            try StackSources.refuse(wanted, besideThoseOf: home)
        }
        do {
            try sources.take(wanted, adding: options.addsSource, to: home)
        } catch {
            // A provider that does not exist, or lacks a setting, is the nearer reason.
            try checkConfigurations(
                of: plan(
                    options, StackSources([wanted]),
                    ports: StackPorts.planned(home, writersOf: options.stores)))
            throw error
        }
        return sources
    }

    func plan(
        _ options: UpOptions, _ sources: StackSources, ports: StackPorts
    ) throws(ToolError) -> StackPlan {
        let present =
            options.withServices ? sources.of(namespace: options.settings.namespace) : []
        return StackPlan(
            checkout: checkout, home: home, ports: ports,
            secrets: try StackSecrets.open(home, stores: options.stores),
            settings: options.settings, sources: present, stores: options.stores,
            storeURLs: options.urls, withServices: options.withServices,
            simulators: SimulatedVenue.allCases.filter { venue in
                options.simulators.contains(venue)
                    || present.contains { $0.simulators.contains(venue) }
            }, authorities: try FileSystem.ownEnvironment()[StackPlan.authoritiesKey])
    }

    private func writeFiles(of plan: StackPlan) throws(ToolError) {
        try FileSystem.write(Array(plan.valkeyConfiguration.utf8), to: home.valkeyConfiguration)
        let users = plan.valkeyUsers(shipped: try shipped("valkey/users.conf"))
        try FileSystem.write(Array(users.utf8), to: home.valkeyUsers)
        let nats = try plan.natsConfiguration(shipped: shipped("nats/server.conf"))
        try FileSystem.write(Array(nats.utf8), to: home.natsConfiguration)
        if plan.sendsAlerts {
            for folder in [home.alertmanager, home.metrics] { try FileSystem.makeFolder(folder) }
            let prometheus = plan.prometheusConfiguration(of: plan.units)
            try FileSystem.write(Array(prometheus.utf8), to: home.prometheusConfiguration)
        }
        try FileSystem.write(Array(plan.passwordFile.utf8), to: home.passwordFile)
        try FileSystem.write(Array(plan.readerPasswordFile.utf8), to: home.readerPasswordFile)
        try FileSystem.write(Array(plan.reader.serviceFile.utf8), to: home.serviceFile)
    }

    private func shipped(_ name: String) throws(ToolError) -> String {
        let path = checkout.deploy(name)
        guard let bytes = try FileSystem.read(path) else {
            throw .damaged(path: path, problem: "it is not there")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func startSupervisor(_ options: UpOptions) throws(ToolError) -> ChildProcess {
        let log = LogFile(path: home.log("supervisor"))
        try log.keepBounded()
        let arguments = ["supervise", "--home", checkout.root, "--name", home.name]
        do {
            return try ChildProcess(
                executable: checkout.program("tapeline"),
                arguments: arguments + options.arguments,
                environment: FileSystem.ownEnvironment(), logPath: log.path)
        } catch let error as ServiceError {
            throw .runtime(error)
        } catch {
            throw ToolError(error) { .startFailed("\($0)", logs: home.logs) }
        }
    }

    /// Shows the progress until everything works. Returns `nil` if the person interrupted it.
    private func follow(
        _ supervisor: ChildProcess, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> StackState? {
        let clock = SystemClock()
        let deadline = clock.deadline(after: Stack.upTimeout)
        var progress = UpProgress()
        let log = LogFile(path: home.log("supervisor"))
        while clock.remaining(until: deadline) > .zero {
            let hasEnded = !supervisor.isRunning
            let state = try StackState.read(home)
            if let state, state.supervisor == supervisor.identity {
                for line in progress.lines(for: state) { terminal.line(line) }
                if state.phase == .running { return state }
                if hasEnded, let problem = state.problem {
                    throw .startFailed(problem, logs: home.logs)
                }
            }
            if hasEnded {
                let words = log.lastMessages() ?? "it says nothing"
                throw .startFailed("the supervisor ended: \(words)", logs: home.logs)
            }
            if shutdown.wait(timeout: Stack.lookEvery) { return nil }
        }
        try end(supervisor.identity)
        throw .startFailed("it took longer than \(Stack.upTimeout.shown)", logs: home.logs)
    }
}

extension Stack.UpOptions {
    /// The simulators that are asked for.
    var simulators: [SimulatedVenue] {
        guard withSimulator else { return [] }
        return SimulatedVenue.all(of: StackSource(settings, isSimulated: true).provider)
    }

    /// The options as the supervisor's arguments and as stored in the stack's state.
    var arguments: [String] {
        (withServices ? [] : ["--servers-only"]) + (withSimulator ? ["--simulator"] : [])
            + stores.flatMap { store in
                ["--store", urls[store].map { "\(store)=\($0)" } ?? store.text]
            } + settings.arguments
    }

    /// Returns the present arguments that a stack started with `known` lacks. Additional arguments
    /// of the stack are accepted.
    func arguments(missingFrom known: [String]) -> [String] {
        arguments.filter { !["--set", "--store"].contains($0) && !known.contains($0) }
    }

    /// Refuses contradicting options. Otherwise they would only show as ticks that do not come.
    func check() throws(ToolError) {
        guard !addsSource || withServices else {
            throw .usage("--add-source starts a gateway, and --servers-only starts none")
        }
        let simulated = settings.values.first { $0.key.hasPrefix("SIMULATOR_") }
        if !withSimulator, let key = simulated?.key {
            throw .usage("\(key) is for a stack with --simulator")
        }
        if withSimulator, simulators.isEmpty {
            let known = SimulatedVenue.allCases.map(\.rawValue).joined(separator: " or ")
            throw .usage("with --simulator the provider is \(known)")
        }
    }
}

/// Turns the states of a starting stack into one line per event.
struct UpProgress {
    private var told: [String: String] = [:]

    mutating func lines(for state: StackState) -> [String] {
        state.units.compactMap { unit in
            let isNew = ["works", "done", "restarting", "gave up"].contains(unit.state)
            guard isNew, told[unit.name] != unit.state else { return nil }
            told[unit.name] = unit.state
            // Whether it can go on shows at its first read of the tape, after its first answer.
            let isService = unit.kind == .service && unit.state == "works"
            let shown = isService ? "runs" : unit.state
            let time = unit.startNanoseconds.map { Duration.nanoseconds($0).shown } ?? ""
            let what = unit.detail.isEmpty ? time : unit.detail
            return "  \(unit.name.padded(to: 18)) \(shown.padded(to: 11)) \(what)"
        }
    }
}

extension StackPlan {
    /// The commands that a person may use next.
    var hints: [String] {
        (withServices ? Self.lookHints(cockpitAddress, home) : [])
            + [
                "read:  \(reader.url(withPassword: false))",
                "psql:  \(home.command("psql"))",
                "hear:  \(consumer.url(withPassword: false)), password in \(consumer.passwordFile)",
                "logs:  \(home.logs)",
                "stop:  \(stopCommand)",
            ]
    }

    /// Where to look at the stack and to act on it, in a browser.
    static func lookHints(_ address: String, _ home: StackHome) -> [String] {
        let token = home.secret(StackSecrets.Name.cockpitToken.rawValue)
        return ["look:  \(address)", "act:   there, with the token in \(token)"]
    }

    /// The access of people and their programs to the tables.
    var reader: ReaderAccess {
        ReaderAccess(
            port: ports[.postgres], namespace: settings.namespace, home: home,
            password: secrets[.postgresReader])
    }

    /// Their access to what is published, and to the tape.
    private var consumer: ConsumerAccess {
        ConsumerAccess(
            port: ports[.nats], passwordFile: home.secret(StackSecrets.Name.natsConsumer.rawValue),
            password: secrets[.natsConsumer])
    }

    private var stopCommand: String {
        home.name == StackHome.defaultName
            ? checkout.told("make down", "tapeline down")
            : "\(checkout.told(checkout.program("tapeline"), "tapeline")) down --name \(home.name)"
    }
}

extension Checkout {
    /// How to call the tool by its name; `nil` if this PATH has a tool.
    func pathHint(_ path: String) -> String? {
        let isKnown = path.split(separator: ":").contains {
            FileSystem.isExecutable("\($0)/tapeline")
        }
        let folder = FileSystem.folder(of: command)
        return isKnown ? nil : "tool:  export PATH=\"$PATH:\(folder)\""
    }
}

extension FileSystem {
    /// The environment that this process was started with.
    static func ownEnvironment() throws(ToolError) -> [String: String] {
        let entries = try read("/proc/self/environ")?.split(separator: 0) ?? []
        var environment: [String: String] = [:]
        for entry in entries {
            let text = String(decoding: entry, as: UTF8.self)
            guard let equals = text.firstIndex(of: "=") else { continue }
            environment[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return environment
    }
}
