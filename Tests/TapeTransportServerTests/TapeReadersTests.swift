import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
@testable import TapeTransport
import TestSupport
import Testing

@Suite struct TapeReadersTests {
    @Test("a consumer deleted under a reader is made anew; nothing is lost or doubled")
    func consumerDeleted() throws {
        let rig = try TapeServer().openRig()
        for _ in 0..<3 {
            #expect(rig.publishPackets(5, lane: 0))
            let consumers = try rig.consumerNames()
            #expect(!consumers.isEmpty)
            for name in consumers { try rig.api("CONSUMER.DELETE.\(rig.stream).\(name)") }
            #expect(rig.publishPackets(5, lane: 0))
        }
        rig.expectTakenOnce(0)
        #expect(rig.log.count("tape.reader.renewed") >= 3)
        #expect(rig.run { ((try? rig.consumerNames().count) ?? 0) == 1 }, "the older ones are gone")
    }

    @Test("many full pulls, one after the other, are no doubt")
    func fullPulls() throws {
        let rig = try TapeServer().openRig()
        #expect(rig.publishPackets(400, lane: 0))
        rig.expectTakenOnce(0)
        #expect(rig.log.lines(with: "tape.reader.renewed") == [])
    }

    @Test("a thread that is busy for longer than a server may be silent doubts neither side of it")
    func busyThread() throws {
        let rig = try TapeServer().openRig(lanes: 2)
        #expect(rig.run { rig.publisher.isReady(lane: 1) && rig.readers.isReading(1) })
        rig.pass(1)
        // Blocks in the middle of one reader's packet, for longer than the other reader's limit of
        // silence and a packet's limit without an answer.
        rig.onTake = { reader in
            guard reader == 0 else { return }
            rig.onTake = nil
            rig.offer(1)
            rig.publisher.publish(lane: 1, watermark: .undefined)
            let end = ContinuousClock.now + .seconds(4)
            while ContinuousClock.now < end {}
        }
        #expect(rig.publishPackets(2, lane: 0))
        #expect(rig.run { rig.hasTakenAll(0) && rig.hasTakenAll(1) })
        #expect(rig.log.lines(with: "tape.reader.renewed") == [])
        #expect(rig.log.lines(with: "no answer came in time") == [])
        rig.expectTakenOnce(0)
        rig.expectTakenOnce(1)
    }

    @Test("a position that is stored is where another process goes on")
    func goesOn() throws {
        let (tape, first) = try TapeServer.begun(packets: 5, ticks: 3)
        let position = try #require(first.readers.position(0))
        #expect(first.publishPackets(2, lane: 0))
        let second = try tape.rig()
        second.addReader(0)
        second.readers.open(0, at: position)
        #expect(second.run { second.takenIDs[0] == [16, 17] })
        #expect(second.readers.streamCreated(0) == position.streamCreated)
        #expect(second.readers.input(0).partition == Partition(0))
        #expect(second.readers.isReading(0))
    }

