import Primitives
import Seeds
import Testing

@testable import StoreWriter

/// A packet without a server: a range of one input's numbers.
private struct TestPacket: QueueItem, Equatable {
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
        guard rows == 0, later.rows == 0, isDropped == later.isDropped, input == later.input,
            numbers.upperBound == later.numbers.lowerBound
        else { return false }
        numbers = numbers.lowerBound..<later.numbers.upperBound
        return true
    }
}

@Suite("A lane of the queue")
struct PacketQueueTests {
    private typealias Queue = PacketQueue<TestPacket>
    private static let all = Queue.Portion(rows: .max, bytes: .max, items: .max)

    private func take(
        _ queue: inout Queue, _ portion: Queue.Portion = PacketQueueTests.all
    ) -> [TestPacket] {
        var taken: [TestPacket] = []
        queue.take(portion, into: &taken)
        return taken
    }

    @Test("what is left stays in its order, and is counted")
    func leaving() {
        var queue = Queue(Queue.Limits(rows: 10, bytes: 1_000))
        for (input, numbers) in [(0, 0..<2), (1, 0..<1), (0, 2..<4), (2, 0..<1), (1, 1..<3)] {
            #expect(queue.offer(TestPacket(input, numbers), drops: false, now: .at(5)) == .taken)
        }
        var taken: [TestPacket] = []
        let two = Queue.Portion(rows: 10, bytes: .max, items: 2)
        queue.take(two, leaving: { $0.input == 0 }, into: &taken)
        #expect(taken == [TestPacket(1, 0..<1), TestPacket(2, 0..<1)])
        #expect(queue.rows == 6 && queue.bytes == 60 && queue.count == 3)
        #expect(
            take(&queue) == [TestPacket(0, 0..<2), TestPacket(0, 2..<4), TestPacket(1, 1..<3)])
        #expect(queue.isEmpty && queue.rows == 0)
    }

    @Test("while it drops, packets without rows join the dropped ones, however many there are")
    func droppingRowless() {
        var queue = Queue(Queue.Limits(rows: 10, bytes: 1_000))
        #expect(queue.offer(TestPacket(0, 0..<10), drops: true, now: .at(0)) == .taken)
        for number in 10..<2_010 {
            let next = number..<(number + 1)
            let packet =
                number % 2 == 0 ? TestPacket(0, next) : TestPacket(0, next, rows: 0, bytes: 0)
            #expect(queue.offer(packet, drops: true, now: .at(1)) == .dropped)
        }
        #expect(queue.count == 2)
        #expect(take(&queue).last == TestPacket(0, 10..<2_010).dropped())
    }

    @Test("up to the bound in rows or in bytes it is taken, in order")
    func bounds() {
        var queue = Queue(Queue.Limits(rows: 10, bytes: 1_000))
        #expect(queue.offer(TestPacket(0, 0..<6), drops: false, now: .at(5)) == .taken)
        #expect(queue.offer(TestPacket(1, 0..<4), drops: false, now: .at(6)) == .taken)
        #expect(
            queue.rows == 10 && queue.bytes == 100 && queue.count == 2 && queue.oldest == .at(5))
        #expect(queue.offer(TestPacket(0, 6..<7), drops: false, now: .at(7)) == .refused)
        #expect(take(&queue) == [TestPacket(0, 0..<6), TestPacket(1, 0..<4)])
        #expect(queue.isEmpty && queue.rows == 0 && queue.bytes == 0 && queue.oldest == nil)
        #expect(queue.offer(TestPacket(0, 0..<1, bytes: 999), drops: false, now: .at(8)) == .taken)
        #expect(queue.offer(TestPacket(0, 1..<2, bytes: 2), drops: false, now: .at(8)) == .refused)
        // Without rows, and without free space.
        #expect(
            queue.offer(TestPacket(0, 2..<2, bytes: 2), drops: false, now: .at(8)) == .refused)
        #expect(queue.offer(TestPacket(0, 1..<2, bytes: 1), drops: false, now: .at(8)) == .taken)
    }

    @Test("what is larger than the lane is taken when the lane is empty")
    func large() {
        var queue = Queue(Queue.Limits(rows: 10, bytes: 100))
        #expect(queue.offer(TestPacket(0, 0..<500), drops: false, now: .at(0)) == .taken)
        #expect(queue.isHigh && queue.rows == 500)
        #expect(queue.offer(TestPacket(0, 500..<501), drops: false, now: .at(0)) == .refused)
        #expect(take(&queue).count == 1 && !queue.isHigh)
        #expect(queue.offer(TestPacket(0, 500..<501), drops: false, now: .at(0)) == .taken)
        #expect(queue.offer(TestPacket(0, 501..<601), drops: false, now: .at(0)) == .refused)
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
        var queue = Queue(Queue.Limits(rows: 10, bytes: 100))
        // A large queue is filled by two packets, of which the second remains.
        let first = TestPacket(0, 0..<1, rows: min(5, rows), bytes: min(50, bytes))
        let rest = TestPacket(
            0, 1..<2, rows: rows - first.rows, bytes: bytes - first.bytes)
        _ = queue.offer(first, drops: false, now: .at(0))
        let admission = queue.offer(rest, drops: false, now: .at(0))
        #expect((admission == .refused) == (rows > 10 || bytes > 100))
        #expect(queue.isHigh == high)
        let one = Queue.Portion(rows: .max, bytes: .max, items: 1)
        if admission == .taken {
            #expect(take(&queue, one) == [first])
            #expect(queue.isHigh == after)
        } else {
            // Nothing was taken out yet, so it stays high, whatever else would fit.
            #expect(queue.isHigh == after)
        }
        _ = take(&queue)
        #expect(!queue.isHigh)
    }

    @Test("a portion is bounded by rows, bytes and packets, and takes one at least")
    func portions() {
        var queue = Queue(Queue.Limits(rows: 1_000, bytes: 10_000))
        for number in 0..<10 {
            _ = queue.offer(
                TestPacket(0, number * 10..<number * 10 + 10), drops: false, now: .at(0))
        }
        #expect(take(&queue, Queue.Portion(rows: 25, bytes: .max, items: .max)).count == 2)
        #expect(take(&queue, Queue.Portion(rows: .max, bytes: 300, items: .max)).count == 3)
        #expect(take(&queue, Queue.Portion(rows: .max, bytes: .max, items: 4)).count == 4)
        #expect(take(&queue, Queue.Portion(rows: 1, bytes: 1, items: 1)).count == 1)
        #expect(take(&queue).isEmpty)
    }

    @Test("what was dropped goes to the newest entry of its input, or behind it, never before it")
    func droppedInOrder() {
        var queue = Queue(Queue.Limits(rows: 4, bytes: 1_000))
        #expect(queue.offer(TestPacket(9, 0..<4), drops: true, now: .at(1)) == .taken)
        // The second cannot be joined with the first; the third could.
        for numbers in [0..<2, 5..<6, 2..<5] {
            #expect(queue.offer(TestPacket(0, numbers), drops: true, now: .at(1)) == .dropped)
        }
        var items: [TestPacket] = []
        queue.take(Self.all, into: &items)
        #expect(items.map(\.numbers) == [0..<4, 0..<2, 5..<6, 2..<5])
    }

    @Test("what has no rows is one entry per input, needs no room, and no batch waits for it")
    func skips() {
        var queue = Queue(Queue.Limits(rows: 10, bytes: 1_000))
        func skipped(_ input: Int, _ numbers: Range<Int>) -> TestPacket {
            TestPacket(input, numbers, rows: 0, bytes: 0)
        }
        for packet in [skipped(0, 0..<5), skipped(1, 0..<2), skipped(0, 5..<9)] {
            #expect(queue.offer(packet, drops: false, now: .at(1)) == .taken)
        }
        #expect(queue.count == 2 && queue.rows == 0 && !queue.isHigh)
        #expect(queue.oldest == nil && queue.oldestSkipped == .at(1))
        // It takes no room from a packet that is larger than the queue.
        #expect(queue.offer(TestPacket(0, 9..<29), drops: false, now: .at(2)) == .taken)
        #expect(queue.oldest == .at(2) && queue.oldestSkipped == .at(1) && queue.isHigh)
        // After rows of its input it is an entry of its own; in a full queue, too.
        #expect(queue.offer(skipped(0, 29..<30), drops: false, now: .at(3)) == .taken)
        #expect(queue.offer(skipped(1, 2..<4), drops: true, now: .at(3)) == .taken)
        #expect(
            take(&queue).map(\.numbers) == [0..<9, 0..<4, 9..<29, 29..<30])
        #expect(queue.isEmpty && queue.oldestSkipped == nil && !queue.isHigh)
        // What cannot be joined is bounded.
        for number in 0..<queue.limits.rowless {
            let packet = skipped(0, number * 2..<number * 2 + 1)
            #expect(queue.offer(packet, drops: false, now: .at(4)) == .taken)
        }
        #expect(queue.offer(skipped(0, 9_999..<9_999), drops: false, now: .at(4)) == .refused)
        #expect(queue.isHigh)
        _ = take(&queue)
        #expect(queue.isEmpty && !queue.isHigh)
    }

    @Test("dropped: one entry per input behind what waits, until the low mark")
    func drops() {
        var queue = Queue(Queue.Limits(rows: 10, bytes: 1_000))
        #expect(queue.offer(TestPacket(0, 0..<9), drops: true, now: .at(0)) == .taken)
        #expect(queue.offer(TestPacket(1, 0..<2), drops: true, now: .at(1)) == .dropped)
        // One more would fit, but everything after a dropped packet is dropped, too.
        #expect(queue.offer(TestPacket(0, 9..<10), drops: true, now: .at(1)) == .dropped)
        #expect(queue.offer(TestPacket(1, 2..<5), drops: true, now: .at(1)) == .dropped)
        #expect(queue.offer(TestPacket(0, 10..<30), drops: true, now: .at(1)) == .dropped)
        #expect(queue.count == 3 && queue.rows == 9 && queue.isHigh)
        let taken = take(&queue)
        #expect(taken.map(\.input) == [0, 1, 0])
        #expect(taken.map(\.numbers) == [0..<9, 0..<5, 9..<30])
        #expect(taken.map(\.isDropped) == [false, true, true])
        #expect(queue.offer(TestPacket(0, 30..<31), drops: true, now: .at(2)) == .taken)
        // Separate runs of one input are bounded, and then refused.
        var admissions: [Queue.Admission] = []
        for number in 0...queue.limits.rowless {
            let first = 100 + number * 100
            admissions.append(
                queue.offer(TestPacket(0, first..<first + 11), drops: true, now: .at(3)))
        }
        #expect(admissions.dropLast().allSatisfy { $0 == .dropped })
        #expect(admissions.last == .refused)
        queue.remove { $0.input == 0 }
        #expect(queue.isEmpty && !queue.isHigh)
        #expect(queue.offer(TestPacket(0, 5..<6), drops: true, now: .at(3)) == .taken)
    }

    @Test("what is removed makes room")
    func removes() {
        var queue = Queue(Queue.Limits(rows: 10, bytes: 1_000))
        _ = queue.offer(TestPacket(0, 0..<6), drops: false, now: .at(1))
        _ = queue.offer(TestPacket(1, 0..<4), drops: false, now: .at(2))
        #expect(queue.isHigh && queue.contains { $0.input == 0 })
        queue.remove { $0.input == 0 }
        #expect(!queue.isHigh && queue.rows == 4 && queue.bytes == 40 && queue.oldest == .at(2))
        #expect(!queue.contains { $0.input == 0 })
    }

    /// One side offers, like a reader that is held when the queue is full; the other side takes. In
    /// any order of events, each number comes out once and in order, and the bounds are kept.
    @Test(
        "in any order of events: nothing lost, nothing twice, bounds kept",
        arguments: Seeds(fixed: 1...200).all())
    func simulation(seed: UInt64) {
        var world = LaneWorld(seed: seed)
        for _ in 0..<2_000 { world.step() }
        world.takeTheRest()
        #expect(world.faults.isEmpty, "TAPELINE_SEED=\(seed): \(world.faults)")
    }
}

