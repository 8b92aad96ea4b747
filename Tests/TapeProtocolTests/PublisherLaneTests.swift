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
        let rig = try LaneRig()
        _ = rig.handle(.open)
        var waits: [Int64] = []
        for _ in 0..<12 {
            #expect(rig.handle(.readFailed).isEmpty)
            let deadline = try #require(rig.lane.deadline)
            waits.append(deadline - rig.now)
            rig.now = deadline - 1
            #expect(rig.handle(.tick).isEmpty)
            rig.now = deadline
            #expect(rig.handle(.tick).readsLast == 1)
            #expect(rig.handle(.tick).isEmpty, "asked once")
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
            .lastRead(nil), .readFailed,
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
        #expect(rig.handle(.tick).isEmpty)
        rig.now += 1
        let again = try #require(rig.handle(.tick).published)
        #expect(again.attempt == sent.attempt + 1 && again.expected == 10)
        #expect(again.packet.withBytes { $0.array } == sent.packet.withBytes { $0.array })
        // The answer to the first attempt comes late: it is not this one's.
        #expect(rig.handle(.acknowledged(attempt: sent.attempt, sequence: 11)).isEmpty)
    }

    @Test("no answer in two seconds: its fate is read from the tape", arguments: [true, false])
    func timeOut(landed: Bool) throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        rig.now += PublisherLane.acknowledgementNanosecondsMax - 1
        #expect(rig.handle(.tick).isEmpty)
        rig.now += 1
        #expect(rig.handle(.tick).readsLast == 1)
        #expect(rig.lane.deadline == nil && rig.lane.oldestUnacknowledged.isDefined)
        if landed {
            let last = LastPacket(sequence: 12, header: sent.packet.header)
            #expect(rig.handle(.lastRead(last)).acknowledged == [12])
            #expect(rig.lane.nextOrdinal == 3 && rig.lane.lastSequence == 12)
        } else {
            let again = try #require(rig.handle(.lastRead(rig.standing)).published)
            #expect(again.expected == 10 && again.packet.identity == sent.packet.identity)
        }
    }

    @Test("reading its fate may fail, and is repeated")
    func resolvingFails() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        #expect(rig.handle(.outOfSequence(attempt: sent.attempt)).readsLast == 1)
        _ = rig.handle(.readFailed)
        rig.now = try #require(rig.lane.deadline)
        #expect(rig.handle(.tick).readsLast == 1)
    }

    @Test("a packet of its own bytes at an old sequence has not landed there")
    func oldSequence() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        let last = LastPacket(sequence: 10, header: sent.packet.header)
        let effects = rig.handle(.lastRead(last))
        #expect(effects.acknowledged.isEmpty && effects.marker != nil)
    }

    @Test("a higher epoch fences for good")
    func fenced() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        let last = rig.last(epoch: 2, firstOrdinal: 1, ticks: 0, sequence: 11)
        let fence = try #require(rig.handle(.lastRead(last)).fence)
        #expect(fence.ours == 1 && fence.theirs == 2)
        #expect(rig.lane.isFenced && rig.lane.isIdle && rig.lane.deadline == nil)
        rig.now += 60_000_000_000
        for event in [PublisherLane.Event.open, .tick, .lastRead(nil), .readFailed] {
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
        let marker = try #require(rig.handle(.lastRead(rig.standing)).marker)
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
        let sent = try #require(rig.publish(ticks: 2))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
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
        let rig = try LaneRig()
        _ = rig.handle(.open)
        let last = rig.last(epoch: UInt64.max, firstOrdinal: 1, ticks: 0, sequence: 11)
        #expect(try #require(rig.handle(.lastRead(last)).fence).theirs == UInt64.max)
        #expect(rig.lane.isFenced)
    }

    @Test("an older state of the tape: the lost ordinals are named, and never used again")
    func rolledBack() throws {
        let rig = try LaneRig(openAt: 10)
        let before = try #require(rig.publish(ticks: 4))
        _ = rig.handle(.acknowledged(attempt: before.attempt, sequence: 11))
        let sent = try #require(rig.publish(ticks: 2))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        let effects = rig.handle(.lastRead(rig.standing))
        let lost = try #require(effects.lost)
        #expect(lost.ordinals == 1...4 && lost.sequence == 10)
        let marker = try #require(effects.marker)
        #expect(marker.startOrdinal == 5 && rig.lane.epoch == 2 && rig.lane.nextOrdinal == 5)
        // The packet that was in flight goes on in the new epoch.
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
        let sent = try #require(rig.publish(ticks: 2))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
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
        _ = rig.handle(.tick)
        let other = rig.last(epoch: 1, firstOrdinal: 30, ticks: 5, sequence: 10)
        let effects = rig.handle(.lastRead(other))
        #expect(effects.published == nil, "it would pass the comparison")
        #expect(effects.lost != nil && sent.packet.header.epoch == 1)
        let marker = try #require(effects.marker)
        #expect(rig.lane.epoch == 2 && marker.startOrdinal == 35)
    }

    @Test("a rival that opened the same epoch first: ours is opened behind it")
    func rival() throws {
        let rig = try LaneRig()
        _ = rig.handle(.open)
        let marker = try #require(rig.handle(.lastRead(nil)).marker)
        let sent = try #require(rig.publishMarker(marker))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        let theirs = rig.last(epoch: 1, firstOrdinal: 1, ticks: 0, sequence: 3)
        let effects = rig.handle(.lastRead(theirs))
        #expect(effects.lost == nil)
        let next = try #require(effects.marker)
        #expect(next.previousEpoch == 1 && rig.lane.epoch == 2)
        // The marker that was refused is not carried along as if it were content.
        let again = try #require(rig.publishMarker(next))
        let landed = rig.handle(.acknowledged(attempt: again.attempt, sequence: 4))
        #expect(landed.published == nil && rig.lane.isReady)
    }

    @Test("the packet that waits behind a marker survives whatever the marker meets")
    func waitingBehindMarker() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 2))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        let marker = try #require(rig.handle(.lastRead(nil)).marker)
        #expect(rig.lane.oldestUnacknowledged == Timestamp(nanoseconds: 0))
        // Refused, and sent again.
        let first = try #require(rig.publishMarker(marker))
        _ = rig.handle(.notStored(attempt: first.attempt))
        rig.now = try #require(rig.lane.deadline)
        let second = try #require(rig.handle(.tick).published)
        // Not answered, not there, and sent again.
        rig.now = try #require(rig.lane.deadline)
        #expect(rig.handle(.tick).readsLast == 1)
        _ = rig.handle(.readFailed)
        rig.now = try #require(rig.lane.deadline)
        #expect(rig.handle(.tick).readsLast == 1)
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

    // MARK: raised

    @Test("raised before it opens: the first epoch starts there, and says what is gone")
    func raisedClosed() throws {
        for isOpening in [false, true] {
            let rig = try LaneRig()
            if isOpening { _ = rig.handle(.open) }
            #expect(rig.raise(500, aboveEpoch: 11).isEmpty)
            if !isOpening { _ = rig.handle(.open) }
            let last = rig.last(epoch: 7, firstOrdinal: 100, ticks: 3, sequence: 55)
            let effects = rig.handle(.lastRead(last))
            #expect(try #require(effects.lost).ordinals == 103...499)
            #expect(effects.markerLost == 103...499)
            let marker = try #require(effects.marker)
            #expect(marker.startOrdinal == 500 && marker.previousEpoch == 11)
            #expect(marker.previousSequence == 55 && rig.lane.epoch == 12)
            #expect(try #require(rig.publishMarker(marker)).expected == 55)
        }
    }

    @Test("raised to what the tape says anyway, nothing is lost")
    func raisedToNoNews() throws {
        let rig = try LaneRig()
        _ = rig.raise(103, aboveEpoch: 7)
        _ = rig.handle(.open)
        let last = rig.last(epoch: 7, firstOrdinal: 100, ticks: 3, sequence: 55)
        let effects = rig.handle(.lastRead(last))
        #expect(effects.lost == nil && effects.markerLost == nil)
        #expect(try #require(effects.marker).startOrdinal == 103 && rig.lane.epoch == 8)
        let open = try LaneRig(openAt: 10)
        #expect(open.raise(1, aboveEpoch: 1).isEmpty && open.lane.isReady)
    }

    @Test("raised when ready: the subject is read again, and a new epoch opens, once")
    func raisedReady() throws {
        let rig = try LaneRig(openAt: 10)
        #expect(rig.raise(6).readsLast == 1 && !rig.lane.isReady && !rig.lane.isIdle)
        #expect(rig.raise(6).isEmpty && rig.raise(4).isEmpty, "asked once")
        _ = rig.handle(.readFailed)
        rig.now = try #require(rig.lane.deadline)
        #expect(rig.handle(.tick).readsLast == 1)
        let effects = rig.handle(.lastRead(rig.standing))
        let lost = try #require(effects.lost)
        #expect(lost.ordinals == 1...5 && lost.sequence == 10 && effects.markerLost == 1...5)
        let marker = try #require(effects.marker)
        #expect(marker.startOrdinal == 6 && marker.previousEpoch == 1)
        #expect(marker.previousSequence == 10 && marker.definition == 5)
        #expect(rig.lane.nextOrdinal == 6 && rig.lane.epoch == 2)
        let sent = try #require(rig.publishMarker(marker))
        #expect(sent.expected == 10)
        _ = rig.handle(.acknowledged(attempt: sent.attempt, sequence: 11))
        #expect(rig.lane.isReady && rig.raise(6).isEmpty)
        #expect(try #require(rig.publish(ticks: 1)).packet.header.firstOrdinal == 6)
    }

    @Test("raised by what a successor published: fenced, and nothing is lost")
    func raisedBySuccessor() throws {
        let rig = try LaneRig(openAt: 10)
        _ = rig.raise(6)
        let last = rig.last(epoch: 2, firstOrdinal: 1, ticks: 5, sequence: 12)
        let effects = rig.handle(.lastRead(last))
        #expect(effects.lost == nil && effects.marker == nil)
        #expect(try #require(effects.fence).theirs == 2 && rig.lane.isFenced)
    }

    @Test("raised over a tape that was put back unnoticed: told once, in whole")
    func raisedOverPutBack() throws {
        let rig = try LaneRig(openAt: 10)
        let sent = try #require(rig.publish(ticks: 4))
        _ = rig.handle(.acknowledged(attempt: sent.attempt, sequence: 11))
        _ = rig.raise(9)
        let effects = rig.handle(.lastRead(rig.standing))
        #expect(try #require(effects.lost).ordinals == 1...8 && effects.markerLost == 1...8)
        #expect(try #require(effects.marker).previousSequence == 10)
    }

    @Test("raised by an epoch alone: a new epoch, and nothing is told as lost")
    func raisedEpoch() throws {
        let rig = try LaneRig(openAt: 10)
        #expect(rig.raise(1, aboveEpoch: 1).isEmpty)
        #expect(rig.raise(1, aboveEpoch: 4).readsLast == 1)
        let effects = rig.handle(.lastRead(rig.standing))
        #expect(effects.lost == nil && effects.markerLost == nil)
        #expect(try #require(effects.marker).previousEpoch == 4 && rig.lane.epoch == 5)
        #expect(rig.lane.nextOrdinal == 1)
    }

    @Test("raised in flight: the packet is settled first; what it holds is no news")
    func raisedInFlight() throws {
        for (floor, isNews) in [(UInt64(3), false), (4, true)] {
            let rig = try LaneRig(openAt: 10)
            let sent = try #require(rig.publish(ticks: 2))
            #expect(rig.raise(floor).isEmpty && rig.lane.epoch == 1)
            // Not stored, sent again, not answered, and found: the same bytes all the time.
            _ = rig.handle(.notStored(attempt: sent.attempt))
            #expect(rig.raise(floor).isEmpty)
            rig.now = try #require(rig.lane.deadline)
            let again = try #require(rig.handle(.tick).published)
            #expect(again.packet.identity == sent.packet.identity)
            rig.now = try #require(rig.lane.deadline)
            #expect(rig.handle(.tick).readsLast == 1)
            #expect(rig.raise(floor).isEmpty)
            let last = LastPacket(sequence: 11, header: sent.packet.header)
            let effects = rig.handle(.lastRead(last))
            #expect(effects.acknowledged == [11] && rig.lane.lastSequence == 11)
            #expect(rig.lane.isReady == !isNews && effects.readsLast == (isNews ? 1 : 0))
            guard isNews else { continue }
            let opened = rig.handle(.lastRead(last))
            #expect(opened.lost?.ordinals == 3...3 && opened.marker?.startOrdinal == 4)
        }
    }

    @Test(
        "raised while its marker is made or in flight: what waits behind goes into the next epoch")
    func raisedBehindMarker() throws {
        for isSent in [false, true] {
            let rig = try LaneRig(openAt: 10)
            let sent = try #require(rig.publish(ticks: 2))
            _ = rig.handle(.outOfSequence(attempt: sent.attempt))
            let marker = try #require(rig.handle(.lastRead(nil)).marker)
            if !isSent { #expect(rig.raise(9).isEmpty) }
            let first = try #require(rig.publishMarker(marker))
            if isSent { #expect(rig.raise(9).isEmpty) }
            let effects = rig.handle(.acknowledged(attempt: first.attempt, sequence: 3))
            #expect(effects.acknowledged == [3] && effects.published == nil)
            #expect(effects.readsLast == 1 && rig.lane.unacknowledgedTicks == 2)
            #expect(rig.lane.oldestUnacknowledged == Timestamp(nanoseconds: 0))
            _ = rig.handle(.readFailed)
            rig.now = try #require(rig.lane.deadline)
            #expect(rig.handle(.tick).readsLast == 1)
            let read = rig.handle(.lastRead(LastPacket(sequence: 3, header: first.packet.header)))
            #expect(try #require(read.lost).ordinals == 1...8)
            let next = try #require(read.marker)
            #expect(next.startOrdinal == 9 && next.previousSequence == 3 && rig.lane.epoch == 3)
            #expect(rig.lane.unacknowledgedTicks == 2)
            let second = try #require(rig.publishMarker(next))
            let landed = rig.handle(.acknowledged(attempt: second.attempt, sequence: 4))
            let packet = try #require(landed.published?.packet)
            #expect(packet.header.firstOrdinal == 9 && packet.header.tickCount == 2)
        }
    }

    @Test("raised while a packet's fate is read: the tape that was put back is told once, in whole")
    func raisedResolving() throws {
        let rig = try LaneRig(openAt: 10)
        let before = try #require(rig.publish(ticks: 4))
        _ = rig.handle(.acknowledged(attempt: before.attempt, sequence: 11))
        let sent = try #require(rig.publish(ticks: 2))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        #expect(rig.raise(21, aboveEpoch: 6).isEmpty)
        let effects = rig.handle(.lastRead(rig.standing))
        #expect(try #require(effects.lost).ordinals == 1...20 && effects.markerLost == 1...20)
        let marker = try #require(effects.marker)
        #expect(marker.startOrdinal == 21 && rig.lane.epoch == 7)
        let first = try #require(rig.publishMarker(marker))
        let landed = rig.handle(.acknowledged(attempt: first.attempt, sequence: 12))
        #expect(landed.marker == nil && landed.published?.packet.header.firstOrdinal == 21)
    }

    @Test("a marker that is refused names the lost ordinals again; they are not on the tape yet")
    func raisedAgain() throws {
        let rig = try LaneRig(openAt: 10)
        _ = rig.raise(6)
        let marker = try #require(rig.handle(.lastRead(rig.standing)).marker)
        let sent = try #require(rig.publishMarker(marker))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        let rival = rig.last(epoch: 1, firstOrdinal: 1, ticks: 2, sequence: 12)
        let effects = rig.handle(.lastRead(rival))
        #expect(effects.markerLost == 3...5 && effects.marker?.startOrdinal == 6)
    }

    @Test("what no lane can have given out, and a lane that is fenced, is not raised")
    func notRaised() throws {
        let rig = try LaneRig(openAt: 10)
        #expect(rig.raise(PublisherLane.floorMax + 1).isEmpty)
        #expect(rig.raise(5, aboveEpoch: PublisherLane.floorMax + 1).isEmpty)
        #expect(rig.lane.isReady && rig.lane.nextOrdinal == 1)
        let sent = try #require(rig.publish(ticks: 1))
        _ = rig.handle(.outOfSequence(attempt: sent.attempt))
        _ = rig.handle(.lastRead(rig.last(epoch: 2, firstOrdinal: 1, ticks: 0, sequence: 11)))
        #expect(rig.raise(50).isEmpty && rig.lane.isFenced)
        let highest = try LaneRig(openAt: 10)
        _ = highest.raise(PublisherLane.floorMax, aboveEpoch: PublisherLane.floorMax)
        let lost = highest.handle(.lastRead(highest.standing)).lost?.ordinals
        #expect(lost == 1...(PublisherLane.floorMax - 1))
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

/// A lane and what it asks for.
private final class LaneRig {
    var lane: PublisherLane
    var now: Int64 = 1_000_000_000
    private var builder: PacketBuilder
    private let symbol: UInt32
    private var ticks: Int64 = 0
    /// The marker as it stands on the tape.
    private(set) var standing: LastPacket?

    init(epochFloor: UInt64 = 0, openAt sequence: UInt64? = nil) throws {
        lane = PublisherLane(
            epochFloor: epochFloor,
            marking: PublisherLane.Marking(definition: 5, generation: 6))
        builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("sim")))
        symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "sim",
                since: Timestamp(nanoseconds: 0)))
        guard let sequence else { return }
        _ = handle(.open)
        let marker = try #require(handle(.lastRead(nil)).marker)
        let sent = try #require(publishMarker(marker))
        standing = LastPacket(sequence: sequence, header: sent.packet.header)
        _ = handle(.acknowledged(attempt: sent.attempt, sequence: sequence))
    }

    func handle(_ event: PublisherLane.Event) -> [PublisherLane.Effect] {
        var effects: [PublisherLane.Effect] = []
        lane.handle(event, now: now, into: &effects)
        return effects
    }

    func raise(_ nextOrdinal: UInt64, aboveEpoch: UInt64 = 0) -> [PublisherLane.Effect] {
        var effects: [PublisherLane.Effect] = []
        lane.raise(nextOrdinal: nextOrdinal, aboveEpoch: aboveEpoch, into: &effects)
        return effects
    }

    private var seal: PacketBuilder.Seal {
        PacketBuilder.Seal(
            epoch: lane.epoch, firstOrdinal: lane.nextOrdinal, watermark: .undefined,
            sendTime: Timestamp(nanoseconds: 0))
    }

    func publish(ticks count: Int) -> Published? {
        for _ in 0..<count {
            let time = Timestamp(nanoseconds: ticks)
            ticks += 1
            _ = builder.append(
                Trade(
                    header: TickHeader(symbol: symbol, providerTime: time, receiveTime: time),
                    price: Price(raw: 1), size: Quantity(raw: 1)))
        }
        var effects: [PublisherLane.Effect] = []
        lane.publish(builder.seal(seal), now: now, into: &effects)
        return effects.published
    }

    func publishMarker(_ marker: EpochMarker) -> Published? {
        var effects: [PublisherLane.Effect] = []
        lane.publishMarker(builder.seal(seal, marker: marker), now: now, into: &effects)
        return effects.published
    }

    func last(
        epoch: UInt64, firstOrdinal: UInt64, ticks: UInt32, sequence: UInt64
    ) -> LastPacket {
        var header = PacketHeader(
            kind: .ticks, partition: Partition(0), source: builder.source, epoch: epoch,
            firstOrdinal: firstOrdinal, watermark: .undefined, sendTime: .undefined)
        header.tickCount = ticks
        header.checksum = 0xfeed
        return LastPacket(sequence: sequence, header: header)
    }
}

