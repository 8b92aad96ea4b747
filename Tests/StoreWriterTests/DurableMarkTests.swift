import Primitives
import TapeCodec
import Testing

@testable import StoreWriter

/// When the tape may be purged of what is stored (WRITER_PURGE_AFTER).
@Suite("Durable positions")
struct DurableMarkTests {
    private static let second: Int64 = 1_000_000_000

    private func position(_ sequence: UInt64, stream: Int64 = 1) -> TapePosition? {
        sequence == 0
            ? nil
            : TapePosition(
                streamCreated: Timestamp(nanoseconds: stream), sequence: sequence,
                packet: PacketIdentity(epoch: 1, firstOrdinal: 1, checksum: 1), sources: [])
    }

    /// Reports positions in order, and returns what was durable of each.
    private func durables(
        _ rule: DurabilityRule, _ reports: [(seconds: Int64, sequence: UInt64, standby: Bool)]
    ) -> [UInt64] {
        var mark = DurableMark(rule)
        return reports.map {
            mark.durable(
                position($0.sequence), isOnStandby: $0.standby, now: .at($0.seconds * Self.second))
        }
    }

    @Test("by the rule commit a position is durable as soon as it is reported")
    func commit() {
        #expect(durables(.commit, [(0, 5, false), (1, 9, false), (2, 7, false)]) == [5, 9, 7])
    }

    @Test("by the rule standby it is durable only where the COMMIT waited for one")
    func standby() {
        let reports: [(Int64, UInt64, Bool)] = [
            (0, 5, false), (1, 6, true), (2, 9, false), (3, 10, true), (4, 4, false),
        ]
        #expect(durables(.standby, reports) == [0, 6, 6, 10, 4])
    }

    @Test("by a margin it is durable when it was reported that long ago, and never earlier")
    func margin() {
        let rule = DurabilityRule.margin(nanoseconds: 16 * Self.second)
        var mark = DurableMark(rule)
        for second in Int64(1)...200 {
            let now = UInt64(second) * 10
            let durable = mark.durable(
                position(now), isOnStandby: false, now: .at(second * Self.second))
            let latest = second > 16 ? UInt64(second - 16) * 10 : 0
            #expect(durable <= latest && durable + 10 >= latest, "\(second): \(durable)")
        }
        // At rest all of it becomes durable.
        let rested = mark.durable(position(2_000), isOnStandby: false, now: .at(217 * Self.second))
        #expect(rested == 2_000)
    }

    @Test("a position that falls takes with it what is durable and what would become so")
    func fall() {
        let rule = DurabilityRule.margin(nanoseconds: 16 * Self.second)
        #expect(
            durables(
                rule,
                [
                    (0, 10, false), (1, 50, false), (16, 60, false), (17, 60, false),
                    (18, 20, false), (40, 20, false),
                ]) == [0, 0, 10, 50, 20, 20])
    }

    @Test("another stream has other sequences, of which nothing is durable yet")
    func otherStream() {
        var mark = DurableMark(.margin(nanoseconds: Self.second))
        _ = mark.durable(position(8), isOnStandby: false, now: .at(0))
        #expect(mark.durable(position(8), isOnStandby: false, now: .at(Self.second)) == 8)
        let later = MonotonicTime.at(2 * Self.second)
        #expect(mark.durable(position(9, stream: 2), isOnStandby: false, now: later) == 0)
        #expect(mark.durable(nil, isOnStandby: true, now: later) == 0)
    }
}
