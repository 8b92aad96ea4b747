import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// Tape data are destroyed, while publishers and readers work and before new ones start.
@Suite struct TapeDestructionTests {
    /// Returns a rig after ten packets of two ticks each were published and read.
    private func begun() throws -> (tape: TapeServer, rig: TapeRig) {
        try TapeServer.begun(packets: 10, ticks: 2)
    }

    private func lost(_ rig: TapeRig) -> (first: Int, last: Int)? {
        guard let line = rig.log.lines(with: "tape.rolled_back").first else { return nil }
        do {
            let json = try JSONValue.parse(Array(line.utf8))
            guard let first = json["lost.first"]?.int, let last = json["lost.last"]?.int else {
                return nil
            }
            return (first, last)
        } catch {
            return nil
        }
    }

    @Test("a purged stream: the publisher reports it, a reader that was behind stops")
    func purged() throws {
        let (_, rig) = try begun()
        let position = rig.readers.position(0)
        rig.readers.close(0)
        #expect(rig.publishPackets(2, lane: 0))
        try rig.api("STREAM.PURGE.\(rig.stream)")
        #expect(rig.publishPackets(1, lane: 0))
        let found = try #require(lost(rig))
        #expect(found == (1, 22))
        // After the lost ordinals come the record of the gap and the tick.
        #expect(rig.publisher.epoch(lane: 0) == 2 && rig.publisher.nextOrdinal(lane: 0) == 25)
        rig.readers.open(0, at: position)
        #expect(rig.run { rig.readers.problem(0) != nil })
        #expect(rig.readers.problem(0) == .positionBelowStart(sequence: 11, first: 14))
        #expect(rig.hasTakenAll(0) == false)
    }

    @Test("a stream purged under a reader that had read all costs it nothing")
    func purgedBehind() throws {
        let (_, rig) = try begun()
        try rig.api("STREAM.PURGE.\(rig.stream)")
        #expect(rig.publishPackets(3, lane: 0))
        rig.expectTakenOnce(0)
    }

    @Test("a stream deleted and made anew stops its living reader; the publisher opens anew")
    func recreated() throws {
        let (_, rig) = try begun()
        try rig.api("STREAM.DELETE.\(rig.stream)")
        rig.offer(0)
        #expect(rig.run { rig.log.count("tape.publish.unsettled") > 0 })
        #expect(rig.run { rig.log.count("does not exist yet") > 0 })
        #expect(rig.readers.problem(0) == nil, "it may come back")
        try rig.client.ensureTickStreams(bytesMax: 256 * 1_048_576)
        #expect(rig.run { rig.readers.problem(0) != nil && rig.publisher.isIdle })
        guard case .streamRecreated(let was, let new) = rig.readers.problem(0) else {
            Issue.record("\(String(describing: rig.readers.problem(0)))")
            return
        }
        #expect(was < new)
        #expect(try #require(lost(rig)) == (1, 20))
        #expect(rig.publisher.epoch(lane: 0) == 2 && rig.publisher.nextOrdinal(lane: 0) == 23)
        #expect(rig.takenIDs[0] == Array(1...20))
    }

    @Test("a store put back under living processes: both notice, the lost ordinals are named")
    func putBack() throws {
        let (tape, rig) = try begun()
        try tape.snapshot()
        rig.pass(5, ticks: 2)
        try tape.restoreSnapshot()
        #expect(rig.run { rig.readers.problem(0) != nil })
        #expect(rig.readers.problem(0) == .positionAboveEnd(sequence: 16, last: 11))
        #expect(rig.publishPackets(1, lane: 0))
        #expect(try #require(lost(rig)) == (21, 30))
        #expect(rig.publisher.epoch(lane: 0) == 2 && rig.publisher.nextOrdinal(lane: 0) == 33)
    }

