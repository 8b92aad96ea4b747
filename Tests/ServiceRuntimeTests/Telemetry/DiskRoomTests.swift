import TestSupport
import Testing

@testable import ServiceRuntime

/// How much room the disk of a folder has.
@Suite struct DiskRoomTests {
    @Test("a folder that is not there yet has the room of the nearest one above it")
    func missingFolder() throws {
        let folder = try TemporaryFolder()
        let there = try #require(DiskRoom(at: folder.path))
        #expect(there.freeBytes > 0 && there.totalBytes > there.freeBytes)
        #expect(DiskRoom(at: folder.file("a")) == nil)
        let missing = try #require(DiskRoom(aroundFolder: folder.file("a/b")))
        #expect(missing.totalBytes == there.totalBytes)
        // Another file system, which has no blocks.
        #expect(DiskRoom(aroundFolder: "/proc/none/deeper/")?.totalBytes == 0)
        #expect(
            DiskRoom(aroundFolder: "none/deeper")?.totalBytes == DiskRoom(at: ".")?.totalBytes)
        try folder.write("x", to: "file")
        #expect(
            DiskRoom(aroundFolder: folder.file("file/deeper"))?.totalBytes == there.totalBytes)
    }

    @Test("what the system refuses to show is absent")
    func refused() {
        #expect(DiskRoom(aroundFolder: String(repeating: "x", count: 5_000)) == nil)
    }

    @Test("each scrape looks at the disk, and a folder has its label")
    func metrics() throws {
        let registry = MetricRegistry()
        registry.addDisk(of: "/proc/none", purpose: "spool")
        registry.addDisk(of: try TemporaryFolder().path, purpose: "dead-letters")
        registry.addDisk(of: String(repeating: "x", count: 5_000), purpose: "other")
        let page = String(decoding: registry.render(), as: UTF8.self)
        #expect(page.contains("\nmds_disk_free_bytes{folder=\"spool\"} 0\n"))
        #expect(page.contains("\nmds_disk_size_bytes{folder=\"spool\"} 0\n"))
        #expect(page.contains("\nmds_disk_size_bytes{folder=\"dead-letters\"} "))
        #expect(!page.contains("other"))
    }
}
