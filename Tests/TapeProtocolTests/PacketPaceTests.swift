import Primitives
import TapeProtocol
import Testing

@Suite struct PacketPaceTests {
    private static let millisecond: Int64 = 1_000_000

    private func at(_ milliseconds: Int64) -> MonotonicTime {
        .at((1_000 + milliseconds) * Self.millisecond)
    }

    private func pace(
        _ aim: PacketPace.Aim, streams: [[Int]] = [[0, 1, 2, 3], [4, 5]], packets: Int = 100_000
    ) -> Lanes {
        Lanes(
            PacketPace(PacketPace.Settings(aim: aim, packetsPerSecond: packets), streams: streams),
            count: streams.joined().count)
    }

    @Test("quick: a tick leaves in the next turn, two of a stream together")
    func quick() {
        let lanes = pace(.quick)
        lanes.ticks([1, 5])
        #expect(lanes.turn(at(0)) == [1, 5])
        lanes.ticks([0, 2, 3])
        // One packet of the first stream is in flight, and two may be.
        #expect(lanes.turn(at(1)) == [0])
        #expect(lanes.turn(at(2)) == [])
        lanes.answer(1, at(3))
        #expect(lanes.turn(at(3)) == [2])
        lanes.answer(0, at(4))
        #expect(lanes.turn(at(4)) == [3])
    }

    @Test("quick: with many ticks each lane has a packet a cycle: 2.5 ms for each lane of a stream")
    func cycles() {
        let lanes = pace(.quick)
        var count = Array(repeating: 0, count: 4)
        for tenth in 0..<10_000 {
            let now = at(0) + Int64(tenth) * Self.millisecond / 10
            lanes.ticks([0, 1, 2, 3])
            for lane in lanes.turn(now) {
                count[lane] += 1
                // The answer comes at once or late: that changes nothing.
                lanes.answer(lane, now + Int64(tenth % 20) * Self.millisecond)
            }
        }
        // Those of two cycles at the begin, and then one in each cycle of 10 ms.
        #expect(count.allSatisfy { (100...102).contains($0) }, "\(count)")
    }

    @Test("the age of a closed packet counts from its own first tick")
    func closedPackets() {
        var pace = PacketPace(PacketPace.Settings(packetsPerSecond: 1_000), streams: [[0]])
        func turn(_ milliseconds: Int64, isReady: Bool) -> [Int] {
            var chosen: [Int] = []
            pace.choose(now: at(milliseconds), into: &chosen) { _ in
                PacketPace.LaneState(
                    hasTicks: true, isFull: true, isReady: isReady,
                    busySince: isReady ? nil : at(0))
            }
            return chosen
        }
        #expect(turn(0, isReady: true) == [0])
        #expect(turn(10, isReady: false) == [])
        pace.closed(lane: 0, now: at(20))
        #expect(turn(30, isReady: false) == [])
        let ages = [40, 50, 60].map { (time: Int64) -> Int64? in
            let age = pace.acknowledged(lane: 0, now: at(time))
            #expect(turn(time, isReady: true) == [0])
            return age.map { $0 / Self.millisecond }
        }
        #expect(ages == [40, 40, 30])
    }

    @Test("collecting: the first tick of a lane waits as long as the aim and the answers permit")
    func collecting() {
        let lanes = pace(.frugal)
        lanes.ticks([2])
        // 100 ms without the longest turn, of 5 ms: there was no answer yet.
        #expect(lanes.turn(at(0)) == [])
        #expect(lanes.turn(at(94)) == [])
        #expect(lanes.turn(at(95)) == [2])
        lanes.answer(2, at(103))
        // The answers take a mean of 1 ms with a deviation of 2 ms now, so 9 ms at most.
        lanes.ticks([2])
        #expect(lanes.turn(at(200)) == [])
        #expect(lanes.turn(at(285)) == [])
        #expect(lanes.turn(at(286)) == [2])
    }

    @Test("collecting: what waits leaves together, and what is held up lets nothing leave early")
    func collectingTogether() {
        let lanes = pace(.frugal)
        lanes.ticks([2])
        #expect(lanes.turn(at(0)) == [])
        lanes.ticks([0, 5])
        #expect(lanes.turn(at(50)) == [])
        #expect(lanes.turn(at(95)) == [0, 2, 5])
        // All of them are in flight when the next ticks are due.
        lanes.ticks([2])
        #expect(lanes.turn(at(100)) == [])
        #expect(lanes.turn(at(195)) == [])
        lanes.ticks([4])
        #expect(lanes.turn(at(200)) == [])
        lanes.answer(2, at(210))
        #expect(lanes.turn(at(210)) == [2])
        // After that late answer ticks wait for half of the aim.
        #expect(lanes.turn(at(249)) == [])
        #expect(lanes.turn(at(250)) == [4])
    }

