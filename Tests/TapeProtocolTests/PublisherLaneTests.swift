import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

/// Every transition of a publisher's lane, one at a time.
@Suite struct PublisherLaneTests {
    @Test("an empty subject opens with epoch 1, ordinal 1, and its marker first")
    func opensEmpty() throws {
        let rig = try LaneRig()
        #expect(rig.lane.isIdle && rig.lane.deadline == nil)
        #expect(rig.handle(.open).readsLast == 1)
        #expect(!rig.lane.isIdle)
        #expect(rig.handle(.open).isEmpty, "opening twice is opening once")
        let marker = try #require(rig.handle(.lastRead(nil)).marker)
        #expect(marker.startOrdinal == 1 && marker.previousEpoch == 0)
        #expect(marker.previousSequence == 0 && marker.definition == 5 && marker.generation == 6)
        let sent = try #require(rig.publishMarker(marker))
        #expect(sent.expected == 0 && sent.attempt == 1)
        #expect(rig.handle(.acknowledged(attempt: 1, sequence: 9)).acknowledged == [9])
        #expect(rig.lane.isReady && rig.lane.isIdle && rig.lane.lastSequence == 9)
        #expect(rig.lane.nextOrdinal == 1, "a marker uses no ordinal up")
    }

    @Test("a subject with a predecessor opens behind it; the floor counts when it is higher")
    func opensBehind() throws {
        for (floor, epoch) in [(UInt64(0), UInt64(8)), (20, 21)] {
            let rig = try LaneRig(epochFloor: floor)
            _ = rig.handle(.open)
            let last = rig.last(epoch: 7, firstOrdinal: 100, ticks: 3, sequence: 55)
            let marker = try #require(rig.handle(.lastRead(last)).marker)
            #expect(marker.startOrdinal == 103 && marker.previousEpoch == epoch - 1)
            #expect(marker.previousSequence == 55)
            #expect(rig.lane.epoch == epoch)
            #expect(try #require(rig.publishMarker(marker)).expected == 55)
        }
    }

    @Test("reading that fails is repeated with growing waits up to a limit")
    func readFails() throws {
        let rig = try LaneRig.opening()
        var waits: [Int64] = []
        for _ in 0..<12 {
            #expect(rig.handle(.readFailed).isEmpty)
            let deadline = try #require(rig.lane.deadline)
            waits.append(deadline - rig.now)
            rig.now = deadline - 1
            #expect(rig.handle(.timePassed).isEmpty)
            rig.now = deadline
            #expect(rig.handle(.timePassed).readsLast == 1)
            #expect(rig.handle(.timePassed).isEmpty, "asked once")
        }
        let steps = waits.map { $0 / 1_000_000 }
        #expect(steps == [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000, 1_000, 1_000])
        #expect(rig.handle(.lastRead(nil)).marker != nil)
    }

