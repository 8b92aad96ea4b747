internal import Synchronization

/// The objects that the frame gives to the body of a service.
package struct ServiceContext: Sendable {
    /// The description of the service.
    package let service: ServiceDescription
    package let configuration: Configuration
    package let telemetry: TelemetryHub
    package let readiness: Readiness
    /// In a subcommand it has no port, so that what is added to it is shown nowhere.
    package let operations: OperationsServer
    package let shutdown: ShutdownSignal
    package let clock: SystemClock
    private let leftBehind = ThreadsLeftBehind()

    /// The frame makes one per process; a test makes one for each service that it runs.
    package init(
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
    package var threads: ThreadWatch { readiness.threads }

    /// Call this when the body returns although one of its threads is still in a call that cannot
    /// be awaited. The process then ends without the libraries' clean-up: OpenSSL would free what
    /// that thread is using.
    package func leaveThreadBehind() { leftBehind.exist.store(true, ordering: .relaxed) }

    var hasLeftThreadBehind: Bool { leftBehind.exist.load(ordering: .relaxed) }
}

private final class ThreadsLeftBehind: Sendable {
    let exist = Atomic(false)
}
