extension ServiceEvent {
    /// The configuration is right and the operations port is open; the body starts.
    static func serviceStarted(
        _ description: ServiceDescription, _ context: ServiceContext, process: Int32
    ) -> Self {
        let operations = context.operations
        let place =
            operations.port == 0 ? "" : ", operations on \(operations.address):\(operations.port)"
        let fields = [
            ("service.version", LogValue(description.version)),
            ("service.revision", LogValue(description.revision)),
            ("process.id", LogValue(process)),
            ("ops.address", LogValue(operations.address)),
            ("ops.port", LogValue(operations.port)),
        ]
        return Self(
            .info, "service.started",
            "\(description.name) \(description.version) starts\(place)",
            fields: fields + context.configuration.logFields)
    }

    /// The end was requested, or the body has returned.
    static func serviceStopping(reason: String) -> Self {
        Self(.info, "service.stopping", "stops: \(reason)", ("stop.reason", LogValue(reason)))
    }

    /// The last line of a run that ends in order.
    static func serviceStopped(code: ExitCode) -> Self {
        Self(
            .info, "service.stopped", "stopped: \(code.meaning)",
            ("exit.code", LogValue(code.rawValue)))
    }

    /// The longest text of an error, in bytes; a longer one is cut.
    private static let errorBytesMax = 2_000

    /// The body threw an error, or the operations port did not open.
    static func serviceFailed(_ error: any Error, code: ExitCode) -> Self {
        Self(
            .error, "service.failed", shortened("\(error)", toBytes: errorBytesMax),
            ("exit.code", LogValue(code.rawValue)))
    }

    /// The parts did not stop in time; the process ends without them.
    static func serviceStuck(limit: Duration, code: ExitCode) -> Self {
        Self(
            .error, "service.stuck",
            "did not stop within \(limit): ends without waiting any longer",
            ("exit.code", LogValue(code.rawValue)))
    }

    /// The files of a port's certificate have another content, which cannot be used.
    package static func certificateKept(path: String) -> Self {
        Self(
            .warning, "service.certificate.kept",
            "the certificate of before is used on, and the files are tried again: they are no "
                + "certificate and its key, or do not belong together, or the process has no "
                + "descriptors left", ("file", LogValue(path)))
    }

    static func configurationDoubtful(message: String) -> Self {
        Self(.warning, "service.configuration.doubtful", message)
    }
}
