public import Telemetry

/// What the frame hands to the body of a service.
public struct ServiceContext: Sendable {
    public let configuration: Configuration
    public let telemetry: TelemetryHub
    public let readiness: Readiness
    /// Of a subcommand it has no port: what is added to it is shown nowhere.
    public let operations: OperationsServer
    public let shutdown: ShutdownSignal
    public let clock: SystemClock
}