    @Test("a store put back, with new messages behind it: the position holds another packet")
    func putBackAndWritten() throws {
        let (tape, rig) = try begun()
        try tape.snapshot()
        rig.pass(3, ticks: 2)
        let position = try #require(rig.readers.position(0))
        rig.readers.close(0)
        try tape.restoreSnapshot()
        // The marker and four packets, past the position, whose sequence exists again.
        #expect(rig.publishPackets(4, lane: 0))
        #expect(try #require(lost(rig)) == (21, 26))
        let other = try tape.rig()
        other.addReader(0)
        other.readers.open(0, at: position)
        #expect(other.run { other.readers.problem(0) != nil })
        guard case .otherPacket(14, let was, let new) = other.readers.problem(0) else {
            Issue.record("\(String(describing: other.readers.problem(0)))")
            return
        }
        #expect(was == position.packet && new.epoch == 2)
        #expect(other.taken[0].isEmpty)
        #expect(other.log.count("tape.reader.stopped") == 1)
    }

    @Test("a store put back to where a reader stands: what the tape lost is a hole, named once")
    func hole() throws {
        let (tape, rig) = try begun()
        let position = try #require(rig.readers.position(0))
        rig.readers.close(0)
        try tape.snapshot()
        #expect(rig.publishPackets(5, lane: 0, ticks: 2))
        try tape.restoreSnapshot()
        #expect(rig.publishPackets(2, lane: 0, ticks: 2))
        rig.readers.open(0, at: position)
        #expect(rig.run { rig.takenIDs[0].last == rig.offered[0] })
        #expect(rig.readers.problem(0) == nil)
        let holes = rig.log.lines(with: "\"tape.hole\"")
        #expect(holes.count == 1)
        #expect(holes.first?.contains("\"first\":21,\"last\":30") == true, "\(holes)")
        #expect(rig.takenIDs[0] == Array(1...20) + Array(31...34))
        #expect(rig.gaps.map(\.header.partition) == [Partition(0)])
        #expect(rig.gaps.map(\.ordinal) == [31] && rig.gaps.map(\.header.epoch) == [2])
        let gap = try #require(rig.gaps.first).gap
        #expect(gap.firstOrdinal == 21 && gap.lastOrdinal == 30)
        #expect(gap.reason == GapReason.tapeLost.rawValue)
        #expect(gap.header.symbol == TickHeader.noSymbol && gap.to.isDefined)
    }

    @Test("a gap whose own record is lost with the tape is named again, the new one with it")
    func gapOfGap() throws {
        let (tape, rig) = try begun()
        try tape.snapshot()
        #expect(rig.publishPackets(2, lane: 0, ticks: 2))
        for _ in 0..<2 {
            try tape.restoreSnapshot()
            #expect(rig.publishPackets(1, lane: 0))
        }
        let other = try tape.rig()
        other.addReader(0)
        other.readers.open(0, at: nil)
        #expect(other.run { other.takenIDs[0].last == rig.offered[0] })
        // Ticks 21 to 24, then the first record of the gap and the tick after it.
        #expect(other.gaps.map { $0.gap.firstOrdinal...$0.gap.lastOrdinal } == [21...26])
        #expect(other.gaps.map(\.ordinal) == [27])
    }

    @Test("what is no packet stops the reader at its place")
    func undecodable() throws {
        let (tape, rig) = try begun()
        try rig.publish("hello", to: tape.names.ticks(Partition(0), rig.source))
        #expect(rig.run { rig.readers.problem(0) != nil })
        guard case .undecodable(12, let error) = rig.readers.problem(0) else {
            Issue.record("\(String(describing: rig.readers.problem(0)))")
            return
        }
        #expect(error.reason == .truncated)
        // The publisher cannot know whose message that is. It reports it and waits for a person.
        rig.offer(0)
        #expect(rig.run { rig.log.count("tape.call.failed") > 1 })
        #expect(!rig.publisher.isIdle)
    }

    @Test("a hole to the end of all ordinals is told and does not trap")
    func hugeHole() throws {
        let (_, rig) = try begun()
        let end = UInt64(Int64.max)
        try rig.publishMarker(
            of: rig.source, startOrdinal: end, firstOrdinal: end, epoch: 2, previous: (1, 11))
        #expect(rig.run { rig.log.count("\"tape.hole\"") == 1 })
        #expect(rig.readers.problem(0) == nil)
    }
}
