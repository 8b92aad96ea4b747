import MarketModel
import ServiceRuntime
import ServiceTestSupport
import TapeTransport

@testable import OperatorWorker

/// A worker in this process, on a connection of its own.
struct TestWorker {
    let tape: TestTape
    let service: TestService
    let settings: OperatorSettings
    let report = OperatorReport()

    init(_ tape: TestTape, _ environment: [String: String] = [:]) throws {
        self.tape = tape
        service = try TestService(
            Main.description,
            tape.environment.merging(["OPERATOR_PARTITIONS": "0-3"]) { $1 }
                .merging(environment) { $1 })
        settings = try OperatorSettings(service.context.configuration)
    }

    /// Runs it on a client that the test may close: to the worker that is a kill.
    func start(_ client: TapeClient) throws -> RunningService {
        let (settings, report) = (settings, report)
        return try service.start { context in
            defer { client.close() }
            return try Worker(settings, client: client, context: context, report: report).run()
        }
    }

    func start() throws -> RunningService { try start(try tape.connect(service)) }
}
