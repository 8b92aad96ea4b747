import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// Readers of one stream that share a consumer.
@Suite struct SharedConsumerTests {
    /// Opens a rig with this many lanes and readers, all of the same stream.
    private func openRig(_ tape: TapeServer, readers: Int = 4) throws -> TapeRig {
        let rig = try tape.rig()
        for number in 0..<readers {
            try rig.addLane(number * TapeNames.tickStreams)
            rig.addReader(number * TapeNames.tickStreams, sharesConsumer: true)
        }
        rig.publisher.open()
        for reader in 0..<readers { rig.readers.open(reader, at: nil) }
        try #require(publish(rig, 3))
        try #require(rig.run { rig.readers.sharing == readers })
        return rig
    }

    private func tape() throws -> TapeServer { try TapeServer(partitions: 32) }

    /// Publishes this many packets on each lane.
    private func publish(_ rig: TapeRig, _ count: Int) -> Bool {
        rig.offered.indices.allSatisfy { rig.publishPackets(count, lane: $0) }
    }

    private func takeAll(_ rig: TapeRig) -> Bool {
        rig.run { rig.offered.indices.allSatisfy(rig.hasTakenAll) }
    }

    /// Expects that each reader takes all ticks of its lane once.
    private func expectTakenOnce(_ rig: TapeRig, _ comment: String = "") {
        for reader in rig.offered.indices { rig.expectTakenOnce(reader, comment) }
    }

    /// Returns the name of the newest shared consumer: its reader is none of the lanes'.
    private func sharedConsumer(_ rig: TapeRig) throws -> String {
        let own = rig.offered.count
        let numbers = try rig.consumerNames().compactMap { name -> (String, Int)? in
            let parts = name.split(separator: "-")
            guard parts.count > 2, let reader = Int(parts[parts.count - 2]), reader >= own else {
                return nil
            }
            return (name, Int(parts[parts.count - 1]) ?? 0)
        }
        return try #require(numbers.max { $0.1 < $1.1 }).0
    }

    @Test("a watermark for all partitions of a stream comes once, and to each reader")
    func watermark() throws {
        let rig = try openRig(try tape())
        #expect(takeAll(rig))
        let shared = rig.deliveredShared
        let lane = rig.publisher.addLane(
            subject: rig.client.names.watermarks(stream: 0, rig.source), stream: rig.stream,
            builder: PacketBuilder(
                kind: .watermark, partition: Partition(0), source: rig.source))
        rig.publisher.open(lane: lane)
        let before = rig.taken.map(\.count)
        #expect(rig.run { rig.publisher.isReady(lane: lane) })
        #expect(
            rig.run { zip(rig.taken, before).allSatisfy { $0.count == $1 + 1 } }, "the marker")
        #expect(rig.deliveredShared == shared + 1)
        #expect(publish(rig, 2))
        #expect(takeAll(rig))
        for reader in 0..<4 { #expect(rig.takenIDs[reader] == Array(1...5)) }
    }

    @Test("the shared consumer deleted: all readers prove their positions, and share again")
    func deleted() throws {
        let rig = try openRig(try tape())
        for _ in 0..<3 {
            let name = try sharedConsumer(rig)
            try rig.api("CONSUMER.DELETE.\(rig.stream).\(name)")
            #expect(publish(rig, 5))
            #expect(takeAll(rig))
            #expect(rig.run { rig.readers.sharing == 4 })
        }
        expectTakenOnce(rig)
        #expect(rig.log.lines(with: "tape.reader.renewed").count == 3, "one line, not one a reader")
    }

    @Test("a reader that is held neither holds up the others nor keeps more than its bound")
    func held() throws {
        let rig = try openRig(try tape())
        rig.readers.hold(0)
        let before = rig.takenIDs[0]
        #expect(rig.publishPackets(300, lane: 0))
        #expect(rig.publishPackets(5, lane: 1))
        #expect(rig.run { rig.hasTakenAll(1) })
        #expect(rig.takenIDs[0] == before)
        #expect(rig.run { rig.readers.sharing == 3 }, "it has left")
        rig.release(0)
        #expect(takeAll(rig))
        #expect(rig.run { rig.readers.sharing == 4 })
        #expect(publish(rig, 2))
        #expect(takeAll(rig))
        expectTakenOnce(rig)
        #expect(rig.log.lines(with: "tape.reader.renewed") == [])
    }