private typealias Published = (packet: SealedPacket, expected: UInt64, attempt: UInt64)

extension [PublisherLane.Effect] {
    fileprivate var readsLast: Int { count { if case .readLast = $0 { true } else { false } } }

    fileprivate var published: Published? {
        lazy.compactMap {
            guard case .publish(let packet, let expected, let attempt) = $0 else { return nil }
            return (packet, expected, attempt)
        }.first
    }

    fileprivate var marker: EpochMarker? {
        lazy.compactMap { if case .makeMarker(let marker, _) = $0 { marker } else { nil } }.first
    }

    fileprivate var markerLost: ClosedRange<UInt64>? {
        lazy.compactMap { if case .makeMarker(_, let lost) = $0 { lost } else { nil } }.first
    }

    fileprivate var acknowledged: [UInt64] {
        compactMap { if case .acknowledged(_, let sequence) = $0 { sequence } else { nil } }
    }

    fileprivate var fence: (ours: UInt64, theirs: UInt64)? {
        lazy.compactMap {
            guard case .fenced(let ours, let theirs) = $0 else { return nil }
            return (ours, theirs)
        }.first
    }

    fileprivate var lost: (ordinals: ClosedRange<UInt64>?, sequence: UInt64)? {
        lazy.compactMap {
            guard case .rolledBack(let lost, let sequence) = $0 else { return nil }
            return (lost, sequence)
        }.first
    }
}