    @Test("answers that take longer than the aim leave half of it for collecting")
    func half() {
        let lanes = pace(.collect(20 * Self.millisecond))
        for round in 0..<40 {
            let begin = at(Int64(round) * 1_000)
            lanes.ticks([0])
            #expect(lanes.turn(begin) == [])
            _ = lanes.turn(begin + 19 * Self.millisecond)
            lanes.answer(0, begin + 90 * Self.millisecond)
        }
        lanes.ticks([0])
        #expect(lanes.turn(at(50_000)) == [])
        #expect(lanes.turn(at(50_009)) == [])
        #expect(lanes.turn(at(50_010)) == [0])
    }

    @Test("a full packet and the end of the source wait for nothing but the packets per second")
    func forced() {
        let lanes = pace(.frugal)
        lanes.ticks([0, 1, 2, 3])
        lanes.full([1, 3])
        #expect(lanes.turn(at(0)) == [1, 3])
        #expect(lanes.turn(at(1)) == [])
        #expect(lanes.turn(at(2), isUrgent: true) == [0, 2])
        let few = pace(.quick, packets: 1)
        few.ticks([0, 1])
        few.full([0, 1])
        #expect(few.turn(at(0)) == [0])
        #expect(few.turn(at(999)) == [])
        #expect(few.turn(at(1_000)) == [1])
    }

    @Test("a record without room lets its lane's packet leave, within the packets per second")
    func now() {
        let few = pace(.quick, packets: 1)
        #expect(few.leavesNow(0, at(0)))
        #expect(!few.leavesNow(1, at(999)))
        #expect(few.leavesNow(1, at(1_000)))
    }

    @Test("a lane that is not answered for half a second holds up no other lane")
    func stuck() {
        let lanes = pace(.quick)
        lanes.ticks([0, 1, 2])
        #expect(lanes.turn(at(0)) == [0, 1])
        #expect(lanes.turn(at(499)) == [])
        #expect(lanes.turn(at(500)) == [2])
    }

    @Test("lanes that had to wait are first in the next turns, whatever the reason")
    func turns() {
        let lanes = pace(.quick, packets: 10)
        for lane in 0..<6 { lanes.ticks([lane]) }
        var order: [Int] = []
        for turn in 0..<24 {
            let now = at(Int64(turn) * 100)
            let chosen = lanes.turn(now)
            order += chosen
            for lane in chosen { lanes.answer(lane, now + Self.millisecond) }
            lanes.ticks(chosen)
        }
        for lane in 0..<6 {
            let count = order.count { $0 == lane }
            #expect((3...5).contains(count), "\(order)")
        }
    }

    @Test("a stream that answers several packets together gets more of them, another one fewer")
    func windows() {
        var window = StreamWindow(lanes: 8)
        var now = at(0)
        func answer(_ milliseconds: (Int) -> Int64) {
            for _ in 0..<100 {
                now += Self.millisecond
                window.delayed()
                window.answered(after: milliseconds(window.size) * Self.millisecond, now: now)
            }
        }
        #expect(window.size == 2)
        answer { _ in 5 }
        #expect(window.size == 8)
        // One after the other: each packet waits for those before it.
        answer { 5 * Int64($0) }
        #expect((1...3).contains(window.size))
        // After a while the disk's best time is forgotten.
        now += 30_000 * Self.millisecond
        answer { _ in 50 }
        #expect(window.size == 8)
    }

    @Test("an answer to a packet that left otherwise changes nothing")
    func strangers() {
        let lanes = pace(.frugal)
        lanes.answer(0, at(0))
        lanes.answer(17, at(0))
        lanes.ticks([0])
        #expect(lanes.turn(at(10)) == [])
        #expect(lanes.turn(at(105)) == [0])
    }
}

/// A pace whose lanes expectations may change.
private final class Lanes {
    private var pace: PacketPace
    private var states: [PacketPace.LaneState]

    init(_ pace: PacketPace, count: Int) {
        self.pace = pace
        states = Array(
            repeating: PacketPace.LaneState(
                hasTicks: false, isFull: false, isReady: true, busySince: nil), count: count)
    }

    func ticks(_ lanes: [Int]) { for lane in lanes { states[lane].hasTicks = true } }

    func full(_ lanes: [Int]) { for lane in lanes { states[lane].isFull = true } }

    /// Runs a turn, and returns the lanes whose packets left.
    func turn(_ now: MonotonicTime, isUrgent: Bool = false) -> [Int] {
        var chosen: [Int] = []
        let states = states
        pace.choose(now: now, isUrgent: isUrgent, into: &chosen) { states[$0] }
        for lane in chosen {
            self.states[lane] = PacketPace.LaneState(
                hasTicks: false, isFull: false, isReady: false, busySince: now)
        }
        return chosen.sorted()
    }

    func leavesNow(_ lane: Int, _ now: MonotonicTime) -> Bool {
        pace.chooseNow(lane: lane, now: now)
    }

    func answer(_ lane: Int, _ now: MonotonicTime) {
        if states.indices.contains(lane) {
            states[lane].isReady = true
            states[lane].busySince = nil
        }
        pace.acknowledged(lane: lane, now: now)
    }
}