    @Test("held for few packets, a reader goes on with them and stays")
    func heldShortly() throws {
        let rig = try openRig(try tape())
        rig.readers.hold(2)
        #expect(publish(rig, 5))
        #expect(rig.run { rig.hasTakenAll(3) && rig.deliveredShared >= 20 })
        rig.release(2)
        #expect(rig.hasTakenAll(2))
        expectTakenOnce(rig)
        #expect(rig.readers.sharing == 4)
    }

    @Test("readers that close and open again, while others go on")
    func comeAndGo() throws {
        let rig = try openRig(try tape())
        for round in 0..<6 {
            let reader = round % 4
            let position = rig.readers.position(reader)
            rig.readers.close(reader)
            #expect(publish(rig, 3))
            #expect(rig.run { (0..<4).allSatisfy { $0 == reader || rig.hasTakenAll($0) } })
            rig.readers.open(reader, at: position)
            #expect(takeAll(rig))
        }
        #expect(rig.run { rig.readers.sharing == 4 })
        expectTakenOnce(rig)
    }

    @Test("the first packet of a source that a reader does not know comes through its own consumer")
    func newSource() throws {
        let tape = try tape()
        let rig = try openRig(tape)
        let other = try tape.rig(source: "other")
        try other.addLane(0)
        other.publisher.open()
        #expect(other.publishPackets(3, lane: 0, ticks: 2))
        #expect(rig.run { rig.takenIDs[0].count == 9 })
        let source = try #require(SourceName("other"))
        #expect(rig.readers.position(0)?.source(source)?.lastOrdinal == 6)
        #expect(rig.run { rig.readers.sharing == 4 })
        #expect(other.publishPackets(2, lane: 0))
        #expect(rig.run { rig.takenIDs[0].count == 11 })
        #expect(rig.readers.isReading(0) && rig.readers.sharing == 4)
    }

    @Test("the server killed and started again: no packet is lost or doubled")
    func killed() throws {
        let tape = try tape()
        let rig = try openRig(tape)
        for _ in 0..<2 {
            for lane in rig.offered.indices { rig.offer(lane) }
            tape.server.kill()
            try tape.server.start()
            #expect(rig.run { rig.offered.indices.allSatisfy { rig.publisher.isIdle(lane: $0) } })
            #expect(takeAll(rig))
            #expect(rig.run { rig.readers.sharing == 4 })
        }
        expectTakenOnce(rig)
    }

    @Test("a packet that cannot be read stops its reader, and only it")
    func undecodable() throws {
        let rig = try openRig(try tape())
        let subject = rig.client.names.ticks(Partition(4), rig.source)
        try rig.publish("no packet", to: subject)
        #expect(rig.run { rig.readers.problem(1) != nil })
        #expect(rig.publishPackets(3, lane: 0) && rig.publishPackets(3, lane: 2))
        #expect(rig.run { rig.hasTakenAll(0) && rig.hasTakenAll(2) && rig.readers.sharing == 3 })
        for reader in [0, 2, 3] { rig.expectTakenOnce(reader) }
    }

    @Test("the stream restored from a backup stops each reader, as without sharing")
    func putBack() throws {
        let tape = try tape()
        let rig = try openRig(tape)
        try tape.snapshot()
        #expect(publish(rig, 5))
        #expect(takeAll(rig))
        try tape.restoreSnapshot()
        #expect(rig.run { (0..<4).allSatisfy { rig.readers.problem($0) != nil } })
    }

    @Test(
        "any order of holds, ends, lost consumers and packets: each packet once",
        arguments: 1...4)
    func chaos(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let rig = try openRig(try tape())
        var held: Set<Int> = []
        for _ in 0..<150 {
            let reader = Int.random(in: 0..<4, using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1:
                rig.readers.hold(reader)
                held.insert(reader)
            case 2, 3:
                held.remove(reader)
                rig.release(reader)
            case 4:
                let position = rig.readers.position(reader)
                rig.readers.close(reader)
                held.remove(reader)
                rig.readers.open(reader, at: position)
            case 5:
                for name in try rig.consumerNames().suffix(2) {
                    _ = try rig.client.connection.request(
                        [], to: "$JS.API.CONSUMER.DELETE.\(rig.stream).\(name)",
                        timeout: patience)
                }
            case 6: rig.offer(reader, ticks: 400)
            default: rig.offer(reader, ticks: Int.random(in: 1...3, using: &random))
            }
            for _ in 0..<Int.random(in: 0...20, using: &random) { rig.turn(.milliseconds(2)) }
        }
        for reader in held { rig.release(reader) }
        #expect(takeAll(rig), "seed \(seed)")
        #expect(rig.run { rig.readers.sharing == 4 }, "seed \(seed)")
        expectTakenOnce(rig, "seed \(seed)")
    }
}
