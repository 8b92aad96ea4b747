import Foundation
import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import TickSpool

/// Partitions whose streams fail independently are read by separate queues.
@Suite struct SpoolQueueTests {
    private func open(_ rig: SpoolRig, queues: Int = 4) throws -> Spool {
        var settings = Spool.Settings(
            folder: rig.root, source: rig.source, bytesMax: 64 << 20, queues: queues)
        settings.segmentBytes = 16_384
        return try Spool(settings)
    }

    private func filled(_ rig: SpoolRig, _ maker: PacketMaker, count: Int) throws -> Spool {
        let spool = try open(rig)
        for number in 0..<count { _ = try spool.append(try maker.packet(number % 8)) }
        return spool
    }

    @Test("a queue that takes nothing holds no other one up; its frames stay")
    func apart() throws {
        let rig = try SpoolRig()
        let spool = try filled(rig, try PacketMaker(), count: 80)
        let first = try #require(try spool.peek(1))
        var numbers: [[UInt64]] = [[], [], [], []]
        for queue in [0, 2, 3] {
            while let packet = try spool.take(queue) {
                #expect(spool.queue(of: packet.packet.header.partition) == queue)
                numbers[queue].append(packet.number)
                try spool.consume(packet.number)
            }
            #expect(numbers[queue].count == 20 && numbers[queue] == numbers[queue].sorted())
            #expect(spool.isEmpty(queue: queue))
        }
        #expect(!spool.isEmpty && !spool.isEmpty(queue: 1) && spool.ticks == 60)
        #expect(spool.tail(Partition(0)) == nil && spool.tail(Partition(5))?.frames == 10)
        #expect(try spool.peek(1)?.number == first.number)
        // New packets arrive for all of them.
        for partition in 0..<4 { _ = try spool.append(try rig.maker.packet(partition)) }
        #expect(try spool.take(3)?.number == 84)
        while let packet = try spool.take(1) { try spool.consume(packet.number) }
        for queue in [0, 2] {
            while let one = try spool.take(queue) { try spool.consume(one.number) }
        }
        #expect(!spool.isEmpty, "one is on its way")
        try spool.consume(84)
        for queue in 0..<4 { #expect(try spool.peek(queue) == nil) }
        #expect(spool.isEmpty && spool.ticks == 0)
    }

    @Test("rewound, a queue goes on behind what it consumed, whatever the others wait for")
    func rewound() throws {
        let rig = try SpoolRig()
        let spool = try filled(rig, try PacketMaker(), count: 16)
        for _ in 0..<2 {
            let packet = try #require(try spool.take(2))
            try spool.consume(packet.number)
        }
        _ = try spool.take(0)
        spool.rewind()
        #expect(try spool.peek(0)?.number == 1 && spool.peek(2)?.number == 11)
    }

    @Test("a process that comes later finds what each queue has not consumed, and nothing else")
    func reopened() throws {
        let rig = try SpoolRig()
        var spool: Spool? = try filled(rig, try PacketMaker(), count: 16)
        for queue in 1..<4 { _ = try spool?.peek(queue) }
        while let packet = try spool?.take(0) { try spool?.consume(packet.number) }
        try spool?.storeMark()
        spool = nil
        let survey = try #require(try SpoolSurvey.all(in: rig.root).first)
        #expect(survey.frames == 12 && survey.shares.allSatisfy { $0.partition.number % 4 != 0 })
        let reader = try SpoolReader(survey)
        var numbers: [UInt64] = []
        while case .packet(let packet)? = try reader.next() { numbers.append(packet.number) }
        #expect(numbers == (1...16).filter { $0 % 4 != 1 })
        spool = try open(rig)
        #expect(try spool?.peek(0) == nil && spool?.peek(1)?.number == 2)
        #expect(spool?.ticks == 3 * 12 && spool?.opening.frames == 12)
        spool = nil
        // Of a mark for another number of queues the lowest number counts for all.
        let mark = SpoolMark(queues: [SpoolMark.Queue(below: 2, isSure: false)])
        try Data(mark.bytes).write(to: URL(fileURLWithPath: "\(rig.active)/mark"))
        spool = try open(rig)
        #expect(try spool?.peek(0)?.number == 5 && spool?.ticks == 3 * 15)
    }

    @Test("a mark that cannot be stored is an error, and is stored when the disk is well again")
    func unstored() throws {
        let rig = try SpoolRig()
        let spool = try filled(rig, try PacketMaker(), count: 4)
        while let packet = try spool.take(0) { try spool.consume(packet.number) }
        // Takes the file's place, so that the next process cannot make one.
        let path = "\(rig.active)/mark"
        spool.mark = Spool.MarkFile()
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false)
        #expect(throws: SpoolError.self) { try spool.storeMark() }
        try FileManager.default.removeItem(atPath: path)
        try spool.storeMark()
        #expect(try SpoolMark.read(in: rig.active).queues.map(\.below) == [5, 1, 1, 1])
    }

    @Test("damage that hides whose frames it took is told once, one with a header by its queue")
    func damaged() throws {
        let rig = try SpoolRig()
        var spool: Spool? = try filled(rig, try PacketMaker(), count: 8)
        let path = SegmentChain.path(rig.active, first: 1)
        spool = nil
        var content = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let frame = try #require(
            content.withRawSpan { FrameHeader($0.extracting(0..<FrameHeader.byteCount)) }
        ).frameBytes
        content[frame + FrameHeader.byteCount + 90] ^= 1
        for place in (3 * frame)..<(3 * frame + 8) { content[place] ^= 0xff }
        try Data(content).write(to: URL(fileURLWithPath: path))
        spool = try open(rig)
        var found: [UInt64] = []
        for queue in 0..<4 {
            while let packet = try spool?.take(queue) { found.append(packet.number) }
        }
        #expect(found == [1, 5, 6, 3, 7, 8])
        let damages = try #require(spool).damages
        #expect(damages.map { $0.frames.lowerBound }.sorted() == [2, 4])
        #expect(damages.count { $0.header == nil } == 1)
    }

    @Test("a packet is found by what it holds, sealed anew or not; the last one of its partition")
    func finds() throws {
        let rig = try SpoolRig()
        let spool = try open(rig)
        let packets = try (0..<12).map { try rig.maker.packet($0 % 3) }
        for packet in packets { _ = try spool.append(packet) }
        let sealed = packets[7].resealed(epoch: 9, firstOrdinal: 500)
        #expect(sealed.identity != packets[7].identity && sealed.content == packets[7].content)
        let foreign = try rig.maker.packet(2)
        let found = try spool.find([
            Partition(1): sealed.content, Partition(2): foreign.content,
            Partition(4): sealed.content,
        ])
        #expect(found.numbers == [Partition(1): 8])
        #expect(found.standing(Partition(1), nextOrdinal: 503) == .through(number: 8))
        #expect(found.standing(Partition(2), nextOrdinal: 7) == .through(number: 0))
        #expect(found.standing(Partition(3), nextOrdinal: 7) == .below(ordinal: 7))
        #expect(try spool.peek(1)?.number == 2, "nothing was read by it")
    }
}
