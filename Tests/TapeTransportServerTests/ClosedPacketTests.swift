import MarketModel
import Primitives
import TapeCodec
import TapeTransport
import TestSupport
import Testing

@Suite("Full packets that wait beside their lane's next one")
struct ClosedPacketTests {
    /// Fills and closes packets of a lane until one has no room. Returns how many were closed.
    private func closeAll(_ rig: TapeRig, lane: Int) -> Int {
        var count = 0
        while true {
            rig.offer(lane, ticks: PacketLimits.ticksMax)
            #expect(rig.publisher.isFull(lane: lane))
            let watermark = Timestamp(nanoseconds: Int64(count))
            guard rig.publisher.close(lane: lane, watermark: watermark) else { return count }
            count += 1
        }
    }

    @Test("they are bounded per lane and in sum, hold back the watermark, and arrive in order")
    func bounds() throws {
        let tape = try TapeServer(partitions: 16)
        let rig = try tape.openRig(lanes: 10)
        #expect(rig.run { (0..<10).allSatisfy { rig.publisher.isReady(lane: $0) } })
        for lane in 0..<10 {
            rig.offer(lane)
            rig.publisher.publish(lane: lane, watermark: Timestamp(nanoseconds: -1))
        }
        // No answer is handled meanwhile, so each lane has a packet in flight.
        let closed = (0..<10).map { closeAll(rig, lane: $0) }
        let most = TapePublisher.closedOfLaneMax
        #expect(closed == Array(repeating: most, count: 8) + [0, 0])
        #expect(closed.reduce(0, +) == TapePublisher.closedMax)
        #expect(rig.publisher.waitingTicks(lane: 0) == (most + 1) * PacketLimits.ticksMax)
        #expect(
            rig.publisher.unacknowledgedTicks(lane: 0) == (most + 1) * PacketLimits.ticksMax + 1)
        #expect(rig.publisher.oldestUnacknowledged(lane: 0) == Timestamp(nanoseconds: 0))
        #expect(!rig.publisher.isIdle(lane: 0) && rig.publisher.hasClosed(lane: 0))
        for reader in 0..<10 { rig.expectTakenOnce(reader) }
        // Each packet has the watermark with which it was closed.
        let watermarks = rig.taken[0].filter { $0.tickCount > 0 }.map(\.watermark.nanoseconds)
        #expect(watermarks.dropLast() == ArraySlice((-1..<Int64(most)).map { $0 }))
        #expect(rig.publisher.isIdle && rig.publisher.canClose(lane: 9))
    }

    @Test("a lane that is given up forgets them")
    func reset() throws {
        let rig = try TapeServer().openRig()
        #expect(rig.run { rig.publisher.isReady(lane: 0) })
        rig.offer(0)
        rig.publisher.publish(lane: 0, watermark: .undefined)
        #expect(closeAll(rig, lane: 0) == TapePublisher.closedOfLaneMax)
        rig.publisher.reset(lane: 0)
        #expect(rig.publisher.waitingTicks(lane: 0) == 0 && !rig.publisher.hasClosed(lane: 0))
        #expect(rig.publisher.canClose(lane: 0) && rig.publisher.isIdle(lane: 0))
    }
}
