import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing
import ValkeyClient

@testable import HotState
@testable import HotStateTests

/// A keeper between its own tape and a Valkey.
struct KeeperBench {
    static let description = ServiceDescription(
        name: "hot-state", version: "0", summary: "", keys: ConfigurationKey.tape)

    let tape: TestTape
    let server: ValkeyServer

    init(_ namespace: String, _ server: ValkeyServer) throws {
        tape = try TestTape(NatsServer.shared(), namespace: namespace)
        self.server = server
    }

    var valkey: ValkeyConfiguration {
        ValkeyConfiguration(host: "127.0.0.1", port: server.port, password: ValkeyServer.password)
    }

    func start(
        symbolsMax: Int = 65_536, _ valkey: ValkeyConfiguration? = nil
    ) throws -> RunningService {
        let service = try TestService(Self.description, tape.environment)
        let settings = HotStateKeeper.Settings(valkey ?? self.valkey, symbolsMax: symbolsMax)
        let client = try tape.connect(service)
        return try service.start { context in
            defer { client.close() }
            let queue = HotQueue(context.telemetry.metrics, life: settings.life)
            context.shutdown.onRequest { queue.close() }
            let tail = try TapeTail.start(client, context) {
                queue.offer($0, $1, streamCreated: $2, now: SystemClock().monotonic())
            }
            HotStateKeeper.run(
                settings, queue, namespace: client.names.namespace, context: context)
            _ = tail.join(timeout: .seconds(5))
            return .success
        }
    }

    /// Returns a source of trades of these symbols.
    func source(_ symbols: [String]) throws -> TestSource {
        var source = TestSource(tape, Partition(0), source: try #require(SourceName("test")))
        for symbol in symbols {
            _ = source.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(symbol)), provider: "", since: .undefined))
        }
        return source
    }

    func publish(_ source: inout TestSource, _ trades: [(UInt32, Int64)]) throws {
        for (symbol, price) in trades { source.append(Sample.trade(symbol, price)) }
        try source.publish(watermark: Timestamp(nanoseconds: 0))
    }

    func price(_ symbol: String) -> String {
        do {
            return try server.cli("HGET", "\(tape.names.namespace):trade:\(symbol):test", "price")
        } catch {
            return "\(error)"
        }
    }

    /// Waits until the keeper listens. It reads from the tape's end, so it misses what is published
    /// earlier.
    func listens(
        _ source: inout TestSource, _ running: RunningService, _ symbol: UInt32 = 0
    ) throws {
        let read = "mds_tape_packets_read_total"
        #expect(
            try eventually {
                try publish(&source, [(symbol, 1)])
                return (running.service.metric(read) ?? 0) > 0
            })
    }

    func failures(_ running: RunningService, _ kind: HotFailure) -> Double {
        running.service.metric("mds_hot_state_failures_total{kind=\"\(kind.rawValue)\"}") ?? 0
    }
}
