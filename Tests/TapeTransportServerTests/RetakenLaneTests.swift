import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// A subject and a partition that one process takes, gives up, and takes again.
@Suite struct RetakenLaneTests {
    /// Opens the subject above the epoch of its last owner.
    private func take(_ rig: TapeRig) -> Bool {
        rig.publisher.open(lane: 0)
        return rig.run { rig.publisher.isReady(lane: 0) }
    }

    private func publish(_ rig: TapeRig, _ count: Int) throws -> Bool {
        let symbol = rig.publisher.register(
            SymbolDefinition(
                symbol: try #require(Symbol("MSFT")), provider: "sim",
                since: Timestamp(nanoseconds: 0)), lane: 0)
        for _ in 0..<count {
            let time = Timestamp(nanoseconds: 1)
            let isIn = rig.publisher.append(
                Trade(
                    header: TickHeader(symbol: symbol, providerTime: time, receiveTime: time),
                    price: Price(raw: 1), size: Quantity(raw: 1)), lane: 0)
            #expect(isIn)
            guard rig.run(until: { rig.publisher.isIdle(lane: 0) }) else { return false }
        }
        return true
    }

    @Test("two processes exchange a subject, each of them twice: the ordinals stay dense")
    func exchanged() throws {
        let tape = try TapeServer()
        let (one, other, reader) = (try tape.rig(), try tape.rig(), try tape.rig())
        try one.addLane(0)
        try other.addLane(0)
        reader.addReader(0)
        reader.readers.open(0, at: nil)
        var epochs: [UInt64] = []
        for (turn, owner) in [one, other, one, other].enumerated() {
            // A symbol from before the reset would have the number of the new one.
            owner.publisher.reset(lane: 0)
            #expect(owner.publisher.epoch(lane: 0) == 0 && owner.publisher.isIdle(lane: 0))
            #expect(take(owner))
            epochs.append(owner.publisher.epoch(lane: 0))
            #expect(try publish(owner, 3))
            // In half of the turns the other owner notices by being fenced.
            if turn % 2 == 0 { owner.publisher.reset(lane: 0) }
        }
        #expect(epochs == [1, 2, 3, 4])
        #expect(reader.run { reader.taken[0].last?.nextOrdinal == 13 })
        var next: UInt64 = 1
        for header in reader.taken[0] {
            #expect(header.firstOrdinal == next)
            next = header.nextOrdinal
        }
        #expect(reader.log.count("tape.hole") == 0)
    }

    @Test("a fenced subject is reset, taken again above its fence, and published on")
    func fenced() throws {
        let tape = try TapeServer()
        let (one, other) = (try tape.rig(), try tape.rig())
        try one.addLane(0)
        try other.addLane(0)
        #expect(take(one))
        #expect(take(other))
        one.offer(0)
        #expect(one.run { one.publisher.isFenced(lane: 0) })
        one.publisher.reset(lane: 0)
        #expect(!one.publisher.isFenced(lane: 0) && one.publisher.waitingTicks(lane: 0) == 0)
        one.publisher.raise(nextOrdinal: 1, aboveEpoch: 9, lane: 0)
        #expect(take(one))
        #expect(one.publisher.epoch(lane: 0) == 10 && one.publisher.nextOrdinal(lane: 0) == 1)
        #expect(try publish(one, 1))
    }

    @Test("what was in flight when its owner let go is found by the next open, not lost")
    func inFlight() throws {
        let rig = try TapeServer().rig()
        try rig.addLane(0)
        #expect(take(rig))
        for round in 1...20 {
            rig.offer(0)
            rig.publisher.publish(lane: 0, watermark: .undefined)
            rig.publisher.reset(lane: 0)
            #expect(rig.publisher.isIdle(lane: 0))
            #expect(take(rig))
            #expect(rig.publisher.nextOrdinal(lane: 0) == UInt64(round + 1))
            let symbol = rig.publisher.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("AAPL")), provider: "sim",
                    since: Timestamp(nanoseconds: 0)), lane: 0)
            #expect(symbol == 0, "a lane that was reset knows no symbols")
        }
    }

    @Test("a reader that was closed opens again where others have gone on")
    func reader() throws {
        let (_, rig) = try TapeServer.begun(packets: 5)
        rig.readers.close(0)
        #expect(rig.run { ((try? rig.consumerNames().count) ?? 1) == 0 })
        #expect(rig.publishPackets(3, lane: 0))
        let middle = try #require(try rig.client.jetStream.message(stream: rig.stream, sequence: 8))
        let header = try middle.payload.withRawSpan { span throws(PacketError) in
            try PacketReader.validate(span)
        }
        let info = try #require(try rig.client.jetStream.streamInfo(rig.stream))
        rig.readers.open(
            0,
            at: TapePosition(
                streamCreated: info.created, sequence: 8, packet: header.identity,
                sources: [SourceOrdinal(source: rig.source, epoch: 1, lastOrdinal: 7)]))
        #expect(rig.run { rig.takenIDs[0] == [1, 2, 3, 4, 5, 8] })
    }
}
