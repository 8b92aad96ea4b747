import Foundation
import Primitives
import Testing

@testable import StoreWriter

/// A packet without a server: a range of one input's numbers.
private struct TestPacket: LaneItem, Equatable {
    let input: Int
    var numbers: Range<Int>
    var rows: Int
    var bytes: Int
    var isDropped = false

    init(_ input: Int, _ numbers: Range<Int>, rows: Int? = nil, bytes: Int? = nil) {
        self.input = input
        self.numbers = numbers
        self.rows = rows ?? numbers.count
        self.bytes = bytes ?? numbers.count * 10
    }

    func dropped() -> TestPacket {
        var left = TestPacket(input, numbers, rows: 0, bytes: 0)
        left.isDropped = true
        return left
    }

    func isOfSameInput(as other: TestPacket) -> Bool { input == other.input }

    mutating func absorb(_ later: TestPacket) -> Bool {
        guard isDropped, later.isDropped, input == later.input,
            numbers.upperBound == later.numbers.lowerBound
        else { return false }
        numbers = numbers.lowerBound..<later.numbers.upperBound
        return true
    }
}

@Suite("A lane of the queue")
struct RowLaneTests {
    private typealias Lane = RowLane<TestPacket>
    private static let all = Lane.Portion(rows: .max, bytes: .max, items: .max)

    private func take(
        _ lane: inout Lane, _ portion: Lane.Portion = RowLaneTests.all
    ) -> [TestPacket] {
        var taken: [TestPacket] = []
        lane.take(portion, into: &taken)
        return taken
    }

