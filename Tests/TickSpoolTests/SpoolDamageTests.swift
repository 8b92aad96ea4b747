import Foundation
import MarketModel
import Primitives
import TapeCodec
import TestSupport
import Testing

@testable import TickSpool

/// The state of the folder after an end at any moment, after a disk fault, or after a person's
/// change.
@Suite struct SpoolDamageTests {
    private func change(_ path: String, _ body: (inout [UInt8]) -> Void) throws {
        let url = URL(fileURLWithPath: path)
        var bytes = [UInt8](try Data(contentsOf: url))
        body(&bytes)
        try Data(bytes).write(to: url)
    }

    private func filled(_ rig: SpoolRig, _ count: Int) throws -> [SealedPacket] {
        let maker = try PacketMaker()
        let packets = try (0..<count).map { try maker.packet($0 % 2) }
        let spool = try rig.open()
        try spool.append(packets)
        try spool.sync()
        return packets
    }

    @Test("an end in the middle of a frame is cut, and appending goes on behind the last whole one")
    func tornTail() throws {
        let rig = try SpoolRig()
        let packets = [try rig.maker.packet(), try rig.maker.packet()]
        try rig.open().append(packets)
        let path = try #require(try rig.segments().first)
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let first = FrameHeader.frameBytes(packetBytes: packets[0].byteCount)
        let next = try rig.maker.packet()
        for count in 0..<whole.count {
            for old in try rig.segments() { try FileManager.default.removeItem(atPath: old) }
            try Data(whole[..<count]).write(to: URL(fileURLWithPath: path))
            let spool = try rig.open()
            let kept = count < first ? 0 : 1
            #expect(spool.opening.frames == UInt64(kept), "cut at \(count)")
            #expect(spool.opening.tornBytes == count - kept * first, "cut at \(count)")
            #expect(try spool.append(next) == .appended(number: UInt64(kept + 1)))
            spool.rewind()
            var found: [SealedPacket] = []
            while let spooled = try spool.take() { found.append(spooled.packet) }
            #expect(found.bytes == (packets[..<kept] + [next]).map(\.array), "cut at \(count)")
            #expect(spool.damages.isEmpty)
        }
    }

    @Test("a damaged frame is passed over and told with its ordinals")
    func damagedPacket() throws {
        let rig = try SpoolRig()
        let packets = try filled(rig, 6)
        let frame = FrameHeader.frameBytes(packetBytes: packets[0].byteCount)
        try change(try #require(try rig.segments().first)) { $0[frame * 2 + 200] ^= 1 }
        let spool = try rig.open()
        #expect(spool.frames == 6)
        let found = try spool.drain()
        #expect(found.bytes == [0, 1, 3, 4, 5].map { packets[$0].array })
        #expect(spool.isEmpty)
        #expect(spool.ticks == 0)
        let damage = try #require(spool.damages.first)
        #expect(spool.damages.count == 1)
        #expect(damage.frames == 3..<4)
        #expect(damage.header?.partition == Partition(0))
        #expect(damage.header?.ordinals == 4...6)
        #expect(damage.description.contains("frame 3 is damaged: ordinals 4 to 6 of partition 0"))
    }

    @Test("damage at the end of a segment, and of the last one, holds nobody up")
    func damagedEnds() throws {
        var rig = try SpoolRig()
        rig.segmentBytes = 1_000
        let packets = try filled(rig, 9)
        let segments = try rig.segments()
        let frame = FrameHeader.frameBytes(packetBytes: packets[0].byteCount)
        let perSegment = 1_000 / frame
        // The header of the last frame of the first segment, and that segment's last bytes.
        try change(segments[0]) { $0[frame * (perSegment - 1) + 9] ^= 1 }
        let spool = try rig.open()
        #expect(spool.opening.damagedFrames == 1)
        // And the very last frame, without the knowledge of the open spool.
        let lastCount = 9 - perSegment * (segments.count - 1)
        try change(segments[segments.count - 1]) { $0[frame * (lastCount - 1) + 9] ^= 1 }
        let found = try spool.drain()
        let lost = perSegment - 1
        #expect(
            found.bytes
                == packets.indices.filter { $0 != lost && $0 != 8 }.map { packets[$0].array })
        #expect(spool.damages.map(\.frames) == [UInt64(lost + 1)..<UInt64(lost + 2), 9..<10])
        #expect(spool.damages[0].description.contains("1 frames from \(lost + 1) on are damaged"))
        #expect(spool.isEmpty)
        #expect(try rig.segments().isEmpty)
    }

    @Test("a segment that is gone is told, and the others are read")
    func goneSegment() throws {
        var rig = try SpoolRig()
        rig.segmentBytes = 600
        let packets = try filled(rig, 8)
        let segments = try rig.segments()
        try #require(segments.count > 3)
        try FileManager.default.removeItem(atPath: segments[1])
        let spool = try rig.open()
        let found = try spool.drain()
        #expect(found.count < packets.count)
        #expect(found.last?.array == packets.last?.array)
        #expect(spool.damages.reduce(0) { $0 + $1.frames.count } + found.count == packets.count)
        #expect(spool.isEmpty)
    }

    @Test("files that are none of ours, and an empty segment, do not matter")
    func strangeFiles() throws {
        let rig = try SpoolRig()
        let packets = try filled(rig, 2)
        for name in ["notes.txt", "1.frames", "holder.new", "99999999999999999999.frames"] {
            try Data([7]).write(to: URL(fileURLWithPath: "\(rig.active)/\(name)"))
        }
        try Data().write(
            to: URL(fileURLWithPath: SegmentChain.path(rig.active, first: 3)))
        let spool = try rig.open()
        #expect(try spool.drain().bytes == packets.bytes)
    }

    @Test("with the holder's file, its folder's every name lost, the packets are still there")
    func goneHolder() throws {
        let rig = try SpoolRig()
        let packets = try filled(rig, 3)
        for name in ["holder", "mark"] {
            try FileManager.default.removeItem(atPath: "\(rig.active)/\(name)")
        }
        let spool = try rig.open()
        #expect(spool.opening.isHolderUnknown)
        #expect(try spool.drain().bytes == packets.bytes)
    }
}
