import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import TickSpool

/// A segment in memory.
private struct Bytes: SegmentBytes {
    var array: [UInt8]

    var byteCount: Int { array.count }

    func read(_ range: Range<Int>, into buffer: inout [UInt8]) throws(SpoolError) {
        buffer = Array(array[range.clamped(to: 0..<array.count)])
    }
}

/// Only the format: every cut and every changed byte of a segment.
@Suite struct FrameTests {
    private static func segment(
        _ packets: [SealedPacket], from first: UInt64 = 1
    ) -> (bytes: [UInt8], ends: [Int]) {
        var bytes: [UInt8] = []
        var ends: [Int] = []
        var buffer: [UInt8] = []
        for (index, packet) in packets.enumerated() {
            FrameHeader(number: first + UInt64(index), of: packet)
                .write(packet, into: &buffer)
            bytes += buffer
            ends.append(bytes.count)
        }
        return (bytes, ends)
    }

    private static func packets(_ count: Int) throws -> [SealedPacket] {
        let maker = try PacketMaker()
        return try (0..<count).map { try maker.packet($0 % 3, ticks: $0 % 4) }
    }

    private static func items(_ bytes: [UInt8], checking: Bool = true) throws -> [SegmentWalk.Item]
    {
        var walk = SegmentWalk(number: 1)
        var items: [SegmentWalk.Item] = []
        while let item = try walk.next(in: Bytes(array: bytes), checking: checking) {
            items.append(item)
            try #require(items.count <= bytes.count)
        }
        return items
    }

    @Test("a header comes back as it was written, and is as long as it says")
    func header() throws {
        let packet = try Self.packets(4)[3]
        let header = FrameHeader(number: 77, of: packet)
        var buffer: [UInt8] = []
        header.write(packet, into: &buffer)
        #expect(buffer.count == header.frameBytes)
        let read = try #require(buffer.withRawSpan { FrameHeader($0) })
        #expect(read == header)
        #expect(read.ordinals == 1...3)
        #expect(read.nextOrdinal == 4)
        #expect(buffer.withRawSpan { FrameHeader.isWhole($0) })
        let capacity = buffer.capacity
        header.write(packet, into: &buffer)
        #expect(buffer.capacity == capacity)
    }

    @Test("a segment that ends anywhere gives all frames that are whole, and nothing else")
    func truncated() throws {
        let packets = try Self.packets(4)
        let (bytes, ends) = Self.segment(packets)
        for count in 0...bytes.count {
            let whole = ends.filter { $0 <= count }.count
            for checking in [true, false] {
                let items = try Self.items(Array(bytes[..<count]), checking: checking)
                #expect(items.count == whole, "cut at \(count)")
                for case .damaged in items { Issue.record("cut at \(count): damage") }
            }
        }
    }