    @Test("what is left stays in its order, and is counted")
    func leaving() {
        var lane = Lane(Lane.Limits(rows: 10, bytes: 1_000))
        for (input, numbers) in [(0, 0..<2), (1, 0..<1), (0, 2..<4), (2, 0..<1), (1, 1..<3)] {
            #expect(lane.offer(TestPacket(input, numbers), drops: false, now: 5) == .taken)
        }
        var taken: [TestPacket] = []
        let two = Lane.Portion(rows: 10, bytes: .max, items: 2)
        lane.take(two, leaving: { $0.input == 0 }, into: &taken)
        #expect(taken == [TestPacket(1, 0..<1), TestPacket(2, 0..<1)])
        #expect(lane.rows == 6 && lane.bytes == 60 && lane.count == 3)
        #expect(
            take(&lane) == [TestPacket(0, 0..<2), TestPacket(0, 2..<4), TestPacket(1, 1..<3)])
        #expect(lane.isEmpty && lane.rows == 0)
    }

    @Test("up to the bound in rows or in bytes it is taken, in order")
    func bounds() {
        var lane = Lane(Lane.Limits(rows: 10, bytes: 1_000))
        #expect(lane.offer(TestPacket(0, 0..<6), drops: false, now: 5) == .taken)
        #expect(lane.offer(TestPacket(1, 0..<4), drops: false, now: 6) == .taken)
        #expect(lane.rows == 10 && lane.bytes == 100 && lane.count == 2 && lane.oldest == 5)
        #expect(lane.offer(TestPacket(0, 6..<7), drops: false, now: 7) == .refused)
        #expect(take(&lane) == [TestPacket(0, 0..<6), TestPacket(1, 0..<4)])
        #expect(lane.isEmpty && lane.rows == 0 && lane.bytes == 0 && lane.oldest == nil)
        #expect(lane.offer(TestPacket(0, 0..<1, bytes: 999), drops: false, now: 8) == .taken)
        #expect(lane.offer(TestPacket(0, 1..<2, bytes: 2), drops: false, now: 8) == .refused)
        // Without rows, and without free space.
        #expect(
            lane.offer(TestPacket(0, 2..<2, bytes: 2), drops: false, now: 8) == .refused)
        #expect(lane.offer(TestPacket(0, 1..<2, bytes: 1), drops: false, now: 8) == .taken)
    }

    @Test("what is larger than the lane is taken when the lane is empty")
    func large() {
        var lane = Lane(Lane.Limits(rows: 10, bytes: 100))
        #expect(lane.offer(TestPacket(0, 0..<500), drops: false, now: 0) == .taken)
        #expect(lane.isHigh && lane.rows == 500)
        #expect(lane.offer(TestPacket(0, 500..<501), drops: false, now: 0) == .refused)
        #expect(take(&lane).count == 1 && !lane.isHigh)
        #expect(lane.offer(TestPacket(0, 500..<501), drops: false, now: 0) == .taken)
        #expect(lane.offer(TestPacket(0, 501..<601), drops: false, now: 0) == .refused)
    }

    @Test(
        "it is high from the high mark, or a refusal, to the low mark, in rows and in bytes",
        arguments: [
            // Columns: rows, bytes, high after them, high after five rows and fifty bytes were
            // removed.
            (7, 10, false, false), (8, 10, true, false), (11, 10, true, true),
            (1, 79, false, false), (1, 80, true, false), (1, 101, true, true),
            (10, 100, true, false),
        ])
    func marks(rows: Int, bytes: Int, high: Bool, after: Bool) {
        var lane = Lane(Lane.Limits(rows: 10, bytes: 100))
        // A large lane is filled by two packets, of which the second remains.
        let first = TestPacket(0, 0..<1, rows: min(5, rows), bytes: min(50, bytes))
        let rest = TestPacket(
            0, 1..<2, rows: rows - first.rows, bytes: bytes - first.bytes)
        _ = lane.offer(first, drops: false, now: 0)
        let admission = lane.offer(rest, drops: false, now: 0)
        #expect((admission == .refused) == (rows > 10 || bytes > 100))
        #expect(lane.isHigh == high)
        let one = Lane.Portion(rows: .max, bytes: .max, items: 1)
        if admission == .taken {
            #expect(take(&lane, one) == [first])
            #expect(lane.isHigh == after)
        } else {
            // Nothing was taken out yet, so it stays high, whatever else would fit.
            #expect(lane.isHigh == after)
        }
        _ = take(&lane)
        #expect(!lane.isHigh)
    }

    @Test("a portion is bounded by rows, bytes and packets, and takes one at least")
    func portions() {
        var lane = Lane(Lane.Limits(rows: 1_000, bytes: 10_000))
        for number in 0..<10 {
            _ = lane.offer(TestPacket(0, number * 10..<number * 10 + 10), drops: false, now: 0)
        }
        #expect(take(&lane, Lane.Portion(rows: 25, bytes: .max, items: .max)).count == 2)
        #expect(take(&lane, Lane.Portion(rows: .max, bytes: 300, items: .max)).count == 3)
        #expect(take(&lane, Lane.Portion(rows: .max, bytes: .max, items: 4)).count == 4)
        #expect(take(&lane, Lane.Portion(rows: 1, bytes: 1, items: 1)).count == 1)
        #expect(take(&lane).isEmpty)
    }

    @Test("what was dropped goes to the newest entry of its input, or behind it, never before it")
    func droppedInOrder() {
        var lane = Lane(Lane.Limits(rows: 4, bytes: 1_000))
        #expect(lane.offer(TestPacket(9, 0..<4), drops: true, now: 1) == .taken)
        // The second cannot be joined with the first; the third could.
        for numbers in [0..<2, 5..<6, 2..<5] {
            #expect(lane.offer(TestPacket(0, numbers), drops: true, now: 1) == .dropped)
        }
        var items: [TestPacket] = []
        lane.take(Self.all, into: &items)
        #expect(items.map(\.numbers) == [0..<4, 0..<2, 5..<6, 2..<5])
    }

    @Test("dropped: one entry per input behind what waits, until the low mark")
    func drops() {
        var lane = Lane(Lane.Limits(rows: 10, bytes: 1_000))
        #expect(lane.offer(TestPacket(0, 0..<9), drops: true, now: 0) == .taken)
        #expect(lane.offer(TestPacket(1, 0..<2), drops: true, now: 1) == .dropped)
        // One more would fit, but everything after a dropped packet is dropped, too.
        #expect(lane.offer(TestPacket(0, 9..<10), drops: true, now: 1) == .dropped)
        #expect(lane.offer(TestPacket(1, 2..<5), drops: true, now: 1) == .dropped)
        #expect(lane.offer(TestPacket(0, 10..<30), drops: true, now: 1) == .dropped)
        #expect(lane.count == 3 && lane.rows == 9 && lane.isHigh)
        let taken = take(&lane)
        #expect(taken.map(\.input) == [0, 1, 0])
        #expect(taken.map(\.numbers) == [0..<9, 0..<5, 9..<30])
        #expect(taken.map(\.isDropped) == [false, true, true])
        #expect(lane.offer(TestPacket(0, 30..<31), drops: true, now: 2) == .taken)
        // Separate runs of one input are bounded, and then refused.
        var admissions: [Lane.Admission] = []
        for number in 0...Lane.droppedMax {
            let first = 100 + number * 100
            admissions.append(
                lane.offer(TestPacket(0, first..<first + 11), drops: true, now: 3))
        }
        #expect(admissions.dropLast().allSatisfy { $0 == .dropped })
        #expect(admissions.last == .refused)
        lane.remove { $0.input == 0 }
        #expect(lane.isEmpty && !lane.isHigh)
        #expect(lane.offer(TestPacket(0, 5..<6), drops: true, now: 3) == .taken)
    }

    @Test("what is removed makes room")
    func removes() {
        var lane = Lane(Lane.Limits(rows: 10, bytes: 1_000))
        _ = lane.offer(TestPacket(0, 0..<6), drops: false, now: 1)
        _ = lane.offer(TestPacket(1, 0..<4), drops: false, now: 2)
        #expect(lane.isHigh && lane.contains { $0.input == 0 })
        lane.remove { $0.input == 0 }
        #expect(!lane.isHigh && lane.rows == 4 && lane.bytes == 40 && lane.oldest == 2)
        #expect(!lane.contains { $0.input == 0 })
    }

    private static let seeds: [UInt64] = {
        if let only = ProcessInfo.processInfo.environment["SIMULATION_SEED"],
            let seed = UInt64(only)
        {
            return [seed]
        }
        return Array(1...200) + (0..<50).map { _ in UInt64.random(in: 0 ... .max) }
    }()

    /// One side offers, like a reader that is held when the lane is full; the other side takes. In
    /// any order of events, each number comes out once and in order, and the bounds are kept.
    @Test("in any order of events: nothing lost, nothing twice, bounds kept", arguments: seeds)
    func simulation(seed: UInt64) {
        var world = LaneWorld(seed: seed)
        for _ in 0..<2_000 { world.step() }
        world.finish()
        #expect(world.faults.isEmpty, "SIMULATION_SEED=\(seed): \(world.faults)")
    }
}

