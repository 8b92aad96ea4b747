import MarketModel
import Membership
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Synchronization
import TapeCodec
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("The source of delayed data in a tenure") struct DelayedTenureTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("delayed-tenure") }

    /// A gateway whose provider has delayed data, which are controlled by the test.
    private struct Stage {
        let tape: TestTape
        let live = ScriptedProvider.Log()
        let delayed = ScriptedDelayed("scripted")
        let gateway: TestGateway

        init(_ namespace: String, list: String) throws {
            tape = try TestTape(NatsServer.shared(), namespace: namespace)
            live.delayed.withLock { [delayed] in $0 = delayed }
            gateway = try TestGateway(
                tape,
                [
                    "GATEWAY_PROVIDER": "scripted", "GATEWAY_SOURCE": "feed",
                    "GATEWAY_INSTRUMENTS": list, "GATEWAY_PROVIDER_STOP": "2s",
                ],
                providers: [ScriptedProvider.kind("scripted", live).takingDelayed { _ in false }])
        }

        /// The trades on the tape of one of the two sources.
        func trades(_ source: String) throws -> [RecordOnTape] {
            try tape.records(of: try #require(SourceName(source))).filter { $0.trade != nil }
        }

        func expectPrices(
            _ source: String, _ prices: [Int64], at place: SourceLocation = #_sourceLocation
        ) throws {
            #expect(
                try eventually {
                    try trades(source).compactMap { $0.trade?.price.raw }.sorted() == prices
                }, sourceLocation: place)
        }

        /// Starts the gateway, and its source of delayed data where it is needed.
        func start(delayed isNeeded: Bool = true) throws -> RunningService {
            let running = try gateway.start()
            _ = try live.begun()
            if isNeeded { try needDelayed() }
            return running
        }

        func needDelayed() throws {
            delayed.need()
            _ = try delayed.log.begun()
        }
    }

    private static func trade(_ price: Int64) -> ProviderRecord {
        .trade(at: SystemClock().now(), price: price)
    }

    private static func send(_ price: Int64, _ log: ScriptedProvider.Log) throws {
        let channel = try #require(log.starts.last).channel
        channel.deliver([trade(price)], floor: SystemClock().now())
    }

    private func list(_ lot: String = "") throws -> String {
        try folder.write(
            """
            version: 1
            defaults: {exchange: SMART, currency: USD}
            instruments: [{symbol: SPY\(lot)}]

            """, to: "list.yaml")
    }

    @Test("it is opened when delayed data come, and its last records are on the tape at the end")
    func release() throws {
        let stage = try Stage("dlyrel", list: list())
        let running = try stage.start(delayed: false)
        try Self.send(1, stage.live)
        try stage.expectPrices("feed", [1])
        // Without any delayed data it does not exist.
        #expect(stage.delayed.log.starts.isEmpty)
        try stage.needDelayed()
        try Self.send(10, stage.delayed.log)
        try stage.expectPrices("feed-delayed", [10])
        // Both are asked to end, and both have something to say then.
        stage.live.lastWords.withLock { $0 = [Self.trade(2)] }
        stage.delayed.log.lastWords.withLock { $0 = [Self.trade(20), Self.trade(21)] }
        #expect(try running.stop() == .success)
        try stage.expectPrices("feed", [1, 2])
        try stage.expectPrices("feed-delayed", [10, 20, 21])
        #expect(stage.live.stops == 1 && stage.delayed.log.stops == 1)
        // The source was given back after that, with nothing left.
        #expect(stage.gateway.group.news.last == .released(1))
        #expect(running.log.count(of: "gateway.delayed_late") == 0)
    }

    @Test("a delayed source that does not end holds the live one up for its timeout alone")
    func late() throws {
        let stage = try Stage("dlylate", list: list())
        let running = try stage.start()
        stage.delayed.log.isHanging.withLock { $0 = true }
        stage.live.lastWords.withLock { $0 = [Self.trade(2)] }
        #expect(try running.stop() == .success)
        try stage.expectPrices("feed", [2])
        #expect(running.log.count(of: "gateway.provider_late") == 1)
    }

    @Test("it ends with a tenure that is taken away, and is opened in the next one by itself")
    func drop() throws {
        let stage = try Stage("dlydrop", list: list())
        let running = try stage.start()
        try Self.send(10, stage.delayed.log)
        try stage.expectPrices("feed-delayed", [10])
        stage.gateway.group.drop()
        #expect(eventually { stage.live.stops == 1 && stage.delayed.log.stops == 1 })
        // Bars are open there, so it is opened although the provider has no delayed data yet.
        let next = ScriptedDelayed("scripted")
        stage.live.delayed.withLock { $0 = next }
        stage.gateway.group.take(epoch: 7)
        #expect(eventually { stage.live.starts.count == 2 && next.log.starts.count == 1 })
        try Self.send(1, stage.live)
        try Self.send(11, next.log)
        try stage.expectPrices("feed-delayed", [10, 11])
        try stage.expectPrices("feed", [1])
        // Both have the epoch of one lease.
        let epochs = try (stage.trades("feed") + stage.trades("feed-delayed"))
            .filter { $0.trade?.price.raw != 10 }.map(\.packet.epoch)
        #expect(epochs == [7, 7])
        #expect(try running.stop() == .success)
    }

    @Test("a round lot that changes in the lists is in its definitions, too")
    func lots() throws {
        let path = try list(", lot: 40")
        let stage = try Stage("dlylots", list: path)
        let running = try stage.start()
        try Self.send(1, stage.delayed.log)
        func lots() throws -> [RoundLot?] {
            try stage.trades("feed-delayed").map { $0.definition?.lot }
        }
        let lot = { (number: Int64) in RoundLot(Quantity(raw: number * 100_000_000)) }
        #expect(try eventually { try lots() == [lot(40)] })
        _ = try list(", lot: 10")
        #expect(stage.gateway.service.context.shutdown.hangUp())
        // The live source reads the list, and this one follows a moment later.
        #expect(
            try eventually {
                try Self.send(2, stage.delayed.log)
                return try lots().last == lot(10)
            })
        #expect(try lots().first == lot(40))
        #expect(stage.delayed.log.follows.isEmpty)
        #expect(try running.stop() == .success)
    }
}
