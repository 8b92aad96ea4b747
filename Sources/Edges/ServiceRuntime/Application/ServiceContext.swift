internal import Synchronization

/// What the frame hands to the body of a service.
public struct ServiceContext: Sendable {
    /// Which service this is.
    public let service: ServiceDescription
    public let configuration: Configuration
    public let telemetry: TelemetryHub
    public let readiness: Readiness
    /// Of a subcommand it has no port: what is added to it is shown nowhere.
    public let operations: OperationsServer
    public let shutdown: ShutdownSignal
    public let clock: SystemClock
    private let leftBehind = ThreadsLeftBehind()

    /// The frame makes one per process; a test makes as many as it runs services.
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

    /// Where the service's threads give their signs of life.
    public var threads: ThreadWatch { readiness.threads }

    /// To be said when the body returns although a thread of its is still at something that cannot
    /// be waited for. The process then ends without what libraries clear up at an end: OpenSSL
    /// would free what that thread is using.
    public func leaveThreadBehind() { leftBehind.exist.store(true, ordering: .relaxed) }

    var hasLeftThreadBehind: Bool { leftBehind.exist.load(ordering: .relaxed) }
}

private final class ThreadsLeftBehind: Sendable {
    let exist = Atomic(false)
}
