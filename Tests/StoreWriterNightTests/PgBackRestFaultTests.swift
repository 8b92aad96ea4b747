import TestSupport
import Testing

@testable import StoreWriterServerTests

/// An object store in place of a folder, and WAL that is dropped, unreadable or another program's.
@Suite("Backups on a host, by pgBackRest, when something is wrong")
struct PgBackRestFaultTests {
    @Test(
        "a repository in an object store: a lost disk is recovered, and what is there is encrypted",
        .enabled(if: PgBackRestBench.ObjectStore.obstacle == nil))
    func objectStore() throws {
        let store = try PgBackRestBench.ObjectStore()
        let bench = try PgBackRestBench("backup_store", store: store)
        try bench.setUp()
        try bench.rows(1, to: 100)
        try bench.script("full")
        try bench.rows(101, to: 200)
        try bench.script("check")
        try bench.loseDisk()
        try bench.script("recover", bench.server.dataFolder)
        try bench.start()
        #expect(try bench.stored() == "1-200 200")
        let found = try store.contents()
        #expect(found["bytes"] ?? 0 > 1_000_000, "\(found)")
        #expect(found["clear"] == 0, "\(found)")
    }

    @Test("WAL that was dropped while the repository was away is noticed, and a backup follows")
    func dropped() throws {
        let bench = try PgBackRestBench("backup_hole", queue: "100MiB")
        try bench.setUp()
        try bench.script("full")
        #expect(!(try bench.script("check").contains("was dropped")))
        try bench.withoutRepository {
            let isDropped = try eventually { try bench.fillQueue().contains("dropped WAL file") }
            #expect(isDropped)
        }
        // Otherwise the check's own piece may be dropped, too.
        #expect(try eventually { try bench.isQueueEmpty() })
        let said = try bench.script("check")
        #expect(said.contains("no recovery passes it. A backup follows"))
        #expect(
            try bench.database.psql("SELECT detail FROM backups WHERE kind = 'base'").hasSuffix("D")
        )
        #expect(!(try bench.script("check").contains("was dropped")))
    }

    @Test("WAL that is there and cannot be read stops a recovery, and does not end it early")
    func unreadable() throws {
        let bench = try PgBackRestBench("backup_unreadable")
        try bench.setUp()
        try bench.script("full")
        for last in [100, 200] {
            try bench.rows(last - 99, to: last)
            try bench.script("check")
        }
        try bench.loseDisk()
        try bench.script("recover", bench.server.dataFolder)
        try bench.withoutLastWAL {
            #expect(throws: (any Error).self) { try bench.start() }
            #expect(bench.server.log.contains("could not restore file"))
        }
        try bench.start()
        #expect(try bench.stored() == "1-200 200")
        try bench.loseDisk()
        #expect(try bench.storedElsewhere() == "1-200 200")
    }

    @Test("WAL that another program gets already stays its own")
    func foreign() throws {
        let bench = try PgBackRestBench(
            "backup_foreign", settings: ["archive_mode=on", "archive_command=cp %p /dev/null"])
        let failure = #expect(throws: ProgramFailure.self) { try bench.script("setup") }
        #expect(failure?.message.contains("the WAL goes elsewhere") == true)
        #expect(try bench.server.psql("SHOW archive_command") == "cp %p /dev/null")
    }
}
