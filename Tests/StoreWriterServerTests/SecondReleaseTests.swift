import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TestSupport
import Testing

@testable import StoreWriter

/// The files of `SecondRelease/`, which come after the first release's.
@Suite("A made-up second release")
struct SecondReleaseTests {
    @Test(
        "it is migrated beside a writer of the first, which goes on", arguments: DatabaseMode.here)
    func besideWriter(mode: DatabaseMode) throws {
        let bench = try WriterBench(
            try TestTape(NatsServer.shared(), namespace: "wsecond\(mode)"),
            try TestDatabase("writer_second", schema: "wsecond\(mode)", mode: mode))
        let running = try bench.start()
        var source = try bench.source(0)
        var ticks = 0
        func publish() throws {
            WriterBench.fill(&source, ticks: 20)
            try source.publish(watermark: .undefined)
            ticks += 20
        }
        try publish()
        #expect(bench.isComplete([ticks]), "\(bench.shown) \(running.reasons)")

        // Somebody reads for long, so the first file does not get its lock.
        let reader = try bench.database.connect(
            bench.database.migrator, searchPath: bench.database.schema.searchPath)
        try reader.script(
            """
            SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT count(*) FROM trade_rows
            """)
        let migration = MigrationRun()
        let thread = try migration.start(bench.database, try TestDatabase.secondRelease())
        for turn in 1...2 {
            #expect(eventually { thread.isFinished || migration.waits.withLock { $0 } >= turn })
            try publish()
            #expect(bench.isComplete([ticks]), "\(bench.shown) \(running.reasons)")
        }
        #expect(!thread.isFinished)
        try reader.script("COMMIT")
        #expect(thread.join(timeout: patience))
        #expect(try migration.report?.applied == MigratorTests.second)

        try publish()
        #expect(bench.isComplete([ticks]), "\(bench.shown) \(running.reasons)")
        try bench.stopAndAudit(running)
        try bench.database.expect(
            "SELECT count(*) FROM trade_rows WHERE venue = ''", "\(ticks / 4 * 3)")
        try bench.database.expect(
            """
            SELECT count(*) = 1 + (SELECT count(*) FROM time_partitions('trade_rows')
                    WHERE EXISTS (SELECT FROM time_tables() WHERE shape = 'native')),
                bool_and(indisvalid)
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE c.relname = 'gaps_reason' OR c.relname LIKE 'trade_rows%\\_ordinal'
            """, "t|t")
    }
}
