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

@testable import ProviderGateway
@testable import TickSpool

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
        let subjects = try subjects(tape, stream: ill, sick)
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
        try tape.expectRight(gateway.settings) { $0.gaps == 0 }
        try tape.expectSound()
    }

    /// Returns the subjects that a gateway uses for one stream.
    private func subjects(
        _ tape: TestTape, stream index: Int, _ partitions: some Sequence<Partition>
    ) throws -> [String] {
        let stream = tape.names.tickStream(index)
        return try partitions.filter { tape.names.streamIndex(of: $0) == index }
            .map { tape.names.ticks($0, try source()) }
            + [
                tape.names.watermarks(stream: index, try source()),
                "$JS.API.STREAM.MSG.GET.\(stream)", "$JS.API.STREAM.INFO.\(stream)",
            ]
    }

    private func last(_ tape: TestTape, _ partition: Partition) throws -> UInt64 {
        try tape.lastOrdinal(
            stream: tape.names.tickStream(of: partition),
            subject: tape.names.ticks(partition, source()))
    }

    /// Returns the last spooled ordinals.
    private func spooled(_ folder: TemporaryFolder) throws -> [Partition: UInt64] {
        let shares = try SpoolSurvey.all(in: folder.file("spool")).flatMap(\.shares)
        return Dictionary(uniqueKeysWithValues: shares.map { ($0.partition, $0) })
            .compactMapValues { $0.ordinals?.upperBound }
    }

    private func shipped(
        _ environment: [String: String], _ url: String, log: String
    ) throws -> ServerProcess {
        let own = ["NATS_URL": url, "MDS_MEMBER": "one", "OPS_PORT": "0", "LOG_FORMAT": "json"]
        return try ServerProcess(
            ProductPrograms.path("provider-gateway"), [],
            environment: environment.merging(own) { $1 }, logPath: log)
    }

    @Test("two streams ill, one of them well again, killed: the market is there once or in a gap")
    func killedAfterOneIsWell() throws {
        let tape = try TestTape(try NatsServer(), namespace: "sickkill")
        let folder = try TemporaryFolder()
        let proxy = try NatsProxy(to: tape.server.port)
        let values = [
            "SYNTHETIC_RATE": "2000", "SYNTHETIC_MISSED": "lost",
            "GATEWAY_SPOOL": folder.file("spool"),
        ]
        let settings = try TestGateway(tape, values).settings
        let environment = tape.environment.merging(values) { $1 }
        let partitions = try Set(settings.market.symbols.map { tape.names.partition(of: $0) })
        let streams = Set(partitions.map { tape.names.streamIndex(of: $0) }).sorted()
        try #require(streams.count >= 2)
        let well = partitions.filter { tape.names.streamIndex(of: $0) == streams[1] }
        let ill = try subjects(tape, stream: streams[0], partitions)
        let both = try ill + subjects(tape, stream: streams[1], partitions)

        let first = try shipped(environment, proxy.url, log: folder.file("first.log"))
        #expect(
            try eventually { try partitions.allSatisfy { try last(tape, $0) > 50 } },
            "\(first.log)")
        proxy.sicken(both, .noResponders)
        #expect(
            try eventually {
                Set(try spooled(folder).keys.map { tape.names.streamIndex(of: $0) })
                    == Set(streams.prefix(2))
            }, "\(first.log)")
        proxy.sicken(ill, .noResponders)
        var seen: [Partition: UInt64] = [:]
        // Ticks that are on the tape and were not seen in the spool went past it.
        #expect(
            try eventually {
                let heads = try well.map { ($0, try last(tape, $0)) }
                seen.merge(try spooled(folder)) { max($0, $1) }
                return heads.allSatisfy { $1 > (seen[$0] ?? 0) + 500 }
            }, "\(first.log)")
        #expect(first.stop(SIGKILL) == SIGKILL)
        proxy.calm()

        let second = try shipped(environment, proxy.url, log: folder.file("second.log"))
        #expect(eventually { second.log.contains("gateway.started") }, "\(second.log)")
        let partition = try #require(well.first)
        let standing = try last(tape, partition)
        #expect(try eventually { try last(tape, partition) > standing + 200 })
        #expect(second.stop() == 0, "\(second.log)")
        try tape.expectRight(settings) { $0.gaps > 0 }
        try tape.expectSound()
    }

    // MARK: packets that are on the tape already

    /// A gateway's publisher and spool without the rest: a lane for each of the first partitions,
    /// which are of different streams, and one tick in each packet.
    private final class Rig {
        static let symbol = Symbol("AAPL")
        let tape: TestTape
        let client: TapeClient
        let publisher: TapePublisher
        let owner: SourceSpool
        let traffic: SpoolTraffic
        let service: TestService
        private let mailbox = TapeMailbox(capacity: 16)
        private var events: [TapeEvent] = []
        private let source: SourceName
        private let lanes: Range<Int>
        private var numbers: [UInt32] = []

        /// `ill` lanes are not opened.
        init(_ tape: TestTape, _ folder: String, lanes count: Int = 1, ill: Int = 0) throws {
            self.tape = tape
            client = try tape.connect()
            publisher = try TapePublisher(client, mailbox: mailbox)
            source = try #require(SourceName("synthetic"))
            lanes = 0..<count
            for partition in lanes.map({ Partition($0) }) {
                let lane = publisher.addLane(
                    subject: tape.names.ticks(partition, source),
                    stream: tape.names.tickStream(of: partition),
                    builder: PacketBuilder(kind: .ticks, partition: partition, source: source))
                numbers.append(
                    publisher.register(
                        SymbolDefinition(
                            symbol: try #require(Self.symbol), provider: "test",
                            since: Timestamp(nanoseconds: 0)), lane: lane))
            }
            let gateway = try TestGateway(tape, ["GATEWAY_SPOOL": folder])
            service = gateway.service
            owner = try #require(try SourceSpool.open(gateway.settings, service.context.telemetry))
            traffic = SpoolTraffic(owner, publisher, lanes: count)
            let well = lanes.dropLast(ill)
            for lane in well { publisher.open(lane: lane) }
            #expect(run { well.allSatisfy { self.publisher.isReady(lane: $0) } })
            try owner.hold(lanes.map { (Partition($0), publisher.epoch(lane: $0)) })
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
                publisher.timePassed()
                return condition()
            }
        }

        func offer(_ id: UInt64, lane: Int = 0) {
            let time = Timestamp(nanoseconds: Int64(id))
            let trade = Trade(
                header: TickHeader(
                    symbol: numbers[lane], providerTime: time, receiveTime: time, providerID: id),
                price: Price(raw: 1), size: Quantity(raw: 1))
            #expect(publisher.append(trade, lane: lane))
        }

        func spool(_ id: UInt64, lane: Int = 0) {
            offer(id, lane: lane)
            #expect(traffic.put(lane: lane, watermark: .undefined))
        }

        /// Publishes what the earlier process left.
        func replay() throws {
            var predecessor = SourceLanes.Predecessor()
            for partition in lanes.map({ Partition($0) }) {
                let packets = try tape.client.lastPackets(
                    stream: tape.names.tickStream(of: partition),
                    subject: tape.names.ticks(partition, source))
                predecessor.nextOrdinal[partition] = packets.last?.header.nextOrdinal ?? 1
                if let last = packets.last, last.marker == nil {
                    predecessor.content[partition] = last.content
                }
            }
            try traffic.replay(behind: predecessor)
            #expect(
                run {
                    self.traffic.flow()
                    return self.traffic.leaveIfDrained()
                })
        }
    }

    /// Returns the provider ids on the tape, in order.
    private func ids(_ tape: TestTape, _ partition: Int = 0) throws -> [UInt64] {
        try tape.tickPackets(Partition(partition)).flatMap(\.records)
            .filter { $0.trade != nil }.map(\.id)
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
            for id in 1...6 as ClosedRange<UInt64> { rig.spool(id) }
            rig.traffic.sync(atOnce: true)
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
        try rig.replay()
        #expect(try ids(tape) == [1, 2, 3, 4, 5, 6])
        #expect(rig.owner.spool.isEmpty && rig.traffic.losses.isEmpty)
    }

    /// What becomes of the mark between the two processes.
    enum Mark: CaseIterable { case whole, damaged, lost }

    @Test(
        "a stream that left the spool while another was ill, killed after that: each is there once",
        arguments: Mark.allCases)
    func left(mark: Mark) throws {
        let tape = try TestTape(try NatsServer(), namespace: "left")
        let (folder, copy) = (try TemporaryFolder(), try TemporaryFolder())
        do {
            let rig = try Rig(tape, folder.file("spool"), lanes: 2, ill: 1)
            for lane in 0..<2 { rig.traffic.enter(lane: lane) }
            rig.spool(9, lane: 1)
            for id in 1...3 as ClosedRange<UInt64> { rig.spool(id) }
            #expect(
                rig.run {
                    rig.traffic.flow()
                    return !rig.traffic.leaveIfDrained() && !rig.traffic.isActive(lane: 0)
                })
            #expect(rig.traffic.isActive(lane: 1))
            rig.offer(4)
            rig.publisher.publish(lane: 0, watermark: .undefined)
            #expect(rig.run { rig.publisher.isIdle(lane: 0) })
            // The process is killed here.
            try FileManager.default.copyItem(
                atPath: folder.file("spool"), toPath: copy.file("spool"))
        }
        let path = "\(copy.file("spool"))/synthetic/spool/mark"
        switch mark {
        case .whole: break
        case .damaged: try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
        case .lost: try FileManager.default.removeItem(atPath: path)
        }
        // Another process is killed before it publishes anything.
        _ = try Rig(tape, copy.file("spool"), lanes: 2, ill: 2)
        let rig = try Rig(tape, copy.file("spool"), lanes: 2)
        try rig.replay()
        #expect(try ids(tape) == [1, 2, 3, 4])
        #expect(try ids(tape, 1) == [9])
        #expect(rig.owner.spool.isEmpty && rig.traffic.losses.isEmpty)
    }

    @Test("as long as the disk does not hold that its frames are on the tape, a stream is spooled")
    func unstored() throws {
        let tape = try TestTape(try NatsServer(), namespace: "unstored")
        let folder = try TemporaryFolder()
        let rig = try Rig(tape, folder.file("spool"))
        rig.traffic.enter(lane: 0)
        rig.spool(1)
        // A folder has the name of the file that is needed.
        let path = "\(folder.file("spool"))/synthetic/spool/mark"
        rig.owner.spool.mark = Spool.MarkFile()
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let failures = "mds_gateway_spool_failures_total{source=\"synthetic\"}"
        #expect(
            rig.run {
                rig.traffic.flow()
                _ = rig.traffic.leaveIfDrained()
                return (rig.service.metric(failures) ?? 0) >= 2 || !rig.traffic.isActive
            })
        #expect(rig.traffic.isActive && rig.owner.spool.isEmpty(queue: 0))
        rig.offer(2)
        try FileManager.default.removeItem(atPath: path)
        #expect(
            rig.run {
                guard rig.traffic.put(lane: 0, watermark: .undefined) else { return false }
                rig.traffic.flow()
                return rig.traffic.leaveIfDrained()
            })
        #expect(try ids(tape) == [1, 2])
        #expect(FileManager.default.fileExists(atPath: path))
    }
}