    @Test("a changed bit anywhere costs its frame at most, and is told with its number")
    func flipped() throws {
        let packets = try Self.packets(5)
        let (bytes, ends) = Self.segment(packets)
        for offset in 0..<bytes.count {
            var changed = bytes
            changed[offset] ^= 1 << UInt8(offset % 8)
            let hit = ends.filter { $0 <= offset }.count
            var walk = SegmentWalk(number: 1)
            let source = Bytes(array: changed)
            var seen: Set<UInt64> = []
            var told: Set<UInt64> = []
            while let item = try walk.next(in: source, checking: true) {
                switch item {
                case .frame(let header):
                    seen.insert(header.number)
                    #expect(
                        walk.packet(of: header) == packets[Int(header.number - 1)].array,
                        "byte \(offset)")
                case .damaged(let numbers, _, let header):
                    told.formUnion(numbers)
                    if let header { #expect(numbers == header.number..<(header.number + 1)) }
                }
            }
            #expect(seen == Set(1...5).subtracting([UInt64(hit + 1)]), "byte \(offset)")
            // Without later bytes, nothing shows that the last frame existed, so it is a torn end.
            if hit < 4 { #expect(told == [UInt64(hit + 1)], "byte \(offset)") }
        }
    }

    @Test("whatever was written over a piece of it, the frames behind the piece are found")
    func overwritten() throws {
        var random = SeededRandom(seed: 11)
        let packets = try Self.packets(40)
        let (bytes, ends) = Self.segment(packets)
        for _ in 0..<300 {
            var changed = bytes
            let start = Int(random.next() % UInt64(bytes.count))
            let end = min(bytes.count, start + Int(random.next() % 1_500))
            for offset in start..<end { changed[offset] = UInt8(truncatingIfNeeded: random.next()) }
            let expected = ends.indices.filter { index in
                let frame = (index == 0 ? 0 : ends[index - 1])..<ends[index]
                return !frame.overlaps(start..<end) || changed[frame] == bytes[frame]
            }.map { UInt64($0 + 1) }
            let numbers = try Self.items(changed).compactMap { item -> UInt64? in
                if case .frame(let header) = item { return header.number }
                return nil
            }
            #expect(numbers == expected, "\(start)..<\(end)")
        }
    }

    @Test("random bytes, and pieces of frames in any order, never trap and never make a packet up")
    func fuzz() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        let packets = try Self.packets(12)
        let known = Set(packets.bytes)
        let (bytes, _) = Self.segment(packets)
        for _ in 0..<400 {
            var mixed: [UInt8] = []
            for _ in 0..<(random.next() % 8) {
                let start = Int(random.next() % UInt64(bytes.count))
                let end = min(bytes.count, start + Int(random.next() % 900))
                mixed += bytes[start..<end]
                for _ in 0..<(random.next() % 40) {
                    mixed.append(UInt8(truncatingIfNeeded: random.next()))
                }
            }
            var walk = SegmentWalk(number: 1)
            var last: UInt64 = 0
            while let item = try walk.next(in: Bytes(array: mixed), checking: true) {
                guard case .frame(let header) = item else { continue }
                #expect(header.number > last, "seed \(seed)")
                last = header.number
                #expect(known.contains(walk.packet(of: header)), "seed \(seed)")
            }
        }
    }

    @Test("a header with a sound checksum and senseless fields is no header")
    func senseless() throws {
        let packet = try Self.packets(1)[0]
        var buffer: [UInt8] = []
        FrameHeader(number: 1, of: packet).write(packet, into: &buffer)
        let changes: [(offset: Int, value: [UInt8])] = [
            (0, [1]), (4, [0xff, 0xff]), (8, [UInt8](repeating: 0xff, count: 8)),
            (48, [0xff, 0xff, 0xff, 0xff]), (56, [0xff, 0xff]), (58, [9]),
        ]
        for change in changes {
            var bytes = buffer
            bytes.replaceSubrange(
                change.offset..<(change.offset + change.value.count), with: change.value)
            let checksum = bytes.withRawSpan { Checksum.of($0.extracting(0..<64)) }
            var tail: [UInt8] = []
            tail.append(checksum)
            bytes.replaceSubrange(64..<72, with: tail)
            #expect(bytes.withRawSpan { FrameHeader($0) } == nil, "offset \(change.offset)")
            #expect(try Self.items(bytes).isEmpty)
        }
        #expect([UInt8]().withRawSpan { FrameHeader($0) } == nil)
        #expect(![UInt8](repeating: 0, count: 20).withRawSpan { FrameHeader.isWhole($0) })
    }

    @Test("a mark is believed only when it is whole")
    func mark() {
        let mark = SpoolMark(queues: [
            SpoolMark.Queue(below: 1_234_567), SpoolMark.Queue(below: 9, isSure: false),
        ])
        let bytes = mark.bytes
        #expect(SpoolMark.parse(bytes) == mark && mark.lowest == 9 && mark.highest == 1_234_567)
        #expect(SpoolMark.parse(nil) == nil)
        let tooHigh = SpoolMark.Queue(below: FrameHeader.numberMax + 1)
        #expect(SpoolMark.parse(SpoolMark(queues: [tooHigh]).bytes) == nil)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 4
            #expect(SpoolMark.parse(changed) == nil)
            #expect(SpoolMark.parse(Array(bytes[..<index])) == nil)
        }
    }

    @Test("a mark is divided among another number of queues")
    func divided() {
        let whole = SpoolMark(queues: (1...4).map { SpoolMark.Queue(below: $0) })
        #expect(whole.divided(among: 4) == whole.queues)
        #expect(whole.divided(among: 2).allSatisfy { $0.below == 1 && !$0.isSure })
        let one = SpoolMark(queues: [SpoolMark.Queue(below: 5)])
        #expect(one.divided(among: 2).allSatisfy { $0.below == 5 && $0.isSure })
    }
}
