import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

/// A lane that is told from outside to open above an epoch or an ordinal.
@Suite struct RaisedLaneTests {
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
        try rig.waitForRead()
        let effects = rig.handle(.lastRead(rig.storedMarker))
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
        try rig.land(ticks: 4, at: 11)
        _ = rig.raise(9)
        let effects = rig.handle(.lastRead(rig.storedMarker))
        #expect(try #require(effects.lost).ordinals == 1...8 && effects.markerLost == 1...8)
        #expect(try #require(effects.marker).previousSequence == 10)
    }

    @Test("raised by an epoch alone: a new epoch, and nothing is told as lost")
    func raisedEpoch() throws {
        let rig = try LaneRig(openAt: 10)
        #expect(rig.raise(1, aboveEpoch: 1).isEmpty)
        #expect(rig.raise(1, aboveEpoch: 4).readsLast == 1)
        let effects = rig.handle(.lastRead(rig.storedMarker))
        #expect(effects.lost == nil && effects.markerLost == nil)
        #expect(try #require(effects.marker).previousEpoch == 4 && rig.lane.epoch == 5)
        #expect(rig.lane.nextOrdinal == 1)
    }

    @Test("raised in flight: the packet is settled first; what it holds is no news")
    func raisedInFlight() throws {
        for (floor, isNew) in [(UInt64(3), false), (4, true)] {
            let rig = try LaneRig(openAt: 10)
            let sent = try #require(rig.publish(ticks: 2))
            #expect(rig.raise(floor).isEmpty && rig.lane.epoch == 1)
            // Not stored, sent again, unanswered, and then found: the same bytes all the time.
            _ = rig.handle(.notStored(attempt: sent.attempt))
            #expect(rig.raise(floor).isEmpty)
            let again = try rig.waitForPublish()
            #expect(again.packet.identity == sent.packet.identity)
            try rig.waitForRead()
            #expect(rig.raise(floor).isEmpty)
            let last = LastPacket(sequence: 11, header: sent.packet.header)
            let effects = rig.handle(.lastRead(last))
            #expect(effects.acknowledged == [11] && rig.lane.lastSequence == 11)
            #expect(rig.lane.isReady == !isNew && effects.readsLast == (isNew ? 1 : 0))
            guard isNew else { continue }
            let opened = rig.handle(.lastRead(last))
            #expect(opened.lost?.ordinals == 3...3 && opened.marker?.startOrdinal == 4)
        }
    }

    @Test(
        "raised while its marker is made or in flight: what waits behind goes into the next epoch")
    func raisedBehindMarker() throws {
        for isSent in [false, true] {
            let rig = try LaneRig(openAt: 10)
            try rig.outOfSequence(ticks: 2)
            let marker = try #require(rig.handle(.lastRead(nil)).marker)
            if !isSent { #expect(rig.raise(9).isEmpty) }
            let first = try #require(rig.publishMarker(marker))
            if isSent { #expect(rig.raise(9).isEmpty) }
            let effects = rig.handle(.acknowledged(attempt: first.attempt, sequence: 3))
            #expect(effects.acknowledged == [3] && effects.published == nil)
            #expect(effects.readsLast == 1 && rig.lane.unacknowledgedTicks == 2)
            #expect(rig.lane.oldestUnacknowledged == Timestamp(nanoseconds: 0))
            _ = rig.handle(.readFailed)
            try rig.waitForRead()
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
        try rig.land(ticks: 4, at: 11)
        try rig.outOfSequence(ticks: 2)
        #expect(rig.raise(21, aboveEpoch: 6).isEmpty)
        let effects = rig.handle(.lastRead(rig.storedMarker))
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
        let marker = try #require(rig.handle(.lastRead(rig.storedMarker)).marker)
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
        try rig.outOfSequence(ticks: 1)
        _ = rig.handle(.lastRead(rig.last(epoch: 2, firstOrdinal: 1, ticks: 0, sequence: 11)))
        #expect(rig.raise(50).isEmpty && rig.lane.isFenced)
        let highest = try LaneRig(openAt: 10)
        _ = highest.raise(PublisherLane.floorMax, aboveEpoch: PublisherLane.floorMax)
        let lost = highest.handle(.lastRead(highest.storedMarker)).lost?.ordinals
        #expect(lost == 1...(PublisherLane.floorMax - 1))
    }
}
