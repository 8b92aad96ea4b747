import MarketModel
import Membership
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
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

        /// What is on the tape of one of the two sources: per trade its price, its round lot, and
        /// the epoch of its packet.
        func trades(_ source: String) throws -> [(price: Int64, lot: RoundLot?, epoch: UInt64)] {
            let name = try #require(SourceName(source))
            return try (0..<tape.names.partitions).flatMap { number in
                let partition = Partition(number)
                return try tape.tickPackets(partition)
                    .filter { $0.subject == tape.names.ticks(partition, name) }
                    .flatMap { packet in
                        packet.payload.withRawSpan { bytes in
                            var found: [(Int64, RoundLot?, UInt64)] = []
                            var walk = PacketWalk(packet.header)
                            while let item = walk.next(in: bytes) {
                                guard case .trade(let trade) = item else { continue }
                                let lot = walk.symbol(trade.header.symbol, in: bytes)?.lot
                                found.append((trade.price.raw, lot, packet.header.epoch))
                            }
                            return found
                        }
                    }
            }
        }

        func prices(_ source: String) throws -> [Int64] { try trades(source).map(\.price).sorted() }

    }

    private static func trade(_ price: Int64) -> ProviderRecord {
        let now = SystemClock().now()
        let header = TickHeader(symbol: 0, providerTime: now, receiveTime: now)
        return .tape(
            .trade(
                Trade(header: header, price: Price(raw: price), size: Quantity(raw: 100_000_000))))
    }

    private static func send(_ price: Int64, _ log: ScriptedProvider.Log) {
        var batch = [trade(price)]
        guard let channel = log.starts.last?.channel,
            case .sent = channel.send(&batch, floor: SystemClock().now())
        else {
            Issue.record("the channel takes nothing")
            return
        }
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
        let running = try stage.gateway.start()
        #expect(eventually { stage.live.starts.count == 1 })
        Self.send(1, stage.live)
        #expect(try eventually { try stage.prices("feed") == [1] })
        // Without any delayed data it does not exist.
        #expect(stage.delayed.log.starts.isEmpty)
        stage.delayed.need()
        #expect(eventually { stage.delayed.log.starts.count == 1 })
        Self.send(10, stage.delayed.log)
        #expect(try eventually { try stage.prices("feed-delayed") == [10] })
        // Both are asked to end, and both have something to say then.
        stage.live.lastWords.withLock { $0 = [Self.trade(2)] }
        stage.delayed.log.lastWords.withLock { $0 = [Self.trade(20), Self.trade(21)] }
        #expect(try running.stop() == .success)
        #expect(try stage.prices("feed") == [1, 2])
        #expect(try stage.prices("feed-delayed") == [10, 20, 21])
        #expect(stage.live.stops == 1 && stage.delayed.log.stops == 1)
        // The source was given back after that, with nothing left.
        #expect(
            stage.gateway.group.news.last == .released(SourceMembership.partition, tenure: 1))
        #expect(running.log.count(of: "gateway.delayed_late") == 0)
    }

    @Test("a delayed source that does not end holds the live one up for its timeout alone")
    func late() throws {
        let stage = try Stage("dlylate", list: list())
        let running = try stage.gateway.start()
        #expect(eventually { stage.live.starts.count == 1 })
        stage.delayed.need()
        #expect(eventually { stage.delayed.log.starts.count == 1 })
        stage.delayed.log.isHanging.withLock { $0 = true }
        stage.live.lastWords.withLock { $0 = [Self.trade(2)] }
        #expect(try running.stop() == .success)
        #expect(try stage.prices("feed") == [2])
        #expect(running.log.count(of: "gateway.provider_late") == 1)
    }

    @Test("it ends with a tenure that is taken away, and is opened in the next one by itself")
    func drop() throws {
        let stage = try Stage("dlydrop", list: list())
        let running = try stage.gateway.start()
        #expect(eventually { stage.live.starts.count == 1 })
        stage.delayed.need()
        #expect(eventually { stage.delayed.log.starts.count == 1 })
        Self.send(10, stage.delayed.log)
        #expect(try eventually { try stage.prices("feed-delayed") == [10] })
        stage.gateway.group.drop()
        #expect(eventually { stage.live.stops == 1 && stage.delayed.log.stops == 1 })
        // Bars are open there, so it is opened although the provider has no delayed data yet.
        let next = ScriptedDelayed("scripted")
        stage.live.delayed.withLock { $0 = next }
        stage.gateway.group.take(epoch: 7)
        #expect(eventually { stage.live.starts.count == 2 && next.log.starts.count == 1 })
        Self.send(1, stage.live)
        Self.send(11, next.log)
        #expect(try eventually { try stage.prices("feed-delayed") == [10, 11] })
        #expect(try eventually { try stage.prices("feed") == [1] })
        // Both have the epoch of one lease.
        let epochs = try (stage.trades("feed") + stage.trades("feed-delayed"))
            .filter { $0.price != 10 }.map(\.epoch)
        #expect(epochs == [7, 7])
        #expect(try running.stop() == .success)
    }

    @Test("a round lot that changes in the lists is in its definitions, too")
    func lots() throws {
        let path = try list(", lot: 40")
        let stage = try Stage("dlylots", list: path)
        let running = try stage.gateway.start()
        #expect(eventually { stage.live.starts.count == 1 })
        stage.delayed.need()
        #expect(eventually { stage.delayed.log.starts.count == 1 })
        Self.send(1, stage.delayed.log)
        let lot = { (number: Int64) in RoundLot(Quantity(raw: number * 100_000_000)) }
        #expect(try eventually { try stage.trades("feed-delayed").map(\.lot) == [lot(40)] })
        _ = try list(", lot: 10")
        #expect(stage.gateway.service.context.shutdown.hangUp())
        // The live source reads the list, and this one follows a moment later.
        #expect(
            try eventually {
                Self.send(2, stage.delayed.log)
                return try stage.trades("feed-delayed").last?.lot == lot(10)
            })
        #expect(try stage.trades("feed-delayed").first?.lot == lot(40))
        #expect(stage.delayed.log.follows.isEmpty)
        #expect(try running.stop() == .success)
    }
}
