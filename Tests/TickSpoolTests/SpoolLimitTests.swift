import Foundation
import MarketModel
import Primitives
import TapeCodec
import TestSupport
import Testing

@testable import TickSpool

/// A file system of a few kilobytes, which exists while the value lives.
private final class SmallDisk {
    struct Failed: Error {}

    /// Why there can be none on this machine. `nil` if there can.
    static let obstacle: String? = {
        guard getuid() == 0 else { return "a disk of its own needs root" }
        do {
            _ = try SmallDisk(kilobytes: 64)
            return nil
        } catch {
            return "no tmpfs can be mounted here"
        }
    }()

    private let folder: TemporaryFolder
    var path: String { folder.file("disk") }

    init(kilobytes: Int) throws {
        folder = try TemporaryFolder("small-disk")
        try FileManager.default.createDirectory(
            atPath: folder.file("disk"), withIntermediateDirectories: false)
        guard unsafe mount("tmpfs", path, "tmpfs", 0, "size=\(kilobytes)k") == 0 else {
            throw Failed()
        }
    }

    deinit { unsafe umount2(path, Int32(MNT_DETACH)) }
}

@Suite struct SpoolLimitTests {
    @Test("bytes are bounded; what is consumed makes room")
    func bytes() throws {
        var rig = try SpoolRig()
        rig.bytesMax = 4_000
        rig.segmentBytes = 700
        let spool = try rig.open()
        var count = 0
        while try spool.append(try rig.maker.packet()) != .full(.bytes) { count += 1 }
        #expect(spool.bytes <= 4_000)
        #expect(spool.bytesFree < 500)
        #expect(spool.frames == UInt64(count))
        var taken = 0
        while let spooled = try spool.take() {
            taken += 1
            try spool.consume(spooled.number)
        }
        #expect(taken == count)
        #expect(spool.bytesFree == 4_000)
        #expect(try spool.append(try rig.maker.packet()) != .full(.bytes))
    }

    @Test("defaults: segments that fit into the bytes, also into very few and many")
    func defaults() throws {
        let source = try #require(SourceName("a"))
        let usual = Spool.Settings(folder: "/x", source: source, bytesMax: 1 << 30)
        #expect(usual.segmentBytes == 16 << 20)
        #expect(usual.asideBytesMax == 4 << 30)
        let small = Spool.Settings(folder: "/x", source: source, bytesMax: 8 << 20)
        #expect(small.segmentBytes == 1 << 20)
        #expect(Spool.Settings(folder: "/x", source: source, bytesMax: .max).asideBytesMax == .max)
        let none = Spool.Settings(folder: "/x", source: source, bytesMax: 0)
        #expect(none.segmentBytes == 1)
    }

    @Test(
        "a full disk refuses ticks, and room is used again",
        .enabled(if: SmallDisk.obstacle == nil, "\(SmallDisk.obstacle ?? "")"))
    func fullDisk() throws {
        let disk = try SmallDisk(kilobytes: 256)
        var settings = try SpoolRig().settings
        settings.folder = "\(disk.path)/spool"
        settings.segmentBytes = 16 << 10
        let maker = try PacketMaker()
        var expected: [SealedPacket] = []
        var consumed = 0
        func append(_ spool: Spool) throws -> Bool {
            let packet = try maker.packet(ticks: 40)
            switch try spool.append(packet) {
            case .appended:
                expected.append(packet)
                return true
            case .full(let limit):
                #expect(limit == .disk)
                return false
            }
        }
        do {
            let spool = try Spool(settings)
            while try append(spool) {}
            #expect(expected.count > 20)
            #expect(try !append(spool))
            try spool.sync()
            // As soon as a segment is removed.
            repeat {
                let spooled = try #require(try spool.take())
                try spool.consume(spooled.number)
                consumed += 1
            } while try !append(spool)
        }
        let spool = try Spool(settings)
        #expect(spool.opening.tornBytes == 0)
        #expect(spool.opening.damagedFrames == 0)
        let found = try spool.drain()
        #expect(found.bytes == expected.suffix(found.count).map(\.array))
        #expect(found.count == expected.count - consumed)
        #expect(spool.damages.isEmpty)
    }

    @Test(
        "without any room the spool opens all the same, or says that the disk is full",
        .enabled(if: SmallDisk.obstacle == nil, "\(SmallDisk.obstacle ?? "")"))
    func noRoom() throws {
        let disk = try SmallDisk(kilobytes: 64)
        var settings = try SpoolRig().settings
        settings.folder = "\(disk.path)/spool"
        _ = try Spool(settings)
        let filler = try SpoolFile("\(disk.path)/filler", .writing)
        #expect(throws: SpoolError.self) {
            try filler.write([UInt8](repeating: 1, count: 64 << 10), at: 0)
        }
        let maker = try PacketMaker()
        do {
            let spool = try Spool(settings)
            #expect(try spool.append(try maker.packet(ticks: 60)) == .full(.disk))
            #expect(spool.isEmpty)
        } catch let error as SpoolError {
            #expect(error.isRetryable, "\(error)")
        }
    }
}