    @Test("each packet follows the one before it")
    func publishes() throws {
        let rig = try LaneRig(openAt: 10)
        let first = try #require(rig.publish(ticks: 3))
        #expect(first.expected == 10 && first.packet.header.firstOrdinal == 1)
        #expect(!rig.lane.isReady && !rig.lane.isIdle)
        #expect(rig.lane.oldestUnacknowledged == Timestamp(nanoseconds: 0))
        #expect(
            rig.handle(.acknowledged(attempt: first.attempt, sequence: 14)).acknowledged == [14])
        #expect(rig.lane.nextOrdinal == 4)
        #expect(!rig.lane.oldestUnacknowledged.isDefined)
        let second = try #require(rig.publish(ticks: 1))
        #expect(second.expected == 14 && second.attempt == first.attempt + 1)
    }

    @Test("answers to an older attempt change nothing")
    func olderAttempt() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 1))
        for event in [
            PublisherLane.Event.acknowledged(attempt: sent.attempt - 1, sequence: 99),
            .outOfSequence(attempt: sent.attempt - 1), .notStored(attempt: sent.attempt - 1),
            .inProcess(attempt: sent.attempt - 1), .lastRead(nil), .readFailed,
        ] {
            #expect(rig.handle(event).isEmpty)
            #expect(rig.lane.lastSequence == 10 && !rig.lane.isReady)
            #expect(rig.lane.deadline == rig.now + PublisherLane.acknowledgementNanosecondsMax)
        }
    }

    @Test("what is known to be not stored goes out again, the same bytes, after a wait")
    func notStored() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        #expect(rig.handle(.notStored(attempt: sent.attempt)).isEmpty)
        #expect(rig.lane.deadline == rig.now + 10_000_000)
        #expect(rig.lane.oldestUnacknowledged == Timestamp(nanoseconds: 0))
        rig.now += 9_999_999
        #expect(rig.handle(.timePassed).isEmpty)
        rig.now += 1
        let again = try #require(rig.handle(.timePassed).published)
        #expect(again.attempt == sent.attempt + 1 && again.expected == 10)
        #expect(again.packet.withBytes { $0.array } == sent.packet.withBytes { $0.array })
        // The answer to the first attempt comes late and does not belong to this one.
        #expect(rig.handle(.acknowledged(attempt: sent.attempt, sequence: 11)).isEmpty)
    }

    @Test("a write that is in process is waited for from 50 ms on, and nothing is read")
    func inProcess() throws {
        let rig = try LaneRig(openAt: 10)
        var sent = try #require(rig.publish(ticks: 2))
        let first = sent
        let end = rig.now + 10_000_000_000
        var waits: [Int64] = []
        var sends = 1
        while rig.now < end {
            let stale = PublisherLane.Event.inProcess(attempt: sent.attempt - 1)
            #expect(rig.handle(stale).isEmpty, "an answer to an older attempt")
            #expect(rig.handle(.inProcess(attempt: sent.attempt)).isEmpty)
            let deadline = try #require(rig.lane.deadline)
            waits.append((deadline - rig.now) / 1_000_000)
            rig.now = deadline - 1
            #expect(rig.handle(.timePassed).isEmpty)
            rig.now = deadline
            let effects = rig.handle(.timePassed)
            #expect(effects.readsLast == 0 && effects.fence == nil)
            sent = try #require(effects.published)
            sends += 1
            #expect(sent.expected == 10 && sent.packet.identity == first.packet.identity)
        }
        #expect(waits.prefix(6) == [50, 100, 200, 400, 800, 1_000])
        #expect(sends <= 50, "\(sends) copies in 10 s")
        #expect(
            rig.handle(.acknowledged(attempt: sent.attempt, sequence: 12)).acknowledged == [12])
        // The next failure begins with short waits again.
        let next = try #require(rig.publish(ticks: 1))
        _ = rig.handle(.inProcess(attempt: next.attempt))
        #expect(rig.lane.deadline == rig.now + 50_000_000)
    }

    @Test("an earlier copy that lands behind \"in process\" is found, and not sent again")
    func inProcessLanded() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        _ = rig.handle(.inProcess(attempt: sent.attempt))
        let again = try rig.waitForPublish()
        #expect(rig.handle(.outOfSequence(attempt: again.attempt)).readsLast == 1)
        let last = LastPacket(sequence: 13, header: sent.packet.header)
        #expect(rig.handle(.lastRead(last)).acknowledged == [13])
    }

    @Test("when nobody served some subject, its fate is read; an answer that comes counts")
    func unanswered() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        #expect(rig.handle(.unanswered(attempt: sent.attempt - 1)).isEmpty)
        #expect(rig.handle(.unanswered(attempt: sent.attempt)).readsLast == 1)
        #expect(rig.handle(.acknowledged(attempt: sent.attempt - 1, sequence: 12)).isEmpty)
        #expect(
            rig.handle(.acknowledged(attempt: sent.attempt, sequence: 12)).acknowledged == [12])
        #expect(rig.lane.isReady && rig.lane.nextOrdinal == 3)
        // The answer of an earlier read comes late.
        #expect(rig.handle(.lastRead(rig.storedMarker)).isEmpty && rig.lane.isReady)
    }

    @Test("no answer in two seconds: its fate is read from the tape", arguments: [true, false])
    func timeOut(landed: Bool) throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        rig.now += PublisherLane.acknowledgementNanosecondsMax - 1
        #expect(rig.handle(.timePassed).isEmpty)
        rig.now += 1
        #expect(rig.handle(.timePassed).readsLast == 1)
        #expect(rig.lane.deadline == nil && rig.lane.oldestUnacknowledged.isDefined)
        if landed {
            let last = LastPacket(sequence: 12, header: sent.packet.header)
            #expect(rig.handle(.lastRead(last)).acknowledged == [12])
            #expect(rig.lane.nextOrdinal == 3 && rig.lane.lastSequence == 12)
        } else {
            let again = try #require(rig.handle(.lastRead(rig.storedMarker)).published)
            #expect(again.expected == 10 && again.packet.identity == sent.packet.identity)
        }
    }

    @Test("reading its fate may fail, and is repeated")
    func resolvingFails() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        #expect(rig.handle(.outOfSequence(attempt: sent.attempt)).readsLast == 1)
        _ = rig.handle(.readFailed)
        try rig.waitForRead()
    }

    @Test("a packet of its own bytes at an old sequence has not landed there")
    func oldSequence() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try rig.outOfSequence(ticks: 2)
        let last = LastPacket(sequence: 10, header: sent.packet.header)
        let effects = rig.handle(.lastRead(last))
        #expect(effects.acknowledged.isEmpty && effects.marker != nil)
    }

    @Test("a higher epoch fences for good")
    func fenced() throws {
        let rig = try LaneRig(openAt: 10)
        try rig.outOfSequence(ticks: 2)
        let last = rig.last(epoch: 2, firstOrdinal: 1, ticks: 0, sequence: 11)
        let fence = try #require(rig.handle(.lastRead(last)).fence)
        #expect(fence.ours == 1 && fence.theirs == 2)
        #expect(rig.lane.isFenced && rig.lane.isIdle && rig.lane.deadline == nil)
        rig.now += 60_000_000_000
        for event in [PublisherLane.Event.open, .timePassed, .lastRead(nil), .readFailed] {
            #expect(rig.handle(event).isEmpty)
        }
    }

    @Test("reset in flight: what comes about it is told apart, and it is met when it lands late")
    func resetInFlight() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        rig.lane.reset()
        #expect(rig.lane.isIdle && rig.lane.epoch == 0 && rig.lane.deadline == nil)
        #expect(rig.handle(.acknowledged(attempt: sent.attempt, sequence: 11)).isEmpty)
        #expect(rig.handle(.open).readsLast == 1)
        let marker = try #require(rig.handle(.lastRead(rig.storedMarker)).marker)
        #expect(marker.startOrdinal == 1 && marker.previousEpoch == 1)
        #expect(marker.definition == 5 && marker.generation == 6, "what markers say stays")
        let opened = try #require(rig.publishMarker(marker))
        #expect(opened.attempt > sent.attempt)
        #expect(rig.handle(.acknowledged(attempt: sent.attempt, sequence: 11)).isEmpty)
        // The packet from before came in between.
        #expect(rig.handle(.outOfSequence(attempt: opened.attempt)).readsLast == 1)
        let last = LastPacket(sequence: 11, header: sent.packet.header)
        let second = try #require(rig.handle(.lastRead(last)).marker)
        #expect(second.startOrdinal == 3 && second.previousEpoch == 2)
    }

    @Test("reset when fenced: it opens above whoever fenced it, and floors count anew")
    func resetWhenFenced() throws {
        let rig = try LaneRig(openAt: 10)
        try rig.outOfSequence(ticks: 2)
        let last = rig.last(epoch: 7, firstOrdinal: 1, ticks: 4, sequence: 12)
        _ = rig.handle(.lastRead(last))
        #expect(rig.lane.isFenced)
        rig.lane.reset()
        #expect(rig.raise(1, aboveEpoch: 8).isEmpty)
        _ = rig.handle(.open)
        let marker = try #require(rig.handle(.lastRead(last)).marker)
        #expect(marker.startOrdinal == 5 && marker.previousEpoch == 8 && rig.lane.epoch == 9)
    }

    @Test("opened behind what was read elsewhere; when that is old, the subject is read again")
    func opensBehindKnown() throws {
        for isOld in [false, true] {
            let rig = try LaneRig()
            var effects: [PublisherLane.Effect] = []
            let last = rig.last(epoch: 7, firstOrdinal: 100, ticks: 3, sequence: 55)
            rig.lane.open(behind: last, now: rig.now, into: &effects)
            #expect(effects.readsLast == 0)
            let marker = try #require(effects.marker)
            #expect(marker.startOrdinal == 103 && rig.lane.epoch == 8)
            let sent = try #require(rig.publishMarker(marker))
            #expect(sent.expected == 55)
            guard isOld else { continue }
            #expect(rig.handle(.outOfSequence(attempt: sent.attempt)).readsLast == 1)
            let newer = rig.last(epoch: 7, firstOrdinal: 103, ticks: 2, sequence: 56)
            let second = try #require(rig.handle(.lastRead(newer)).marker)
            #expect(second.startOrdinal == 105 && rig.lane.epoch == 9)
            rig.lane.open(behind: last, now: rig.now, into: &effects)
            #expect(rig.lane.epoch == 9, "opening twice is opening once")
        }
    }

    @Test("an epoch beyond which there is none fences, and does not trap")
    func lastEpoch() throws {
        let rig = try LaneRig.opening()
        let last = rig.last(epoch: UInt64.max, firstOrdinal: 1, ticks: 0, sequence: 11)
        #expect(try #require(rig.handle(.lastRead(last)).fence).theirs == UInt64.max)
        #expect(rig.lane.isFenced)
    }

    @Test("an older state of the tape: the lost ordinals are named, and never used again")
    func rolledBack() throws {
        let rig = try LaneRig(openAt: 10)
        try rig.land(ticks: 4, at: 11)
        try rig.outOfSequence(ticks: 2)
        let effects = rig.handle(.lastRead(rig.storedMarker))
        let lost = try #require(effects.lost)
        #expect(lost.ordinals == 1...4 && lost.sequence == 10)
        let marker = try #require(effects.marker)
        #expect(marker.startOrdinal == 5 && rig.lane.epoch == 2 && rig.lane.nextOrdinal == 5)
        // The packet that was in flight is sent again in the new epoch.
        let first = try #require(rig.publishMarker(marker))
        let carried = try #require(
            rig.handle(.acknowledged(attempt: first.attempt, sequence: 12)).published)
        #expect(carried.packet.header.epoch == 2 && carried.packet.header.firstOrdinal == 5)
        #expect(carried.packet.header.tickCount == 2 && carried.expected == 12)
        let stored = carried.packet.withBytes { $0.array }
        #expect(try stored.withRawSpan { try PacketReader.validate($0) } == carried.packet.header)
    }

    @Test("an empty subject where packets stood")
    func emptied() throws {
        let rig = try LaneRig(openAt: 10)
        try rig.outOfSequence(ticks: 2)
        let effects = rig.handle(.lastRead(nil))
        let lost = try #require(effects.lost)
        #expect(lost.ordinals == nil && lost.sequence == 0, "no tick was acknowledged yet")
        #expect(try #require(effects.marker).previousSequence == 0)
    }

    @Test("the same sequence under another packet is a tape that was put back and written anew")
    func rewritten() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        rig.now += PublisherLane.acknowledgementNanosecondsMax
        _ = rig.handle(.timePassed)
        let other = rig.last(epoch: 1, firstOrdinal: 30, ticks: 5, sequence: 10)
        let effects = rig.handle(.lastRead(other))
        #expect(effects.published == nil, "it would pass the comparison")
        #expect(effects.lost != nil && sent.packet.header.epoch == 1)
        let marker = try #require(effects.marker)
        #expect(rig.lane.epoch == 2 && marker.startOrdinal == 35)
    }

    @Test("a rival that opened the same epoch first: ours is opened behind it")
    func rival() throws {
        let rig = try LaneRig.opening()
        let marker = try #require(rig.handle(.lastRead(nil)).marker)
        let sent = try #require(rig.publishMarker(marker))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        let theirs = rig.last(epoch: 1, firstOrdinal: 1, ticks: 0, sequence: 3)
        let effects = rig.handle(.lastRead(theirs))
        #expect(effects.lost == nil)
        let next = try #require(effects.marker)
        #expect(next.previousEpoch == 1 && rig.lane.epoch == 2)
        // The refused marker is not carried along as if it were content.
        let again = try #require(rig.publishMarker(next))
        let landed = rig.handle(.acknowledged(attempt: again.attempt, sequence: 4))
        #expect(landed.published == nil && rig.lane.isReady)
    }

    @Test("the packet that waits behind a marker survives whatever the marker meets")
    func waitingBehindMarker() throws {
        let rig = try LaneRig(openAt: 10)
        try rig.outOfSequence(ticks: 2)
        let marker = try #require(rig.handle(.lastRead(nil)).marker)
        #expect(rig.lane.oldestUnacknowledged == Timestamp(nanoseconds: 0))
        // Refused, and sent again.
        let first = try #require(rig.publishMarker(marker))
        _ = rig.handle(.notStored(attempt: first.attempt))
        let second = try rig.waitForPublish()
        // Unanswered, not found on the tape, and sent again.
        try rig.waitForRead()
        _ = rig.handle(.readFailed)
        try rig.waitForRead()
        let third = try #require(rig.handle(.lastRead(nil)).published)
        #expect(second.packet.identity == third.packet.identity)
        // A rival was first: another epoch, another marker.
        _ = rig.handle(.outOfSequence(attempt: third.attempt))
        let rival = rig.last(epoch: 2, firstOrdinal: 1, ticks: 0, sequence: 3)
        let anew = try #require(rig.handle(.lastRead(rival)).marker)
        let fourth = try #require(rig.publishMarker(anew))
        #expect(rig.lane.oldestUnacknowledged == Timestamp(nanoseconds: 0))
        let landed = rig.handle(.acknowledged(attempt: fourth.attempt, sequence: 4))
        let packet = try #require(landed.published?.packet)
        #expect(packet.header.epoch == 3 && packet.header.tickCount == 2)
    }

    @Test("publishing when it is not its turn is a bug")
    func trapsMisuse() async {
        await #expect(processExitsWith: .failure) {
            let rig = try LaneRig()
            _ = rig.publish(ticks: 1)
        }
        await #expect(processExitsWith: .failure) {
            let rig = try LaneRig(openAt: 10)
            _ = rig.publishMarker(
                EpochMarker(
                    startOrdinal: 1, previousEpoch: 0, previousSequence: 0, definition: 0,
                    generation: 0))
        }
    }
}