private struct LaneWorld {
    private typealias Queue = PacketQueue<TestPacket>
    private static let inputs = 3

    private var random: SeededRandom
    private let drops: Bool
    private var queue: Queue
    private var next = [Int](repeating: 0, count: LaneWorld.inputs)
    private var expected = [Int](repeating: 0, count: LaneWorld.inputs)
    /// The packet for which there was no space, as the intake keeps it.
    private var pending: TestPacket?
    private var isHeld = false
    private var now = MonotonicTime(nanoseconds: 0)
    private var largest = 0
    private(set) var faults: [String] = []

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        drops = random.next() % 2 == 0
        queue = Queue(
            Queue.Limits(
                rows: Int(random.next() % 50) + 1, bytes: Int(random.next() % 500) + 1))
    }

    mutating func step() {
        now += 1
        switch random.next() % 10 {
        case 0..<7: offer()
        case 7, 8:
            take(
                Queue.Portion(
                    rows: Int(random.next() % 60) + 1, bytes: Int(random.next() % 600) + 1,
                    items: Int(random.next() % 20) + 1))
        default: startAnew()
        }
        if queue.rows > max(queue.limits.rows, largest) { fault("\(queue.rows) rows") }
        if queue.rows > queue.limits.rows, queue.count(where: { $0.rows > 0 }) > 1 {
            fault("something beside what is larger than the lane")
        }
        if queue.rows > queue.limits.highRows, !queue.isHigh { fault("high, and does not say so") }
        if queue.isEmpty, queue.isHigh { fault("empty, and high") }
    }

    private mutating func offer() {
        let input = Int(random.next() % UInt64(Self.inputs))
        if isHeld {
            guard !queue.isHigh else { return }
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
        let isSkipped = random.next() % 4 == 0
        put(TestPacket(input, numbers, rows: isSkipped ? 0 : nil, bytes: isSkipped ? 0 : nil))
    }

    private mutating func put(_ packet: TestPacket) {
        largest = max(largest, packet.rows)
        switch queue.offer(packet, drops: drops, now: now) {
        case .taken: if !drops, queue.isHigh { isHeld = true }
        case .dropped: if !drops { fault("dropped against the policy") }
        case .refused:
            pending = packet
            isHeld = true
        }
    }

    private mutating func take(_ portion: PacketQueue<TestPacket>.Portion) {
        let wasEmpty = queue.isEmpty
        var taken: [TestPacket] = []
        queue.take(portion, into: &taken)
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
        queue.remove { $0.input == input }
        if pending?.input == input { pending = nil }
        next[input] = expected[input]
    }

    /// Takes all that is left. What is missing then, or in the queue, is a fault.
    mutating func takeTheRest() {
        for _ in 0..<10_000 {
            take(PacketQueue<TestPacket>.Portion(rows: 7, bytes: 70, items: 3))
            guard let packet = pending, !queue.isHigh else {
                if queue.isEmpty, pending == nil { break }
                continue
            }
            pending = nil
            put(packet)
        }
        if expected != next { fault("taken up to \(expected) of \(next)") }
        if queue.rows != 0 || queue.bytes != 0 || queue.isHigh { fault("not empty at the end") }
    }

    private mutating func fault(_ text: String) {
        if faults.count < 5 { faults.append(text) }
    }
}

extension PacketQueue where Item == TestPacket {
    fileprivate func count(where isWanted: (TestPacket) -> Bool) -> Int {
        var copy = self
        var all: [TestPacket] = []
        copy.take(Portion(rows: .max, bytes: .max, items: .max), into: &all)
        return all.count(where: isWanted)
    }
}
