import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import StoreWriter

/// A file system of a few megabytes in memory. Only root may mount one.
final class SmallDisk {
    let path: String
    private let folder: TemporaryFolder

    init(mebibytes: Int) throws {
        folder = try TemporaryFolder("small-disk")
        path = folder.file("disk")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try run("/bin/mount", ["-t", "tmpfs", "-o", "size=\(mebibytes)m,mode=0777", "tmpfs", path])
    }

    deinit {
        do {
            try run("/bin/umount", ["-l", path])
        } catch {
            Issue.record("\(path) stays mounted: \(error)")
        }
    }

    /// Fills the disk completely, and frees it again.
    func fill() throws {
        let file = FileManager.default.createFile(atPath: "\(path)/filler", contents: nil)
        let handle = try #require(file ? FileHandle(forWritingAtPath: "\(path)/filler") : nil)
        let block = Data(count: 64 * 1_024)
        do {
            while true { try handle.write(contentsOf: block) }
        } catch {
            try handle.close()
        }
    }

    func empty() throws { try FileManager.default.removeItem(atPath: "\(path)/filler") }
}

@Suite("A full disk below the database", .enabled(if: geteuid() == 0, "only root mounts disks"))
struct DiskFullTests {
    @Test("FAULTS 26: nothing is written while it is full, all of it when there is room")
    func diskFull() throws {
        let disk = try SmallDisk(mebibytes: 64)
        try {
            var faults = try FaultBench("disk_full")
            let place = "\(disk.path)/space"
            try FileManager.default.createDirectory(
                atPath: place, withIntermediateDirectories: true)
            try run("/bin/chmod", ["0777", place])
            try run("/bin/chown", ["--reference=\(faults.server.dataFolder)", place])
            try faults.server.psql("CREATE TABLESPACE small LOCATION '\(place)'")
            // For the existing days of the table, with their indexes.
            try faults.database.psql(
                """
                DO $$
                DECLARE part regclass;
                BEGIN
                    FOR part IN SELECT inhrelid FROM pg_inherits
                        WHERE inhparent IN ('trade_rows'::regclass,
                                'trade_rows_symbol_ts'::regclass)
                    LOOP
                        EXECUTE format('ALTER TABLE %s SET TABLESPACE small', part);
                    END LOOP;
                END
                $$
                """)
            let writer = try WriterProcess(faults.bench)
            try faults.publish()
            #expect(faults.isComplete())
            try disk.fill()
            // More than fits into the allocated pages.
            try faults.publish(packets: 120)
            #expect(eventually { writer.log.contains("53100") }, "\(writer.log)")
            try disk.empty()
            try faults.stopAndAudit(writer)
        }()
    }
}
