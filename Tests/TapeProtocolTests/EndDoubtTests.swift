import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

/// A stream that seems to end before what is known of it.
@Suite struct EndDoubtTests {
    @Test("of one copy it is believed at the second read")
    func single() {
        var doubt = EndDoubt()
        #expect(!doubt.isThere)
        let answers = [Int64(5), 5, 6].map { doubt.isBelieved(isReplicated: false, now: .at($0)) }
        #expect(answers == [false, true, false] && doubt.isThere, "the third begins another one")
    }

    @Test("of several copies it is believed when it stays so for ten seconds of reads that agree")
    func replicated() {
        var doubt = EndDoubt()
        let end = 7 + EndDoubt.replicatedNanoseconds
        let answers = [7, 8, end - 1, end, end].map {
            doubt.isBelieved(isReplicated: true, now: .at($0))
        }
        #expect(answers == [false, false, false, true, false])
        doubt.end()
        let anew = doubt.isBelieved(isReplicated: true, now: .at(end * 2))
        #expect(!anew, "it begins anew")
    }

    // MARK: publishers

    /// Reads return `last` until the given time. The deadlines between them are waited for.
    private func read(
        _ last: LastPacket?, _ rig: LaneRig, until end: MonotonicTime
    ) throws -> [PublisherLane.Effect] {
        while rig.now < end {
            let effects = rig.handleOnce(.lastRead(last))
            guard effects.isEmpty else { return effects }
            rig.now = try #require(rig.lane.deadline)
            #expect(rig.handleOnce(.timePassed).readsLast == 1)
        }
        return []
    }

    @Test("a leader that lags for 500 ms: nothing is told, and the same bytes go out again")
    func lagging() throws {
        let rig = try LaneRig(openAt: 10)
        let first = try rig.land(ticks: 2, at: 11)
        let sent = try rig.outOfSequence(ticks: 2)
        #expect(try read(rig.storedMarker, rig, until: rig.now + 500_000_000).isEmpty)
        #expect(rig.lane.isInDoubt && rig.lane.unacknowledgedTicks == 2)
        let last = LastPacket(sequence: 11, header: first.packet.header)
        let again = try #require(rig.handleOnce(.lastRead(last)).published)
        #expect(again.packet.identity == sent.packet.identity && again.expected == 11)
        #expect(!rig.lane.isInDoubt && rig.lane.epoch == 1)
    }

    @Test("a leader that stays behind for thirty seconds has a tape that was put back")
    func lasting() throws {
        let rig = try LaneRig(openAt: 10)
        try rig.land(ticks: 2, at: 11)
        try rig.outOfSequence(ticks: 2)
        let begun = rig.now
        let effects = try read(rig.storedMarker, rig, until: begun + 60_000_000_000)
        #expect(rig.now - begun >= EndDoubt.replicatedNanoseconds)
        #expect(try #require(effects.lost).ordinals == 1...2)
        #expect(try #require(effects.marker).startOrdinal == 3)
    }

    @Test("no answer in between begins the thirty seconds anew: another leader may answer next")
    func failedBetween() throws {
        let rig = try LaneRig(openAt: 10)
        try rig.outOfSequence(ticks: 2)
        #expect(try read(nil, rig, until: rig.now + 29_000_000_000).isEmpty)
        _ = rig.handleOnce(.readFailed)
        #expect(!rig.lane.isInDoubt)
        rig.now = try #require(rig.lane.deadline) + 29_000_000_000
        #expect(rig.handleOnce(.timePassed).readsLast == 1)
        #expect(rig.handleOnce(.lastRead(nil)).isEmpty && rig.lane.isInDoubt)
    }

    @Test("raised above what a lagging leader shows, a lane opens when that has caught up")
    func raised() throws {
        let rig = try LaneRig()
        _ = rig.raise(51, aboveEpoch: 3)
        _ = rig.handle(.open)
        let old = rig.last(epoch: 3, firstOrdinal: 30, ticks: 10, sequence: 7)
        #expect(try read(old, rig, until: rig.now + 500_000_000).isEmpty)
        let last = rig.last(epoch: 3, firstOrdinal: 40, ticks: 11, sequence: 8)
        let effects = rig.handleOnce(.lastRead(last))
        #expect(effects.lost == nil && rig.lane.epoch == 4)
        #expect(try #require(effects.marker).startOrdinal == 51)
    }

    @Test("a successor is no doubt: the lane is fenced at once")
    func successor() throws {
        let rig = try LaneRig(openAt: 10)
        try rig.outOfSequence(ticks: 2)
        let last = rig.last(epoch: 2, firstOrdinal: 1, ticks: 0, sequence: 9)
        #expect(rig.handleOnce(.lastRead(last)).fence != nil)
    }

    // MARK: readers

    @Test("a reader reads the stream again before it stops", arguments: [false, true])
    func reader(isReplicated: Bool) throws {
        let rig = try ReaderRig()
        rig.bounds.isReplicated = isReplicated
        _ = rig.open(at: rig.position(1, at: 20))
        rig.bounds.lastSequence = 19
        let begun = rig.now
        #expect(rig.streamReadOnce() == [.doubted(.endsEarly(position: 20, last: 19))])
        var reads = 1
        while case .opening(let retryAt?) = rig.lane.state {
            rig.now = retryAt
            #expect(rig.timePassed() == [.readStream])
            let effects = rig.streamReadOnce()
            reads += 1
            #expect(effects.isEmpty || rig.lane.state != .opening(retryAt: nil), "told once")
        }
        #expect(rig.lane.state == .stopped(.positionAboveEnd(sequence: 20, last: 19)))
        #expect(isReplicated ? rig.now - begun >= 30_000_000_000 : reads == 2)
    }

    @Test("a reader whose stream catches up goes on; a failed call begins the doubt anew")
    func readerGoesOn() throws {
        let rig = try ReaderRig()
        rig.bounds.isReplicated = true
        _ = rig.open(at: rig.position(1, at: 20))
        rig.bounds.lastSequence = 19
        _ = rig.streamReadOnce()
        rig.now += 29_000_000_000
        _ = rig.timePassed()
        rig.openFailed()
        rig.now += 29_000_000_000
        _ = rig.timePassed()
        #expect(rig.streamReadOnce() == [.doubted(.endsEarly(position: 20, last: 19))])
        rig.bounds.lastSequence = 20
        rig.now += 29_000_000_000
        _ = rig.timePassed()
        #expect(rig.streamReadOnce() == [.createConsumer(consumerNumber: 1, start: .sequence(20))])
    }
}
