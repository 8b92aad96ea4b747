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

/// A keeper between its own tape and a Valkey, and a source of trades.
final class KeeperScene {
    static let description = ServiceDescription(
        name: "hot-state", version: "0", summary: "", keys: ConfigurationKey.tape)

    let tape: TestTape
    let server: ValkeyServer
    private(set) var running: RunningService
    private var source: TestSource
    private var symbols: [String: UInt32] = [:]

    /// Starts a keeper that listens. `prepare` is called before.
    init(
        _ symbols: [String], symbolsMax: Int = 65_536, valkey: ValkeyConfiguration? = nil,
        edition: ValkeyServer.Edition = .usual,
        prepare: (ValkeyServer) throws -> Void = { _ in }
    ) throws {
        server = try ValkeyServer(edition: edition)
        try prepare(server)
        tape = try TestTape(
            NatsServer.shared(), namespace: "h\(UInt32.random(in: 0 ... .max))")
        var configuration = valkey ?? server.configuration
        configuration.port = server.port
        running = try Self.start(tape, configuration, symbolsMax)
        source = TestSource(tape, Partition(0), source: try #require(SourceName("test")))
        for symbol in ["PROBE"] + symbols {
            self.symbols[symbol] = source.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(symbol)), provider: "", since: .undefined))
        }
        try waitUntilItListens()
    }

    private static func start(
        _ tape: TestTape, _ valkey: ValkeyConfiguration, _ symbolsMax: Int = 65_536
    ) throws -> RunningService {
        let service = try TestService(description, tape.environment)
        let settings = HotStateKeeper.Settings(valkey, symbolsMax: symbolsMax)
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

    /// Starts another keeper, which is the scene's from here on. Returns the earlier one.
    func startAnother() throws -> RunningService {
        let earlier = running
        running = try Self.start(tape, server.configuration)
        try waitUntilItListens()
        return earlier
    }

    /// The keeper reads from the tape's end, so it misses what is published earlier.
    private func waitUntilItListens() throws {
        #expect(
            try eventually {
                try publish(("PROBE", 1))
                return packetsRead > 0
            })
    }

    /// Publishes trades as one packet.
    func publish(_ trades: (symbol: String, price: Int64)...) throws {
        for (symbol, price) in trades {
            source.append(Sample.trade(try #require(symbols[symbol]), price))
        }
        try source.publish(watermark: Timestamp(nanoseconds: 0))
    }

    func price(_ symbol: String) -> String {
        do {
            return try server.cli("HGET", "\(tape.names.namespace):trade:\(symbol):test", "price")
        } catch {
            return "\(error)"
        }
    }

    /// Waits until these prices are shown.
    func expectPrices(
        _ prices: (symbol: String, price: Int)..., location: SourceLocation = #_sourceLocation
    ) {
        let areShown = eventually { prices.allSatisfy { price($0.symbol) == String($0.price) } }
        #expect(areShown, "\(prices.map { price($0.symbol) })", sourceLocation: location)
    }

    func expectHealthy(_ location: SourceLocation = #_sourceLocation) {
        #expect(
            eventually { running.degraded.isEmpty }, "\(running.degraded)",
            sourceLocation: location)
    }

    func expectDegraded(_ words: String, _ location: SourceLocation = #_sourceLocation) {
        #expect(
            running.degraded.contains { $0.contains(words) }, "\(running.degraded)",
            sourceLocation: location)
    }

    func metric(_ name: String) -> Double { running.service.metric("mds_\(name)") ?? 0 }
    var packetsRead: Double { metric("tape_packets_read_total") }
    func failures(_ kind: HotFailure) -> Double {
        metric("hot_state_failures_total{kind=\"\(kind.rawValue)\"}")
    }

    func expectFailure(_ kind: HotFailure, _ location: SourceLocation = #_sourceLocation) {
        #expect(eventually { failures(kind) >= 1 }, sourceLocation: location)
    }
}
