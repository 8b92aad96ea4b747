/// The configuration is right and the operations port is open; the body starts.
struct ServiceStarted: TelemetryEvent {
    static let name = "service.started"
    let level = LogLevel.info
    let message: String
    let fields: [(String, LogValue)]

    init(_ description: ServiceDescription, _ context: ServiceContext, process: Int32) {
        let operations = context.operations
        let place =
            operations.port == 0 ? "" : ", operations on \(operations.address):\(operations.port)"
        message = "\(description.name) \(description.version) starts\(place)"
        fields =
            [
                ("service.version", LogValue(description.version)),
                ("service.revision", LogValue(description.revision)),
                ("process.id", LogValue(process)),
                ("ops.address", LogValue(operations.address)),
                ("ops.port", LogValue(operations.port)),
            ] + context.configuration.logFields
    }
}

/// The end was requested, or the body has returned.
struct ServiceStopping: TelemetryEvent {
    static let name = "service.stopping"
    let level = LogLevel.info
    let reason: String

    var message: String { "stops: \(reason)" }
    var fields: [(String, LogValue)] { [("stop.reason", LogValue(reason))] }
}

/// The last line of a run that ends in order.
struct ServiceStopped: TelemetryEvent {
    static let name = "service.stopped"
    let level = LogLevel.info
    let code: ExitCode

    var message: String { "stopped: \(code.meaning)" }
    var fields: [(String, LogValue)] { [("exit.code", LogValue(code.rawValue))] }
}

/// The body threw an error, or the operations port did not open.
struct ServiceFailed: TelemetryEvent {
    static let name = "service.failed"
    /// The longest text of an error, in bytes; a longer one is cut.
    static let textBytesMax = 2_000

    let level = LogLevel.error
    let message: String
    let code: ExitCode

    init(_ error: any Error, code: ExitCode) {
        message = shortened("\(error)", toBytes: ServiceFailed.textBytesMax)
        self.code = code
    }

    var fields: [(String, LogValue)] { [("exit.code", LogValue(code.rawValue))] }
}

/// The parts did not stop in time; the process ends without them.
struct ServiceStuck: TelemetryEvent {
    static let name = "service.stuck"
    let level = LogLevel.error
    let limit: Duration
    let code: ExitCode

    var message: String { "did not stop within \(limit): ends without waiting any longer" }
    var fields: [(String, LogValue)] { [("exit.code", LogValue(code.rawValue))] }
}

struct ConfigurationDoubtful: TelemetryEvent {
    static let name = "service.configuration.doubtful"
    let level = LogLevel.warning
    let message: String
}
