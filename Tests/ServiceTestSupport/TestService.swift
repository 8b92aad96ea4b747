package import ServiceRuntime
import Synchronization
package import TestSupport

/// The frame of a service without the process around it: a configuration that its own description
/// has accepted, a log that is kept, no port and no signals.
package struct TestService: Sendable {
    package let context: ServiceContext
    package let log = CapturedLog()

    package init(
        _ description: ServiceDescription, _ environment: [String: String],
        arguments: [String] = []
    ) throws {
        let configuration = try Self.configuration(description, environment, arguments)
        let logger = Logger(
            service: description.name, level: .debug, format: .json, sink: log.sink)
        let readiness = Readiness()
        context = ServiceContext(
            service: description, configuration: configuration,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: readiness,
            operations: OperationsServer(
                withoutPort: ServiceIdentity(
                    name: description.name, version: description.version),
                readiness: readiness),
            shutdown: ShutdownSignal())
    }

    /// Returns the configuration that the service would run with. Throws if the service would
    /// refuse it.
    package static func configuration(
        _ description: ServiceDescription, _ environment: [String: String],
        _ arguments: [String] = []
    ) throws -> Configuration {
        let decision = ServiceCommandLine(description).decide(
            arguments: arguments, environment: environment)
        switch decision {
        case .run(let configuration): return configuration
        case .print(let text), .refuse(let text): throw ServiceRefused(description: text)
        case .ask(let probe): throw ServiceRefused(description: "nobody asked for \(probe)")
        }
    }

    /// Returns the problems that it would print, without the service's name and the last line.
    package static func problems(
        _ description: ServiceDescription, _ environment: [String: String]
    ) -> [String] {
        let decision = ServiceCommandLine(description).decide(
            arguments: [], environment: environment)
        guard case .refuse(let text) = decision else { return [] }
        return text.split(separator: "\n").dropLast()
            .map { String($0.dropFirst(description.name.count + 2)) }
    }

    /// Returns the value of a metric, without labels or with these: `name{a="b"}`.
    package func metric(_ name: String) -> Double? {
        let page = String(decoding: context.telemetry.metrics.render(), as: UTF8.self)
        for line in page.split(separator: "\n") where line.hasPrefix("\(name) ") {
            return Double(line.dropFirst(name.count + 1))
        }
        return nil
    }

    /// Runs the body on a separate thread, as the frame runs it on the main thread.
    package func start(
        _ body: @escaping @Sendable (ServiceContext) throws -> ExitCode
    ) throws -> RunningService {
        try RunningService(self, body)
    }
}

/// A service that runs on a thread of the test. It is asked to stop when the value is released.
package final class RunningService: Sendable {
    package let service: TestService
    private let outcome: Outcome
    private let thread: Mutex<ServiceThread?>

    private final class Outcome: Sendable {
        let value = Mutex<Result<ExitCode, any Error>?>(nil)
    }

    init(
        _ service: TestService,
        _ body: @escaping @Sendable (ServiceContext) throws -> ExitCode
    ) throws {
        self.service = service
        let outcome = Outcome()
        self.outcome = outcome
        let started = try ServiceThread(name: "service") {
            let result = Result { try body(service.context) }
            outcome.value.withLock { $0 = result }
        }
        thread = Mutex(started)
    }

    package var hasEnded: Bool { outcome.value.withLock { $0 != nil } }
    package var log: CapturedLog { service.log }
    package var isReady: Bool { service.context.readiness.health.ready }
    package var reasons: [String] { service.context.readiness.health.reasons }
    package var degraded: [String] { service.context.readiness.health.degraded }

    /// Waits until it has ended by itself.
    package func exitCode() throws -> ExitCode {
        guard eventually(within: 60, { hasEnded }) else {
            throw ServiceRefused(description: "the service did not end:\n\(log.text)")
        }
        thread.withLock {
            $0?.join()
            $0 = nil
        }
        guard let result = outcome.value.withLock({ $0 }) else {
            throw ServiceRefused(description: "the service ended without a result")
        }
        return try result.get()
    }

    /// Requests the stop, as SIGTERM does.
    @discardableResult
    package func stop() throws -> ExitCode {
        service.context.shutdown.request("test")
        return try exitCode()
    }

    deinit {
        service.context.shutdown.request("the test is over")
        thread.withLock { $0?.join() }
    }
}
