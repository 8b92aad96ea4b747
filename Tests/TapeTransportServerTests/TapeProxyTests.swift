import MarketModel
import NatsTransport
import Primitives
import Seeds
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// Faults that only a network causes: links cut with messages under way, answers lost, late, or
/// wrong.
@Suite struct TapeProxyTests {
    typealias Fault = FaultSchedule.Fault

    @Test("delivered but unread when the link is cut: read again, nothing skipped, nothing twice")
    func cutUnread() throws {
        let tape = try TapeServer()
        let writer = try tape.rig()
        let proxy = try NatsProxy(to: tape.server.port)
        let reader = try tape.rig(through: proxy)
        try writer.addLane(0)
        reader.addReader(0)
        writer.publisher.open()
        reader.readers.open(0, at: nil)
        #expect(writer.publishPackets(3, lane: 0))
        #expect(reader.run { reader.takenIDs[0].count == 3 })
        for round in 1...3 {
            let before = proxy.seen(.delivery)
            proxy.freeze(.toClient)
            #expect(writer.publishPackets(20, lane: 0))
            #expect(eventually { proxy.seen(.delivery) >= before + 20 }, "the server sent them")
            proxy.cut()
            proxy.thaw()
            #expect(reader.run { reader.reconnects == round })
            #expect(reader.takenIDs[0].count == 3 + (round - 1) * 20, "none of them arrived")
            #expect(reader.run { reader.takenIDs[0].count == 3 + round * 20 })
        }
        reader.offered = writer.offered
        reader.expectTakenOnce(0)
    }

    @Test("acknowledgements that never come: the packet is found on the tape and not sent again")
    func lostAcknowledgements() throws {
        let world = try FaultWorld(lanes: 3, seed: 1)
        world.work(turns: 30)
        world.proxy.lose(3, .acknowledgement)
        #expect(world.work { world.unsettled >= 3 })
        world.work(turns: 20)
        try world.expectStoredAndTakenOnce("acknowledgements lost")
        #expect(world.proxy.struck(.acknowledgement) == 3)
        #expect(world.rig.log.count("no answer came in time") >= 3)
        // A machine that pauses for seconds causes time-outs itself.
        if world.unsettled == 3 {
            #expect(world.rig.log.count("another message is the last") == 0, "sent again")
        }
    }

    @Test("acknowledgements that come after the packet was settled mean nothing any more")
    func lateAcknowledgements() throws {
        let world = try FaultWorld(lanes: 2, seed: 2)
        world.work(turns: 30)
        world.proxy.hold(2, .acknowledgement)
        #expect(world.work { world.unsettled >= 2 })
        // Others are on their way when the late ones come.
        world.work(turns: 10)
        #expect(world.proxy.heldNow == 2)
        world.proxy.release()
        world.work(turns: 30)
        try world.expectStoredAndTakenOnce("acknowledgements late")
    }

    @Test("a packet that arrives after it was sent again finds its place taken: by itself")
    func latePublishes() throws {
        let world = try FaultWorld(lanes: 2, seed: 3)
        world.work(turns: 30)
        world.proxy.hold(2, .publish)
        #expect(world.work { world.unsettled >= 2 })
        world.work(turns: 30)
        #expect(world.proxy.heldNow == 2)
        world.proxy.release()
        world.work(turns: 30)
        try world.expectStoredAndTakenOnce("packets late")
        #expect(world.proxy.struck(.publish) == 2)
    }

    @Test(
        "refused: the same bytes go out again, and stand once whether they were stored or not",
        arguments: [FaultSchedule.ingestQueueFull, FaultSchedule.inProcess, .noResponders],
        [true, false])
    func refused(_ refusal: NatsProxy.Refusal, stored: Bool) throws {
        let world = try FaultWorld(lanes: 2, seed: 4)
        let comment = "\(refusal), stored: \(stored)"
        for round in 1...5 {
            world.work(turns: 10)
            world.proxy.refuse(3, refusal, stored: stored)
            #expect(world.work { world.proxy.struck(.publish) >= 3 * round }, "\(comment)")
        }
        try world.expectStoredAndTakenOnce(comment)
        // A stored packet is found on the tape when its second copy is refused.
        let isFound = world.rig.log.count("another message is the last") > 0
        // If there were no responders, the outcome is read immediately: nothing stored is sent
        // again.
        #expect(isFound == (stored && refusal != .noResponders), "\(comment)")
    }

    @Test("deliveries and pulls that get lost on a link that stays: noticed, read again")
    func lostDeliveries() throws {
        let world = try FaultWorld(lanes: 2, seed: 5)
        world.work(turns: 20)
        world.proxy.lose(3, .delivery)
        world.work(turns: 30)
        try world.strike(.cut)
        world.proxy.lose(4, .pull)
        world.work(turns: 60)
        try world.expectStoredAndTakenOnce("deliveries and pulls lost")
        #expect(world.missedDeliveries > 0)
    }

    @Test("a delivery that comes when its consumer was given up changes nothing")
    func lateDelivery() throws {
        let world = try FaultWorld(lanes: 1, seed: 6)
        world.work(turns: 30)
        #expect(world.work { world.rig.taken[0].count > 10 })
        world.proxy.hold(1, .delivery)
        // The number of the next one shows that one is missing.
        #expect(world.work { world.missedDeliveries == 1 })
        let count = world.rig.taken[0].count
        #expect(world.work { world.rig.taken[0].count > count + 10 })
        #expect(world.proxy.heldNow == 1)
        world.proxy.release()
        world.work(turns: 40)
        try world.expectStoredAndTakenOnce("a delivery late")
        #expect(world.missedDeliveries == 1)
    }

    @Test(
        "everything at once, in an order that follows from a seed",
        arguments: Seeds(kept: [1, 2], failed: [682_374_472], weight: 0.004).all())
    func schedule(seed: UInt64) throws {
        let schedule = FaultSchedule(seed: seed, lanes: 4, steps: 8)
        print("faults of the tape: \(schedule)")
        let world = try FaultWorld(seed: seed)
        do {
            try world.run(schedule)
            try world.expectStoredAndTakenOnce("\(schedule)")
        } catch {
            Issue.record("\(schedule): \(error)")
        }
        #expect(world.ticks > 100, "\(schedule): \(world.ticks) ticks")
    }
}
