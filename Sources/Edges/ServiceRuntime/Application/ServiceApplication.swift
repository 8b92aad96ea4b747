internal import Glibc

/// The frame of every service: configuration, log, metrics, signals, operations port, the body on
/// the main thread, and an orderly end.
package enum ServiceApplication {
    /// The longest time from the request to stop to the end of the process. Threads that need
    /// longer are abandoned.
    package static let stopTimeMax = Duration.seconds(10)

    /// Runs `body` and ends the process with the code that it returns. `body` must return soon
    /// after `context.shutdown` was requested, with everything that it started stopped. An error
    /// that it throws becomes one log line and `ExitCode.failure`.
    ///
    /// Call it first of all on the main thread: other threads would receive signals.
    package static func run(
        _ description: ServiceDescription, stopTimeMax: Duration = ServiceApplication.stopTimeMax,
        hungTimeMax: Duration = ThreadWatch.hungTimeMax,
        _ body: (ServiceContext) throws -> ExitCode
    ) -> Never {
        CoreDumps.forbid()
        let decision = ServiceCommandLine(description).decide(
            arguments: Array(CommandLine.arguments.dropFirst()),
            environment: ConfigurationFiles.environment())
        switch decision {
        case .print(let text): exit((write(text, to: 1) ? ExitCode.success : .ioError).rawValue)
        case .refuse(let problems):
            _ = write(problems, to: 2)
            exit(ExitCode.usage.rawValue)
        case .ask(let probe):
            let (text, code) = probe.ask()
            exit((write(text, to: 1) ? code : .ioError).rawValue)
        case .run(let configuration):
            CoreDumps.settle(isAllowed: configuration.flag("OPS_CORE_DUMPS"))
            ServiceRun(
                description, configuration, stopTimeMax: stopTimeMax, hungTimeMax: hungTimeMax
            ).run(body)
        }
    }

    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }
}
