internal import Synchronization

/// The objects that the frame gives to the body of a service.
public struct ServiceContext: Sendable {
    /// The description of the service.
    public let service: ServiceDescription
    public let configuration: Configuration
    public let telemetry: TelemetryHub
    public let readiness: Readiness
    /// In a subcommand it has no port, so that what is added to it is shown nowhere.
    public let operations: OperationsServer
    public let shutdown: ShutdownSignal
    public let clock: SystemClock
    private let leftBehind = ThreadsLeftBehind()

    /// The frame makes one per process; a test makes one for each service that it runs.
    public init(
        service: ServiceDescription, configuration: Configuration, telemetry: TelemetryHub,
        readiness: Readiness, operations: OperationsServer, shutdown: ShutdownSignal,
        clock: SystemClock = SystemClock()
    ) {
        self.service = service
        self.configuration = configuration
        self.telemetry = telemetry
        self.readiness = readiness
        self.operations = operations
        self.shutdown = shutdown
        self.clock = clock
    }

    /// The watch to which the service's threads send their beats.
    public var threads: ThreadWatch { readiness.threads }

    /// Call this when the body returns although one of its threads is still in a call that cannot
    /// be awaited. The process then ends without the libraries' clean-up: OpenSSL would free what
    /// that thread is using.
    public func leaveThreadBehind() { leftBehind.exist.store(true, ordering: .relaxed) }

    var hasLeftThreadBehind: Bool { leftBehind.exist.load(ordering: .relaxed) }
}

private final class ThreadsLeftBehind: Sendable {
    let exist = Atomic(false)
}
