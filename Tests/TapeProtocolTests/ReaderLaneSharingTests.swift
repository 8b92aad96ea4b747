import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

/// When a lane may take its packets from a shared consumer, and what it believes of it.
@Suite struct ReaderLaneSharingTests {
    /// A lane that has read its first packet, ordinals 1 to 10 at 50 of 100.
    private func rig(pending: UInt64 = 0) throws -> ReaderRig {
        let rig = try ReaderRig()
        rig.read(from: nil)
        let delivery = ReaderLane.Delivery(
            consumerNumber: rig.lane.consumerNumber, sequence: 50, consumerSequence: 1,
            pending: pending)
        #expect(rig.deliver(rig.header(1), delivery) == .deliver)
        return rig
    }

    @Test("a lane may share when it has read nearly all that is stored, and knows a source")
    func sharable() throws {
        #expect(try rig().lane.sharableAfter == 100, "the end before the consumer was made")
        #expect(try rig(pending: 5).lane.sharableAfter == 50)
        #expect(try rig(pending: 64).lane.sharableAfter == nil)
        #expect(try rig(pending: .max).lane.sharableAfter == nil)
        let empty = try ReaderRig()
        empty.read(from: nil)
        #expect(empty.lane.sharableAfter == nil)
        let raw = try ReaderRig()
        _ = raw.open(from: .end)
        raw.makeConsumer()
        #expect(raw.lane.isReading && raw.lane.sharableAfter == nil)
        raw.lane.share()
        #expect(!raw.lane.isShared)
    }

    @Test("a lane is at the end when it has read nearly all that is stored, also with copies")
    func nearness() throws {
        #expect(try rig().lane.nearness == .atEnd)
        #expect(try rig(pending: 63).lane.nearness == .atEnd)
        #expect(try rig(pending: 64).lane.nearness == .behind)
        let shared = try rig()
        shared.lane.share()
        #expect(shared.lane.nearness == .atEnd)
        shared.lane.close()
        #expect(shared.lane.nearness == .behind)
        let copied = try ReaderRig()
        copied.bounds.isReplicated = true
        #expect(copied.open(from: .first) == [.readStream] && copied.lane.nearness == .opening)
        copied.makeConsumer()
        #expect(copied.lane.nearness == .atEnd, "nothing was delivered yet")
        let delivery = ReaderLane.Delivery(
            consumerNumber: copied.lane.consumerNumber, sequence: 50, consumerSequence: 1,
            pending: 70)
        #expect(copied.deliver(copied.header(1), delivery) == .deliver)
        #expect(copied.lane.nearness == .behind)
    }

    @Test("lanes of a stream with copies do not share: its consumers may be behind its end")
    func replicated() throws {
        let rig = try ReaderRig()
        rig.bounds.isReplicated = true
        rig.read(from: nil)
        let delivery = ReaderLane.Delivery(
            consumerNumber: rig.lane.consumerNumber, sequence: 50, consumerSequence: 1, pending: 0)
        #expect(rig.deliver(rig.header(1), delivery) == .deliver)
        #expect(rig.lane.sharableAfter == nil)
        rig.lane.share()
        #expect(!rig.lane.isShared)
    }

    @Test("what the lane has read itself is ignored; what follows is taken")
    func takes() throws {
        let rig = try rig()
        rig.lane.share()
        #expect(rig.lane.isShared && rig.lane.isReading && rig.lane.deadline == nil)
        #expect(rig.deliver(11, at: 60, consumer: 2) == .ignore, "its own consumer is given up")
        #expect(rig.deliverShared(11, at: 100) == .ignore)
        #expect(rig.deliverShared(11, at: 101) == .deliver)
        #expect(rig.deliverShared(11, at: 101) == .ignore)
        #expect(rig.lane.position == rig.position(11, at: 101))
        #expect(rig.effects == [])
        let watermark = rig.header(7, ticks: 0, source: SourceName("other"), kind: .watermark)
        #expect(rig.deliverShared(watermark, at: 103) == .deliver)
        #expect(rig.lane.position?.sequence == 103)
    }

    @Test("missing ordinals, a new source and a reconnect lead back to a consumer of its own")
    func leaves() throws {
        let missing = try rig()
        missing.lane.share()
        #expect(missing.deliverShared(21, at: 101) == .ignore)
        #expect(
            missing.effects == [.doubted(.missingOrdinals(expected: 11, found: 21)), .readStream])
        #expect(missing.lane.position?.sequence == 50)
        _ = missing.streamRead()
        #expect(
            missing.effects
                == [
                    .createConsumer(
                        consumerNumber: missing.lane.consumerNumber, start: .sequence(50))
                ])

        let new = try rig()
        new.lane.share()
        #expect(
            new.deliverShared(new.header(1, source: SourceName("other")), at: 101) == .ignore)
        #expect(new.effects == [.readStream], "no doubt")
        #expect(new.deliverShared(11, at: 102) == .ignore)

        let cut = try rig()
        cut.lane.share()
        #expect(cut.reconnected() == [.doubted(.reconnected), .readStream])
    }

    @Test("ordinals that go back stop the lane")
    func stops() throws {
        let rig = try rig()
        rig.lane.share()
        #expect(rig.deliverShared(1, at: 101) == .ignore)
        let problem = ReaderProblem.ordinalsGoBack(sequence: 101, expected: 11, found: 1)
        #expect(rig.lane.state == .stopped(problem))
    }

    @Test("the lane of a shared consumer begins after its sequence, and finds another stream")
    func raw() throws {
        let rig = try ReaderRig()
        rig.openShared(after: 70, created: Timestamp(nanoseconds: 7))
        #expect(
            rig.streamReadOnce()
                == [
                    .createConsumer(
                        consumerNumber: rig.lane.consumerNumber, start: .sequence(71))
                ])
        _ = rig.created(rig.lane.consumerNumber)
        #expect(
            rig.deliver(31, at: 90, consumer: 1, consumerNumber: rig.lane.consumerNumber)
                == .deliver, "nothing is proven")
        #expect(rig.lane.streamSequence == 90)

        let other = try ReaderRig()
        other.openShared(after: 70, created: Timestamp(nanoseconds: 8))
        _ = other.streamReadOnce()
        let recreated = ReaderProblem.streamRecreated(
            was: Timestamp(nanoseconds: 8), is: Timestamp(nanoseconds: 7))
        #expect(other.lane.state == .stopped(recreated))

        let short = try ReaderRig()
        short.openShared(after: 101, created: Timestamp(nanoseconds: 7))
        #expect(
            short.streamReadOnce().first == .doubted(.endsEarly(position: 101, last: 100)))
    }
}
