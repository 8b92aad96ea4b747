import Foundation
import MarketModel
import Primitives
import TapeCodec
import TestSupport
import Testing

@testable import TickSpool

/// Setting aside, and every situation in which two owners could meet.
@Suite struct SpoolAsideTests {
    private static func time(_ seconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: PacketMaker.start + seconds * 1_000_000_000)
    }

    @Test("what is set aside stays whole, with its reason, and the spool begins anew")
    func setAside() throws {
        let rig = try SpoolRig()
        let spool = try rig.open()
        #expect(try spool.setAside(reason: "nothing there", now: Self.time(0)) == nil)
        try spool.hold([(Partition(0), 3)])
        try spool.append([try rig.maker.packet(), try rig.maker.packet(1), try rig.maker.packet(2)])
        #expect(try spool.take()?.number == 1)
        try spool.consume(1)
        let aside = try #require(try spool.setAside(reason: "fenced by 9", now: Self.time(5)))
        #expect(aside.name == "synthetic-20260105T143005Z")
        #expect(aside.frames == 2)
        #expect(aside.ticks == 6)
        #expect(aside.removed.isEmpty)
        #expect(rig.asides() == [aside.name])
        #expect(spool.isEmpty)
        #expect(spool.bytes == 0)
        #expect(spool.epochs(Partition(0)).isEmpty)
        let next = try rig.maker.packet(3)
        #expect(try spool.append(next) == .appended(number: 4))
        #expect(try spool.drain().bytes == [next.array])
        let again = try { () throws -> SpoolAside? in
            _ = try spool.append(next)
            return try spool.setAside(reason: "again", now: Self.time(5))
        }()
        #expect(again?.name == "synthetic-20260105T143005Z-2")
    }

    @Test("what a disk kept from being set aside is set aside when the disk is well again")
    func again() throws {
        let rig = try SpoolRig()
        let spool = try rig.open()
        _ = try spool.append(try rig.maker.packet())
        // A file has the name of the folder that is needed.
        try Data().write(to: URL(fileURLWithPath: "\(rig.root)/aside"))
        #expect(throws: SpoolError.self) {
            _ = try spool.setAside(reason: "fenced", now: Self.time(9))
        }
        #expect(!spool.isEmpty)
        try FileManager.default.removeItem(atPath: "\(rig.root)/aside")
        #expect(try spool.setAside(reason: "fenced", now: Self.time(9))?.frames == 1)
        #expect(rig.asides().count == 1 && spool.isEmpty)
        // The disk failed between the move and the new folder.
        try FileManager.default.removeItem(atPath: rig.active)
        try spool.hold([(Partition(0), 4)])
        #expect(try spool.append(try rig.maker.packet()) == .appended(number: 2))
    }

    @Test("an end while it was being set aside is finished at the next start")
    func interrupted() throws {
        let rig = try SpoolRig()
        do {
            let spool = try rig.open()
            _ = try spool.append(try rig.maker.packet())
            let why = SetAside(source: rig.source, reason: "fenced", time: Self.time(9))
            try SpoolFiles.replace("why", in: rig.active, by: why.json)
        }
        let spool = try rig.open()
        #expect(spool.opening.setAside == "synthetic-20260105T143009Z")
        #expect(spool.isEmpty)
        #expect(rig.asides() == ["synthetic-20260105T143009Z"])
    }

    @Test("beyond its number the oldest is removed and named, one that was replayed before others")
    func asideMax() throws {
        let rig = try SpoolRig()
        var settings = rig.settings
        settings.asideMax = 2
        let spool = try Spool(settings)
        var names: [String] = []
        var removed: [[String]] = []
        for second in 0..<4 as Range<Int64> {
            _ = try spool.append(try rig.maker.packet())
            let aside = try #require(try spool.setAside(reason: "r", now: Self.time(second)))
            names.append(aside.name)
            removed.append(aside.removed)
            if second == 2 {
                try Data().write(
                    to: URL(fileURLWithPath: "\(rig.root)/aside/\(aside.name)/replayed"))
            }
        }
        #expect(removed == [[], [], [names[0]], [names[2]]])
        #expect(rig.asides() == [names[1], names[3]])
    }

    @Test("beyond its bytes the oldest is removed, never the newest, and never another source's")
    func asideBytes() throws {
        let rig = try SpoolRig()
        var other = try SpoolRig("other").settings
        other.folder = rig.root
        var settings = rig.settings
        settings.asideBytesMax = 1
        let (first, second) = (try Spool(other), try Spool(settings))
        for spool in [first, second] { _ = try spool.append(try rig.maker.packet()) }
        // For one of them the packet is from the wrong source, which matters only at its next
        // start.
        let kept = try #require(try first.setAside(reason: "r", now: Self.time(0)))
        let one = try #require(try second.setAside(reason: "r", now: Self.time(0)))
        _ = try second.append(try rig.maker.packet())
        let two = try #require(try second.setAside(reason: "r", now: Self.time(1)))
        #expect(two.removed == [one.name])
        #expect(rig.asides() == [kept.name, two.name])
    }

    @Test("a second process on the folder is told who has it; a first that ended does not matter")
    func twoProcesses() throws {
        let rig = try SpoolRig()
        do {
            let spool = try rig.open()
            #expect(spool.isEmpty)
            let error = try #require(throws: SpoolError.self) { _ = try rig.open() }
            #expect(error.description.contains("is in use by process \(getpid())"))
            #expect(error.isRetryable)
        }
        #expect(try rig.open().isEmpty)
    }

    @Test("a spool that was closed is free, whatever child was being started meanwhile")
    func forked() throws {
        let rig = try SpoolRig()
        let child: ChildsDescriptor
        do {
            let spool = try rig.open()
            child = try ChildsDescriptor(of: "\(rig.root)/synthetic/lock")
            withExtendedLifetime(spool) {}
        }
        #expect(try rig.open().isEmpty)
        _ = consume child
    }

    @Test("sources share a folder and never each other's packets")
    func sources() throws {
        let rig = try SpoolRig()
        var other = try SpoolRig("aside").settings
        other.folder = rig.root
        do {
            let (first, second) = (try rig.open(), try Spool(other))
            _ = try first.append(try rig.maker.packet())
            #expect(first.frames == 1)
            #expect(second.isEmpty)
        }
        // A folder that a person has renamed.
        try FileManager.default.removeItem(atPath: "\(rig.root)/aside")
        try FileManager.default.moveItem(
            atPath: "\(rig.root)/synthetic", toPath: "\(rig.root)/aside")
        let error = try #require(throws: SpoolError.self) { _ = try Spool(other) }
        #expect(error.description.contains("belongs to source 'synthetic', not to 'aside'"))
        #expect(!error.isRetryable)
        try FileManager.default.removeItem(atPath: "\(rig.root)/aside/spool/holder")
        let again = try #require(throws: SpoolError.self) { _ = try Spool(other) }
        #expect(again == error)
    }

    @Test("a newer version's folder is left alone")
    func newer() throws {
        let rig = try SpoolRig()
        _ = try rig.open()
        try Data(#"{"version":2}"#.utf8).write(to: URL(fileURLWithPath: "\(rig.active)/holder"))
        let error = try #require(throws: SpoolError.self) { _ = try rig.open() }
        #expect(error.description.contains("was written by a newer version"))
    }

    @Test("a folder that cannot be used is told with its path and what to do")
    func unusable() throws {
        let rig = try SpoolRig()
        try Data().write(to: URL(fileURLWithPath: rig.root))
        let error = try #require(throws: SpoolError.self) { _ = try rig.open() }
        #expect(error.description.contains(rig.root))
        #expect(error.description.contains("name another one"))
        let denied = SpoolError.system(
            operation: "open", path: "/x", code: .init(rawValue: EACCES))
        #expect(
            denied.description
                == "cannot open /x: Permission denied; make the folder writable for this user")
        #expect(!denied.isRetryable)
        let full = SpoolError.system(operation: "write", path: "/x", code: .init(rawValue: ENOSPC))
        #expect(full.description.hasSuffix("free some space on that disk"))
        #expect(full.isRetryable)
        #expect(SpoolError.SystemCode(rawValue: 99_999).description.contains("99999"))
        #expect(
            SpoolError.tooLarge(packetBytes: 3, bytesMax: 2).description.contains("make packets"))
    }

    @Test("files belong to the gateway's user alone")
    func permissions() throws {
        let rig = try SpoolRig()
        let spool = try rig.open()
        _ = try spool.append(try rig.maker.packet())
        let files = FileManager.default
        for path in try rig.segments() + ["\(rig.active)/holder", "\(rig.active)/mark"] {
            let mode = try files.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(path)")
        }
        for path in [rig.active, "\(rig.root)/synthetic"] {
            let mode = try files.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o700, "\(path)")
        }
    }
}
