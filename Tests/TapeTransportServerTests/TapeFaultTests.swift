import MarketModel
import NatsTransport
import Primitives
import Seeds
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// Publisher and readers on one thread, against a real server with faults.
@Suite struct TapeFaultTests {
    private enum Fault: String, CaseIterable {
        case restart, kill, pause
    }

    @Test(
        "restarted, killed and paused at random: each tick is read once, in order",
        arguments: Seeds(kept: [1, 2], weight: 0.004).all())
    func faults(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let tape = try TapeServer()
        let rig = try tape.openRig(lanes: 6)
        var schedule: [String] = []
        for _ in 0..<4 {
            work(rig, turns: Int.random(in: 60...150, using: &random), using: &random)
            let fault = Fault.allCases[Int.random(in: 0..<3, using: &random)]
            let milliseconds = Int.random(in: 0...3_500, using: &random)
            schedule.append("\(fault) \(milliseconds) ms")
            switch fault {
            case .restart: tape.server.stop()
            case .kill: tape.server.kill()
            case .pause: tape.server.pause()
            }
            work(rig, turns: 5, using: &random)
            rig.run(for: fault == .pause ? milliseconds : milliseconds / 4)
            switch fault {
            case .restart, .kill: try tape.server.start()
            case .pause: tape.server.resume()
            }
        }
        work(rig, turns: 60, using: &random)
        let told = "TAPELINE_SEED=\(seed), \(schedule)"
        #expect(rig.run { rig.publisher.isIdle }, "\(told): not all is acknowledged")
        for reader in rig.readers.indices { rig.expectTakenOnce(reader, told) }
        let packets = rig.taken.reduce(0) { $0 + $1.count }
        #expect(packets > 100, "\(told): \(packets) packets")
        #expect(
            rig.log.count("tape.rolled_back") == 0 && rig.log.count("tape.hole") == 0, "\(told)")
    }

    private func work(_ rig: TapeRig, turns: Int, using random: inout SeededRandom) {
        for _ in 0..<turns {
            for lane in rig.offered.indices {
                rig.offer(lane, ticks: Int.random(in: 0...3, using: &random))
            }
            rig.turn()
        }
    }

    @Test("a second publisher fences the first, which then writes nothing more")
    func fencing() throws {
        let tape = try TapeServer()
        let first = try tape.openRig()
        #expect(first.publishPackets(5, lane: 0))
        let second = try tape.openRig()
        #expect(second.run { second.publisher.isReady(lane: 0) })
        #expect(second.publisher.epoch(lane: 0) == first.publisher.epoch(lane: 0) + 1)
        #expect(second.publisher.nextOrdinal(lane: 0) == 6)
        first.offer(0)
        #expect(first.run { first.publisher.isFenced(lane: 0) })
        #expect(first.log.count("tape.publish.fenced") == 1)
        #expect(second.publishPackets(3, lane: 0))
        first.offer(0)
        first.run(for: 100)
        #expect(second.run { second.taken[0].last?.nextOrdinal == 9 })
        #expect(second.takenIDs[0] == [1, 2, 3, 4, 5, 1, 2, 3])
        let info = try #require(try second.client.jetStream.streamInfo(second.stream))
        #expect(info.lastSequence == 10, "two markers and eight packets")
    }

    @Test("a full stream lets the publisher wait; it goes on when there is room")
    func full() throws {
        let tape = try TapeServer(partitions: 4, bytesMax: 300_000)
        let rig = try tape.openRig()
        #expect(
            rig.run {
                if rig.publisher.isReady(lane: 0) { rig.offer(0, ticks: 1_000) }
                return rig.log.count("\"reason\":\"503, 10077") > 1
                    || rig.log.count("10077") > 1
            })
        #expect(!rig.publisher.isIdle(lane: 0))
        #expect(rig.run { rig.publisher.nextOrdinal(lane: 0) == rig.taken[0].last?.nextOrdinal })
        let before = rig.publisher.nextOrdinal(lane: 0)
        rig.run(for: 200)
        #expect(rig.publisher.nextOrdinal(lane: 0) == before)
        // Never a subject's newest message, because the next packet is compared with it.
        try rig.api("STREAM.PURGE.\(rig.stream)", #"{"keep":1}"#)
        #expect(rig.run { rig.publisher.isIdle && rig.hasTakenAll(0) })
        #expect(rig.log.count("tape.rolled_back") == 0)
        rig.expectTakenOnce(0)
    }

    @Test("publishing before the stream is there waits for it")
    func noStream() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(2, lane: 0))
        let other = try tape.rig(source: "late")
        try other.addLane(1)
        try other.api("STREAM.DELETE.\(tape.names.tickStream(1))")
        other.publisher.open()
        other.offer(0)
        #expect(other.run { other.log.count("tape.call.failed") > 2 })
        try other.client.ensureTickStreams(bytesMax: 256 * 1_048_576)
        #expect(other.run { other.publisher.isIdle })
        #expect(other.publisher.nextOrdinal(lane: 0) == 2)
    }

    @Test("streams that answer nothing hold nobody up: each is asked one question at a time")
    func silentStreams() throws {
        let tape = try TapeServer(partitions: 16)
        let proxy = try NatsProxy(to: tape.server.port)
        let rig = try tape.rig(through: proxy)
        for partition in 0..<16 {
            try rig.addLane(partition)
            rig.addReader(partition)
        }
        rig.publisher.open()
        #expect(rig.run { rig.publisher.isIdle })
        let question = "$JS.API.STREAM.MSG.GET."
        proxy.sicken(["md.ticks.", question], nil)
        for lane in 0..<16 { rig.offer(lane) }
        var turns = 0
        while rig.log.count("did not answer") < 8 {
            rig.turn()
            turns += 1
            let asked = proxy.sent(to: question)
            #expect(asked <= rig.log.count("did not answer") + 4, "in turn \(turns)")
            try #require(turns < 100_000)
        }
        #expect(rig.log.count("no answer came in time") == 16, "each lane's packet, once")
        proxy.calm()
        for reader in 0..<16 { rig.readers.open(reader, at: nil) }
        #expect(rig.run { rig.publisher.isIdle })
        for reader in 0..<16 { rig.expectTakenOnce(reader) }
    }
}
