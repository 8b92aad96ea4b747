import Primitives
import TapeProtocol
import Testing

@Suite struct PacketBeatTests {
    private static let millisecond: Int64 = 1_000_000

    /// A beat after many packets, each `microseconds` after the one before; the last one left at 0.
    private func beat(_ microseconds: Int64, packets: Int64 = 2_000) -> PacketBeat {
        var beat = PacketBeat()
        for packet in (1 - packets)...0 {
            beat.left(1, now: at(packet * microseconds * 1_000))
        }
        return beat
    }

    private func at(_ nanoseconds: Int64) -> MonotonicTime { .at(100_000_000_000 + nanoseconds) }

    @Test(
        "a beat gathers four packets within 4 ms, and there is none below 300 packets a second",
        arguments: [
            (100, 400), (400, 1_600), (625, 2_500), (875, 3_500), (1_000, 4_000), (3_000, 4_000),
            (3_500, 0), (10_000, 0), (1_000_000, 0),
        ])
    func length(microseconds: Int64, expected: Int64) {
        let nanoseconds = beat(microseconds).nanoseconds
        #expect(abs(nanoseconds - expected * 1_000) <= 1_000, "\(nanoseconds)")
    }

    @Test("packets that leave together count as as many")
    func together() {
        var beat = beat(1_000)
        for round in 1...500 { beat.left(4, now: at(Int64(round) * 2_500_000)) }
        #expect(abs(beat.nanoseconds - 2_500_000) < 50_000, "\(beat.nanoseconds)")
    }

    @Test("a tick waits since the last packets left, or since it came")
    func due() {
        let beat = beat(1_000)
        #expect(beat.nextAt == at(4_000_000))
        #expect(beat.dueAt(since: at(2_000_000)) == at(4_000_000))
        #expect(beat.dueAt(since: at(-1_000_000)) == at(3_000_000))
        let rare = self.beat(10_000)
        #expect(rare.nextAt == at(0) && rare.dueAt(since: at(1)) == at(0))
    }

    @Test("packets that were held up count, and leave the beat as it is")
    func heldUp() {
        var beat = beat(1_200)
        beat.left(2, isBeat: false, now: at(1_500_000))
        #expect(beat.nextAt == at(4_000_000))
        #expect(beat.dueAt(since: at(2_000_000)) == at(4_000_000))
        for packet in 2...500 { beat.left(1, isBeat: false, now: at(Int64(packet) * 1_000_000)) }
        #expect(beat.nanoseconds == 4_000_000)
    }

    @Test("ticks after a silence wait for nothing, until packets are frequent again")
    func silence() {
        var beat = beat(1_000)
        for silence: Int64 in [300, 1_000_000] {
            beat = self.beat(1_000)
            var now = at(0) + silence * Self.millisecond
            #expect(beat.nextAt < now)
            beat.left(1, now: now)
            #expect(beat.nanoseconds == 0)
            for _ in 0..<100 {
                now += Self.millisecond
                beat.left(1, now: now)
            }
            #expect(beat.nanoseconds == 4_000_000)
        }
    }

    @Test("any number of packets at any time leaves a beat within its bounds")
    func bounds() {
        var beat = PacketBeat()
        #expect(beat.nanoseconds == 0)
        for (count, time) in [(0, 0), (1_000, 0), (Int.max, 1), (1, Int64.max), (5, 7)] {
            beat.left(count, now: .at(time))
            #expect((0...PacketBeat.nanosecondsMax).contains(beat.nanoseconds))
        }
        var late = self.beat(1_000)
        late.left(3, now: .never)
        #expect(late.nextAt == .never)
    }
}
