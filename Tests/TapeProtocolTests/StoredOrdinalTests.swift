import TapeCodec
import TapeProtocol
import Testing

/// A lane on a tape that was made again, whose ordinals a database has.
@Suite("A lane that a database raises")
struct StoredOrdinalTests {
    /// What the database has, what others remember, the tape's last ordinal, and what is lost.
    struct Case: Sendable {
        let stored: UInt64
        let remembered: UInt64
        let onTape: UInt64?
        let lost: ClosedRange<UInt64>?
    }

    @Test(
        "only what is neither a row nor on the tape is reported as lost",
        arguments: [
            Case(stored: 50, remembered: 50, onTape: nil, lost: nil),
            Case(stored: 50, remembered: 60, onTape: nil, lost: 51...60),
            Case(stored: 50, remembered: 60, onTape: 55, lost: 56...60),
            Case(stored: 50, remembered: 60, onTape: 20, lost: 51...60),
            Case(stored: 0, remembered: 60, onTape: 20, lost: 21...60),
            Case(stored: 50, remembered: 20, onTape: 70, lost: nil),
        ])
    func lost(item: Case) throws {
        let rig = try LaneRig()
        #expect(rig.raise(item.stored + 1, aboveEpoch: 8, stored: item.stored).isEmpty)
        #expect(rig.raise(item.remembered + 1).isEmpty)
        #expect(rig.handle(.open).readsLast == 1)
        let last = item.onTape.map {
            rig.last(epoch: 3, firstOrdinal: $0, ticks: 1, sequence: 9)
        }
        let effects = rig.handle(.lastRead(last))
        #expect(effects.lost?.ordinals == item.lost)
        #expect(effects.markerLost == item.lost)
        let marker = try #require(effects.marker)
        #expect(marker.startOrdinal == max(item.stored, item.remembered, item.onTape ?? 0) + 1)
        #expect(marker.previousEpoch == 8 && rig.lane.epoch == 9)
    }

    @Test("a stored ordinal that cannot be is ignored, with all that came with it")
    func damaged() throws {
        let rig = try LaneRig()
        #expect(rig.raise(9, aboveEpoch: 4, stored: PublisherLane.floorMax + 1).isEmpty)
        #expect(rig.handle(.open).readsLast == 1)
        let marker = try #require(rig.handle(.lastRead(nil)).marker)
        #expect(marker.startOrdinal == 1 && marker.previousEpoch == 0)
    }
}