    @Test("readers that are opened together go on at their positions; one waits for its stream")
    func together() throws {
        let tape = try TapeServer()
        let first = try tape.openRig(lanes: 6)
        for lane in 0..<6 { #expect(first.publishPackets(lane + 1, lane: lane, ticks: 2)) }
        #expect(first.run { (0..<6).allSatisfy(first.hasTakenAll) })
        try first.api("STREAM.DELETE.\(tape.names.tickStream(3))")
        let second = try tape.rig()
        for partition in 0..<6 { second.addReader(partition) }
        second.readers.open((0..<6).map { (reader: $0, position: first.readers.position($0)) })
        // It is open already, at its position.
        second.readers.open([(reader: 0, position: nil)])
        #expect((0..<6).map(second.readers.lacksStream) == (0..<6).map { $0 == 3 })
        for lane in [0, 1, 2, 4, 5] {
            #expect(first.publishPackets(1, lane: lane))
            #expect(second.run { second.takenIDs[lane] == [UInt64(2 * lane + 3)] })
        }
        #expect(second.log.lines(with: "tape.reader.renewed") == [])
    }

    @Test("held, a reader hands over nothing; released, all of it in order")
    func hold() throws {
        let (_, rig) = try TapeServer.begun(packets: 3)
        rig.hold(6)
        #expect(rig.takenIDs[0].count == 3)
        // The owner is full again after two packets.
        var room = 2
        rig.onTake = { reader in
            room -= 1
            if room == 0 { rig.readers.hold(reader) }
        }
        rig.release(0)
        #expect(rig.takenIDs[0] == Array(1...5))
        rig.onTake = nil
        #expect(rig.publishPackets(1, lane: 0))
        #expect(rig.run { rig.delivered[0] == 11 })
        #expect(rig.takenIDs[0] == Array(1...5))
        rig.release(0)
        #expect(rig.takenIDs[0] == Array(1...10))
        #expect(rig.publishPackets(1, lane: 0))
        rig.expectTakenOnce(0)
    }

    @Test(
        "held, what comes meanwhile is bounded by the open pulls, also for large packets",
        arguments: [ReaderLane.pullBytes, 160 * 1_024])
    func holdIsBounded(pullBytes: Int) throws {
        let rig = try TapeServer().openRig(pullBytes: pullBytes)
        rig.addReader(0)
        rig.readers.open(1, at: nil)
        #expect(rig.run { rig.readers.isReading(0) && rig.readers.isReading(1) })
        rig.readers.hold(0)
        #expect(rig.publishPackets(60, lane: 0, ticks: 1_000))
        // The other reader's progress shows what the server could have sent meanwhile.
        #expect(rig.run { rig.takenIDs[1].count == 60_000 })
        rig.run(for: 200)
        let bytes = rig.delivered[0] * 70_000
        #expect(bytes <= ReaderLane.pullsMax * (pullBytes + 70_000))
        rig.release(0)
        rig.expectTakenOnce(0)
        #expect(rig.log.count("tape.reader.renewed") == 0)
    }

    @Test("the largest packet that a publisher may be set to comes to its readers")
    func largestPacket() throws {
        let rig = try TapeServer().rig()
        let largest = PacketGrowth(bytesMax: PacketLimits.growthBytesLargest)
        try rig.addLane(0, growth: largest)
        rig.addReader(0)
        rig.publisher.open()
        rig.readers.open(0, at: nil)
        #expect(rig.run { rig.publisher.isReady(lane: 0) })
        // Definitions with long names make the packet grow to its last byte.
        let name = try #require(Symbol(String(repeating: "x", count: Symbol.utf8CountMax)))
        let definition = SymbolDefinition(
            symbol: name, provider: "sim", since: Timestamp(nanoseconds: 0))
        while !rig.publisher.isFull(lane: 0) {
            rig.publisher.redefine(rig.symbols[0], as: definition, lane: 0)
            rig.offer(0, ticks: 8)
        }
        rig.pass(1)
        let bytes = rig.taken[0].map { Int($0.byteCount) }.max() ?? 0
        #expect(bytes >= PacketLimits.growthBytesLargest && bytes <= PacketLimits.builtBytesMax)
        #expect(bytes > ReaderLane.pullBytes && rig.readers.readers[0].machine.pullsAreLarge)
        rig.expectTakenOnce(0)
        #expect(rig.log.count("tape.reader.renewed") == 0)
    }

    @Test("packets that fit into the usual pulls, however they are cut, need no large ones")
    func usualPulls() throws {
        let rig = try TapeServer().openRig()
        rig.addReader(0)
        for ticks in [300, 1_000, 700, 50] {
            #expect(rig.publishPackets(20, lane: 0, ticks: ticks))
        }
        rig.readers.open(1, at: nil)
        #expect(rig.run { rig.hasTakenAll(0) && rig.takenIDs[1].count == rig.takenIDs[0].count })
        #expect(!rig.readers.readers[1].machine.pullsAreLarge)
        #expect(rig.log.count("tape.reader.renewed") == 0)
    }

    @Test("a doubt that comes up in what was held makes the consumer anew")
    func doubtWhileReleased() throws {
        let (_, rig) = try TapeServer.begun(packets: 3)
        rig.readers.hold(0)
        // Another writer publishes ordinals that do not follow, and more after them.
        for number in UInt64(0)..<4 {
            try rig.publishMarker(
                of: rig.source, startOrdinal: 50 + number, firstOrdinal: 50, epoch: 2,
                previous: (1, 0))
        }
        #expect(rig.run { rig.delivered[0] == 8 })
        rig.release(0)
        #expect(rig.run { rig.taken[0].count == 8 })
        #expect(rig.readers.problem(0) == nil)
        #expect(rig.log.count("\"tape.hole\"") == 1)
        #expect(rig.log.count("tape.reader.renewed") == 1)
    }

    @Test("a link lost while a reader is held: what waited is forgotten and read again")
    func reconnectWhileHeld() throws {
        let (tape, rig) = try TapeServer.begun(packets: 3)
        rig.hold(4)
        try tape.server.restart()
        #expect(rig.run { rig.reconnects == 1 })
        #expect(rig.publishPackets(2, lane: 0))
        #expect(rig.takenIDs[0].count == 3)
        rig.release(0)
        rig.expectTakenOnce(0)
    }

    @Test("a closed reader forgets what waits, and goes on where it is told")
    func closeWhileHeld() throws {
        let (_, rig) = try TapeServer.begun(packets: 3)
        rig.hold(4)
        let position = rig.readers.position(0)
        rig.readers.close(0)
        rig.release(0)
        #expect(rig.takenIDs[0].count == 3)
        rig.readers.open(0, at: position)
        rig.expectTakenOnce(0)
    }

    @Test("the owner may close a reader, also itself, in the middle of what it is handed")
    func closeWhileTaking() throws {
        let rig = try TapeServer().openRig()
        rig.addReader(1)
        #expect(rig.publishPackets(150, lane: 0))
        rig.onTake = { reader in
            guard reader == 0 else { return }
            // Another reader's effects must not remove this one's.
            rig.readers.close(1)
            rig.readers.open(1, at: nil)
        }
        #expect(rig.run { rig.hasTakenAll(0) })
        rig.pass(150)
        #expect(rig.log.lines(with: "tape.reader.renewed") == [])
        rig.hold(5)
        rig.onTake = { rig.readers.close($0) }
        rig.release(0)
        #expect(rig.takenIDs[0].count == 301)
        let position = rig.readers.position(0)
        rig.onTake = nil
        rig.readers.open(0, at: position)
        rig.expectTakenOnce(0)
    }

    @Test("a reader at the end sees only what is new, also after a new link")
    func atEnd() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(5, lane: 0))
        let reader = rig.addReader(0)
        rig.readers.open(reader, from: .end)
        #expect(rig.run { rig.readers.isReading(reader) })
        #expect(rig.publishPackets(3, lane: 0))
        #expect(rig.run { rig.takenIDs[reader] == [6, 7, 8] })
        #expect(rig.readers.streamSequence(reader) == 9 && rig.readers.position(reader) == nil)
        try tape.server.restart()
        #expect(rig.run { rig.reconnects == 1 && rig.readers.isReading(reader) })
        #expect(rig.publishPackets(1, lane: 0))
        #expect(rig.run { rig.takenIDs[reader] == [6, 7, 8, 9] })
    }

    @Test("thirty-two readers open at once, and again after a new link")
    func many() throws {
        let tape = try TapeServer(partitions: 32)
        let rig = try tape.rig()
        for partition in 0..<32 {
            try rig.addLane(partition)
            rig.addReader(partition)
        }
        rig.publisher.open()
        for lane in 0..<32 { rig.offer(lane, ticks: 3) }
        #expect(rig.run { rig.publisher.isIdle })
        for reader in 0..<32 { rig.readers.open(reader, at: nil) }
        #expect(rig.run { rig.readers.indices.allSatisfy(rig.hasTakenAll) })
        tape.server.kill()
        try tape.server.start()
        for lane in 0..<32 { rig.offer(lane, ticks: 2) }
        #expect(rig.run { rig.publisher.isIdle })
        for reader in rig.readers.indices { rig.expectTakenOnce(reader) }
        rig.readers.close()
        // The test does not wait for the server to delete them.
        #expect(try eventually { try rig.consumerNames().isEmpty }, "no consumer is left behind")
    }
}
