internal import Glibc

/// One run of a service whose configuration is right.
struct ServiceRun {
    private let description: ServiceDescription
    private let configuration: Configuration
    private let stopTimeMax: Duration
    private let telemetry: TelemetryHub
    private let readiness: Readiness
    private let notice: StopNotice

    init(
        _ description: ServiceDescription, _ configuration: Configuration, stopTimeMax: Duration,
        hungTimeMax: Duration
    ) {
        readiness = Readiness(threads: ThreadWatch(hungTimeMax: hungTimeMax))
        self.description = description
        self.configuration = configuration
        self.stopTimeMax = stopTimeMax
        let level = LogLevel(named: configuration.text("LOG_LEVEL")) ?? .info
        let format = LogFormat(
            named: configuration.text("LOG_FORMAT"), isTerminal: isatty(2) == 1)
        let logger = Logger(service: description.name, level: level, format: format ?? .json)
        telemetry = TelemetryHub(logger: logger, metrics: MetricRegistry())
        notice = StopNotice(telemetry, readiness)
    }

    func run(_ body: (ServiceContext) throws -> ExitCode) -> Never {
        let code: ExitCode
        let hasLeftThreadBehind: Bool
        do {
            let shutdown = try ShutdownSignal.install()
            try startWatchdog(shutdown)
            let context = try start(shutdown)
            code = try body(context)
            shutdown.request("its work is done")
            // The body may be faster than the thread of the signals.
            notice.give(shutdown)
            context.operations.stop()
            hasLeftThreadBehind = context.hasLeftThreadBehind
        } catch {
            // Threads of the body may still run, and `exit` would destroy what they use.
            let code = ServiceRun.code(for: error)
            telemetry.emit(.serviceFailed(error, code: code))
            telemetry.logger.flush()
            _exit(code.rawValue)
        }
        telemetry.emit(.serviceStopped(code: code))
        telemetry.logger.flush()
        if hasLeftThreadBehind { _exit(code.rawValue) }
        exit(code.rawValue)
    }

    private func start(_ shutdown: ShutdownSignal) throws -> ServiceContext {
        let metrics = telemetry.metrics
        metrics.addProcessMetrics()
        metrics.addBuildInformation(
            service: description.name, version: description.version,
            revision: description.revision)
        metrics.addLogMetrics(of: telemetry.logger)
        metrics.addCertificates(of: configuration)
        readiness.threads.show(in: metrics)
        readiness.expectFirstReport()
        let context = ServiceContext(
            service: description, configuration: configuration, telemetry: telemetry,
            readiness: readiness,
            operations: try operations(), shutdown: shutdown, clock: SystemClock())
        for warning in configuration.warnings {
            telemetry.emit(.configurationDoubtful(message: warning))
        }
        telemetry.emit(.serviceStarted(description, context, process: getpid()))
        shutdown.onRequest { [notice] in notice.give(shutdown) }
        context.operations.addStatusSection("threads") { [threads = readiness.threads] in
            threads.write(into: &$0)
        }
        try ThreadWatchLoop(watch: readiness.threads, shutdown: shutdown, telemetry: telemetry)
            .start()
        return context
    }

    /// Returns the operations server. A subcommand runs beside the service, which has the port
    /// already, so it gets one without a port.
    private func operations() throws -> OperationsServer {
        let identity = ServiceIdentity(
            name: description.name, version: description.version, revision: description.revision)
        if configuration.subcommand != nil {
            return OperationsServer(withoutPort: identity, readiness: readiness)
        }
        let metrics = telemetry.metrics
        let server = try OperationsServer(
            address: configuration.text("OPS_ADDRESS"),
            port: UInt16(clamping: configuration.integer("OPS_PORT")), identity: identity,
            readiness: readiness, metrics: { metrics.render($0) }, certificate: try certificate())
        // The registry must not hold the server, because the server's own page holds the registry.
        metrics.countReading(
            "mds_operations_connections_total", "a connection to the operations port"
        ) { [weak server] in server.map { Double($0.acceptedConnections) } }
        metrics.countReading(
            "mds_operations_connections_cut_total",
            "a connection to the operations port that a limit or deadline ended",
            "often: a client reads too slowly, or attacks"
        ) { [weak server] in server.map { Double($0.cutConnections) } }
        metrics.watchQueue(
            "operations", capacity: { OperationsLimits().connectionsMax },
            depth: { [weak server] in server?.openConnections })
        return server
    }

    /// The one of the operations port, with its successors.
    private func certificate() throws(SettingsError) -> WebCertificate? {
        guard let made = try WebCertificate.ofOperations(configuration) else { return nil }
        let path = configuration.text(ConfigurationKey.operationsCertificate)
        let key = configuration.text(ConfigurationKey.operationsKey)
        return made.following(path, key: key) { [telemetry] in
            telemetry.emit(.certificateKept(path: path))
        }
    }

    private static func code(for error: any Error) -> ExitCode {
        switch error {
        case ServiceError.badAddress: .usage
        default: .failure
        }
    }

    /// Starts a thread that ends the process when it does not end in time after the request to
    /// stop.
    private func startWatchdog(_ shutdown: ShutdownSignal) throws(ServiceError) {
        _ = try ServiceThread(name: "watchdog") { [telemetry, stopTimeMax] in
            while !shutdown.wait(timeout: .seconds(3_600)) {}
            let deadline = SystemClock().deadline(after: stopTimeMax)
            // Nothing wakes this wait: normally the process ends first.
            ConditionLock(()).wait(until: deadline, while: { true }, then: { _, _ in })
            let code = ExitCode.failure
            telemetry.emit(.serviceStuck(limit: stopTimeMax, code: code))
            telemetry.logger.flush()
            _exit(code.rawValue)
        }
    }
}

/// Reports once that the service stops. A second caller waits until it is reported.
private final class StopNotice: Sendable {
    private let telemetry: TelemetryHub
    private let readiness: Readiness
    private let isGiven = ConditionLock(false)

    init(_ telemetry: TelemetryHub, _ readiness: Readiness) {
        self.telemetry = telemetry
        self.readiness = readiness
    }

    func give(_ shutdown: ShutdownSignal) {
        isGiven.withLock { isGiven in
            if isGiven { return }
            isGiven = true
            let reason = shutdown.reason ?? "request"
            readiness.set("service", "stops: \(reason)")
            telemetry.emit(.serviceStopping(reason: reason))
        }
    }
}
