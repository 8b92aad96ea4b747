import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeProtocol
import TapeTransport

@testable import OperatorWorker

/// The live messages of one subject.
final class LiveMessages {
    private final class Texts: Sendable {
        let all = Mutex<[String]>([])
    }

    private let texts = Texts()
    private let listener: NatsSubscription

    init(_ subject: String, of tape: TestTape) throws {
        listener = try tape.client.connection.subscribe(subject, pendingMessagesMax: 1_024) {
            [texts] message in
            let text = message.withPayload { String(decoding: $0.array, as: UTF8.self) }
            texts.all.withLock { $0.append(text) }
        }
    }

    deinit { listener.unsubscribe() }

    var all: [JSONValue] {
        texts.all.withLock { $0 }.compactMap { try? JSONValue.parse($0) }
    }
}

/// A worker in this process, with its own connection.
struct TestWorker {
    let tape: TestTape
    let service: TestService
    let settings: OperatorSettings
    let report: OperatorReport
    let member: TestMember

    /// `takes` are the partitions it takes immediately; `nil` means all of the ticks. `graph`
    /// overrides the environment.
    init(
        _ tape: TestTape, _ environment: [String: String] = [:], takes partitions: [Int]? = nil,
        graph: GraphDefinition? = nil, sourcePatience: Int64 = 60_000_000_000
    ) throws {
        self.tape = tape
        member = TestMember(takes: partitions ?? Array(0..<tape.names.partitions))
        service = try TestService(
            Main.description, tape.environment.merging(environment) { $1 })
        var settings = try OperatorSettings(service.context.configuration)
        if let graph { settings.program = GraphProgram(graph) }
        settings.sourcePatienceNanoseconds = sourcePatience
        self.settings = settings
        report = OperatorReport(settings)
    }

    /// Runs the worker on a client that the test may close. For the worker that is like a kill.
    func start(_ client: TapeClient) throws -> RunningService {
        let (settings, report, member) = (settings, report, member)
        return try service.start { context in
            defer { client.close() }
            let worker = try Worker(settings, client: client, context: context, report: report)
            member.attach(worker.port)
            return worker.run(as: member)
        }
    }

    /// Runs the worker, which publishes live messages on a link of its own. `url` is that of the
    /// link; `nil` means the tape's server.
    func startLive(at url: String? = nil) throws -> RunningService {
        let client = try tape.connect(service)
        let (settings, report, member) = (settings, report, member)
        return try service.start { context in
            defer { client.close() }
            var nats = try TapeSettings(context.configuration).nats
            if let url { nats.urls = [url] }
            let live = try LivePublisher(
                nats, names: client.names, telemetry: context.telemetry, threads: context.threads)
            defer { live.close() }
            let worker = try Worker(
                settings, client: client, context: context, report: report, live: live)
            member.attach(worker.port)
            return worker.run(as: member)
        }
    }

    func start() throws -> RunningService { try start(try tape.connect(service)) }

    /// What /status reports.
    func status() throws -> JSONValue {
        var json = JSONWriter()
        json.object { report.write(into: &$0) }
        return try JSONValue.parse(json.text)
    }

    /// What /status reports about the first partition.
    var firstPartition: JSONValue? { (try? status())?["partitions"]?.array?.first }
}
