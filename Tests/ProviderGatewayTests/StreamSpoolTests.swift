import Foundation
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing
import TickSpool

@testable import ProviderGateway

/// Streams of the tape fail separately, and some spooled packets are on the tape already.
@Suite("The spool, stream by stream")
struct StreamSpoolTests {
    private func source() throws -> SourceName { try #require(SourceName("synthetic")) }

    private func connect(_ tape: TestTape, _ url: String, _ service: TestService) throws
        -> TapeClient
    {
        try TapeClient(
            NatsConfiguration(urls: [url], clientName: "test"), names: tape.names,
            telemetry: service.context.telemetry, readiness: service.context.readiness)
    }

    @Test("one stream answers 503, then nothing: the others go on; its ticks alone are spooled")
    func oneOfFour() throws {
        let tape = try TestTape(try NatsServer(), namespace: "sick")
        let folder = try TemporaryFolder()
        let proxy = try NatsProxy(to: tape.server.port)
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "2000", "SYNTHETIC_MISSED": "lost",
                "GATEWAY_SPOOL": folder.file("spool"),
            ])
        let running = try gateway.start(try connect(tape, proxy.url, gateway.service))
        let partitions = try Set(
            gateway.settings.market.symbols.map { tape.names.partition(of: $0) })
        let ill = try #require(partitions.map { tape.names.streamIndex(of: $0) }.min())
        let healthy = partitions.filter { tape.names.streamIndex(of: $0) != ill }
        let sick = partitions.subtracting(healthy)
        try #require(!healthy.isEmpty)
        func heads(_ of: Set<Partition>) throws -> [UInt64] {
            try of.sorted().map {
                try tape.lastOrdinal(
                    stream: tape.names.tickStream(of: $0),
                    subject: tape.names.ticks($0, source()))
            }
        }
        #expect(try eventually { try heads(partitions).allSatisfy { $0 > 50 } })
        let stream = tape.names.tickStream(ill)
        let subjects =
            try sick.map { tape.names.ticks($0, try source()) }
            + [tape.names.watermarks(stream: ill, try source())]
            + ["$JS.API.STREAM.MSG.GET.\(stream)", "$JS.API.STREAM.INFO.\(stream)"]
        for refusal in [NatsProxy.Refusal.noResponders, nil] {
            proxy.sicken(subjects, refusal)
            let standing = try heads(healthy)
            #expect(eventually { running.log.count(of: "gateway.spool.begun") >= 1 })
            #expect(
                try eventually {
                    zip(try heads(healthy), standing).allSatisfy { $0 > $1 + 500 }
                })
            let surveys = try SpoolSurvey.all(in: folder.file("spool"))
            let spooled = Set(surveys.flatMap(\.shares).filter { $0.ticks > 0 }.map(\.partition))
            #expect(!spooled.isEmpty && spooled.isSubset(of: sick), "\(spooled) of \(sick)")
        }
        proxy.calm()
        #expect(eventually { running.log.count(of: "gateway.spool.drained") >= 1 })
        #expect(try running.stop() == .success)
        let report = try TapeAudit.report(tape, gateway.settings)
        #expect(report.isRight && report.gaps == 0, "\(report)")
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
    }

    // MARK: packets that are on the tape already

    /// A gateway's publisher and spool without the rest: one lane, one tick in each packet.
    private final class Rig {
        static let symbol = Symbol("AAPL")
        let tape: TestTape
        let client: TapeClient
        let publisher: TapePublisher
        let owner: SourceSpool
        let traffic: SpoolTraffic
        private let mailbox = TapeMailbox(capacity: 16)
        private var events: [TapeEvent] = []
        private let number: UInt32

        init(_ tape: TestTape, _ folder: String) throws {
            self.tape = tape
            client = try tape.connect()
            publisher = try TapePublisher(client, mailbox: mailbox)
            let source = try #require(SourceName("synthetic"))
            let lane = publisher.addLane(
                subject: tape.names.ticks(Partition(0), source),
                stream: tape.names.tickStream(of: Partition(0)),
                builder: PacketBuilder(kind: .ticks, partition: Partition(0), source: source))
            number = publisher.register(
                SymbolDefinition(
                    symbol: try #require(Self.symbol), provider: "test",
                    since: Timestamp(nanoseconds: 0)), lane: lane)
            let gateway = try TestGateway(tape, ["GATEWAY_SPOOL": folder])
            owner = try #require(
                try SourceSpool.open(gateway.settings, gateway.service.context.telemetry))
            traffic = SpoolTraffic(owner, publisher, lanes: 1)
            publisher.open()
            #expect(run { self.publisher.isReady(lane: 0) })
        }

        deinit { client.close() }

        func run(_ condition: () -> Bool) -> Bool {
            eventually {
                _ = mailbox.receive(into: &events, max: 64, timeout: .milliseconds(5))
                for event in events {
                    if case .answer(let message) = event { publisher.handle(message) }
                }
                events.removeAll()
                for packet in publisher.acknowledged { traffic.acknowledged(packet) }
                publisher.acknowledged.removeAll()
                publisher.tick()
                return condition()
            }
        }

        func offer(_ id: UInt64) {
            let time = Timestamp(nanoseconds: Int64(id))
            let trade = Trade(
                header: TickHeader(
                    symbol: number, providerTime: time, receiveTime: time, providerID: id),
                price: Price(raw: 1), size: Quantity(raw: 1))
            #expect(publisher.append(trade, lane: 0))
        }
    }

    /// Returns the provider ids on the tape, in order.
    private func ids(_ tape: TestTape) throws -> [UInt64] {
        var found: [UInt64] = []
        for packet in try tape.tickPackets(Partition(0)) {
            packet.payload.withRawSpan { bytes in
                var cursor = RecordCursor()
                while let record = cursor.next(in: bytes) {
                    if case .trade(let trade) = record { found.append(trade.header.providerID) }
                }
            }
        }
        return found
    }

    @Test(
        "the lane raised while ticks are spooled, killed after some frames: each is there once",
        arguments: 0...6)
    func raised(standing: Int) throws {
        let tape = try TestTape(try NatsServer(), namespace: "raised")
        let (folder, copy) = (try TemporaryFolder(), try TemporaryFolder())
        do {
            let rig = try Rig(tape, folder.file("spool"))
            rig.traffic.enter(lane: 0)
            for id in 1...6 {
                rig.offer(UInt64(id))
                #expect(rig.traffic.put(lane: 0, watermark: .undefined))
            }
            rig.traffic.sync(atOnce: true)
            try rig.owner.hold([(Partition(0), rig.publisher.epoch(lane: 0))])
            // A reader has more than the tape: these ordinals are lost, and the frames get others.
            rig.publisher.raise(nextOrdinal: 100, lane: 0)
            #expect(rig.run { rig.publisher.nextOrdinal(lane: 0) >= 100 })
            #expect(rig.run { rig.publisher.isReady(lane: 0) })
            // The process is killed before any of the following frames is marked as consumed.
            try FileManager.default.copyItem(
                atPath: folder.file("spool"), toPath: copy.file("spool"))
            if standing > 0 {
                let last = rig.publisher.nextOrdinal(lane: 0) + UInt64(standing)
                #expect(
                    rig.run {
                        // One at a time: each packet is sent when the one before it is
                        // acknowledged.
                        if rig.publisher.nextOrdinal(lane: 0) < last { rig.traffic.flow() }
                        return rig.publisher.nextOrdinal(lane: 0) >= last
                    })
            }
        }
        let before = try ids(tape)
        #expect(before.count >= standing && before == Array(1...6).prefix(before.count).map { $0 })
        let rig = try Rig(tape, copy.file("spool"))
        var predecessor = SourceLanes.Predecessor()
        let packets = try tape.client.lastPackets(
            stream: tape.names.tickStream(of: Partition(0)),
            subject: tape.names.ticks(Partition(0), source()))
        predecessor.nextOrdinal[Partition(0)] = packets.last?.header.nextOrdinal ?? 1
        if let last = packets.last, last.marker == nil {
            predecessor.content[Partition(0)] = last.content
        }
        try rig.traffic.replay(behind: predecessor)
        #expect(
            rig.run {
                rig.traffic.flow()
                return rig.traffic.leaveIfDrained()
            })
        #expect(try ids(tape) == [1, 2, 3, 4, 5, 6])
        #expect(rig.owner.spool.isEmpty && rig.traffic.losses.isEmpty)
    }
}