private struct LaneWorld {
    private typealias Lane = RowLane<TestPacket>
    private static let inputs = 3

    private var random: SeededRandom
    private let drops: Bool
    private var lane: Lane
    private var next = [Int](repeating: 0, count: LaneWorld.inputs)
    private var expected = [Int](repeating: 0, count: LaneWorld.inputs)
    /// The packet for which there was no space, as the intake keeps it.
    private var pending: TestPacket?
    private var isHeld = false
    private var now: Int64 = 0
    private var largest = 0
    private(set) var faults: [String] = []

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        drops = random.next() % 2 == 0
        lane = Lane(
            Lane.Limits(
                rows: Int(random.next() % 50) + 1, bytes: Int(random.next() % 500) + 1))
    }

    mutating func step() {
        now += 1
        switch random.next() % 10 {
        case 0..<7: offer()
        case 7, 8:
            take(
                Lane.Portion(
                    rows: Int(random.next() % 60) + 1, bytes: Int(random.next() % 600) + 1,
                    items: Int(random.next() % 20) + 1))
        default: startAnew()
        }
        if lane.rows > max(lane.limits.rows, largest) { fault("\(lane.rows) rows") }
        if lane.rows > lane.limits.rows, lane.count(where: { !$0.isDropped }) > 1 {
            fault("something beside what is larger than the lane")
        }
        if lane.rows > lane.limits.highRows, !lane.isHigh { fault("high, and does not say so") }
        if lane.isEmpty, lane.isHigh { fault("empty, and high") }
    }

    private mutating func offer() {
        let input = Int(random.next() % UInt64(Self.inputs))
        if isHeld {
            guard !lane.isHigh else { return }
            isHeld = false
            if let packet = pending {
                pending = nil
                put(packet)
            }
            return
        }
        let count = Int(random.next() % 12) + (random.next() % 50 == 0 ? 60 : 0)
        let numbers = next[input]..<next[input] + count
        next[input] += count
        put(TestPacket(input, numbers))
    }

    private mutating func put(_ packet: TestPacket) {
        largest = max(largest, packet.rows)
        switch lane.offer(packet, drops: drops, now: now) {
        case .taken: if !drops, lane.isHigh { isHeld = true }
        case .dropped: if !drops { fault("dropped against the policy") }
        case .refused:
            pending = packet
            isHeld = true
        }
    }

    private mutating func take(_ portion: RowLane<TestPacket>.Portion) {
        let wasEmpty = lane.isEmpty
        var taken: [TestPacket] = []
        lane.take(portion, into: &taken)
        if !wasEmpty, taken.isEmpty { fault("nothing came out") }
        if taken.count > 1, taken.reduce(0, { $0 + $1.rows }) > portion.rows { fault("too many") }
        for packet in taken {
            if packet.numbers.lowerBound != expected[packet.input] {
                fault("input \(packet.input): \(packet.numbers) behind \(expected[packet.input])")
            }
            expected[packet.input] = packet.numbers.upperBound
        }
    }

    /// As after a lost session: reading begins again after what was taken.
    private mutating func startAnew() {
        guard random.next() % 20 == 0 else { return }
        let input = Int(random.next() % UInt64(Self.inputs))
        lane.remove { $0.input == input }
        if pending?.input == input { pending = nil }
        next[input] = expected[input]
    }

    mutating func finish() {
        for _ in 0..<10_000 {
            take(RowLane<TestPacket>.Portion(rows: 7, bytes: 70, items: 3))
            guard let packet = pending, !lane.isHigh else {
                if lane.isEmpty, pending == nil { break }
                continue
            }
            pending = nil
            put(packet)
        }
        if expected != next { fault("taken up to \(expected) of \(next)") }
        if lane.rows != 0 || lane.bytes != 0 || lane.isHigh { fault("not empty at the end") }
    }

    private mutating func fault(_ text: String) {
        if faults.count < 5 { faults.append(text) }
    }
}

extension RowLane where Item == TestPacket {
    fileprivate func count(where isWanted: (TestPacket) -> Bool) -> Int {
        var copy = self
        var all: [TestPacket] = []
        copy.take(Portion(rows: .max, bytes: .max, items: .max), into: &all)
        return all.count(where: isWanted)
    }
}
