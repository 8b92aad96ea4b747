public import Telemetry

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
}
