import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline versions fill: a database of before, and what its tape still has", .serialized)
struct VersionsFillTests {
    private let seed = UInt64.random(in: 0 ... .max)

    /// Expects of each time that the database tells what was known then, or refuses.
    private func expectTold(_ scene: VersionsBench, _ times: [Int64]) throws {
        for (time, told) in zip(times, try scene.told(times)) {
            #expect(
                told == VersionsBench.refused || told == scene.truth(time),
                "seed \(seed): at \(time): \(told), \(scene.truth(time))")
        }
    }

    @Test("everything comes back, once, also while a writer stores later versions")
    func whole() throws {
        var random = SeededRandom(seed: seed)
        var scene = try VersionsBench("fill_whole")
        try scene.publish(packets: 12, &random)
        try scene.store()
        let rows = scene.expectedRows
        #expect(try scene.rows() == rows)
        try scene.forget()
        let known = scene.versions.map(\.knownAt)
        #expect(try scene.told(known).allSatisfy { $0 == VersionsBench.refused }, "seed \(seed)")

        let book = try scene.book
        let dry = try scene.fill("--dry-run")
        #expect(dry.code == .success && !dry.hasMoved)
        #expect(try scene.book == book && scene.bench.query("TABLE bar_versions") == "")
        // No writer has read on, so the book stays, and rows are filled in.
        let early = try scene.fill()
        #expect(early.code == .success && !early.hasMoved, "\(early.json)")
        #expect(["times", "versions"].allSatisfy { early.number($0) == dry.number($0) })
        #expect(early.number("times") + early.number("versions") == scene.versions.count)
        #expect(try scene.rows() == rows, "seed \(seed)")
        try scene.forget()

        let writer = try scene.bench.startWriter()
        try scene.publish(packets: 4, &random)
        let first = try scene.fill()
        #expect(first.code == .success, "seed \(seed): \(first.json)")
        try scene.publish(packets: 4, &random)
        try scene.expectStored()
        // In the meantime a bar may have been replaced before its time was filled in.
        _ = try scene.fill()
        try writer.stop()
        #expect(try scene.rows() == scene.expectedRows, "seed \(seed)")
        let times = scene.times(60, &random) + [known[0] - 1]
        let told = try scene.told(times)
        for (time, told) in zip(times, told) {
            #expect(told == scene.truth(time), "seed \(seed), \(time), known \(known[0])")
        }
        #expect(try scene.audit() == [], "seed \(seed)")
        #expect(try scene.book == "0|\(known[0])")
        let again = try scene.fill()
        #expect(again.code == .success && !again.hasMoved)
        #expect(again.number("times") == 0 && again.number("versions") == 0)
        #expect(try scene.book == "0|\(known[0])" && scene.rows() == scene.expectedRows)
        let said = try scene.filled([]).text
        #expect(said.hasPrefix("partition 1: nothing is missing; known since 2"), "\(said)")
        #expect(said.hasSuffix("0 times and 0 versions added\n"))
    }

    @Test("what a kill leaves is right or raises, and the next run goes on from there")
    func killed() throws {
        var random = SeededRandom(seed: seed)
        var scene = try VersionsBench("fill_killed")
        try scene.publish(packets: 10, &random)
        try scene.store()
        try scene.forget()
        let interrupted = ShutdownSignal()
        interrupted.request()
        let nothing = try scene.fill(shutdown: interrupted)
        #expect(nothing.code == .failure && nothing.number("versions") == 0)
        // Batches are transactions in the order of the tape.
        let middle = scene.versions[scene.versions.count / 2].revision
        _ = try scene.fill()
        try scene.forget(after: middle)
        let times = scene.times(60, &random)
        try expectTold(scene, times)
        try scene.publish(packets: 1, &random)
        try scene.store()
        let rest = try scene.fill()
        #expect(rest.code == .success && rest.hasMoved, "seed \(seed): \(rest.json)")
        #expect(rest.number("versions") < scene.versions.count)
        #expect(try scene.told(times) == times.map(scene.truth), "seed \(seed)")
        #expect(try scene.audit() == [], "seed \(seed)")
    }

    @Test("a version that the tape lost between two fills is no silent gap")
    func purgedBetween() throws {
        var random = SeededRandom(seed: seed)
        var scene = try VersionsBench("fill_between")
        try scene.publish(packets: 10, &random)
        try scene.store()
        try scene.forget()
        _ = try scene.fill()
        let middle = scene.versions[scene.versions.count / 3].revision
        try scene.forget(after: middle)
        try scene.publish(packets: 1, &random)
        try scene.purge(packets: 7)
        try scene.store()
        let rest = try scene.fill()
        #expect(rest.code == .success && rest.hasMoved, "seed \(seed): \(rest.json)")
        let times = scene.times(120, &random)
        try expectTold(scene, times)
        #expect(try scene.audit() == [], "seed \(seed)")
    }

    @Test("of a tape that lost its beginning nothing is claimed of before")
    func purged() throws {
        var random = SeededRandom(seed: seed)
        var scene = try VersionsBench("fill_purged", timescale: true)
        try scene.publish(packets: 12, &random)
        try scene.store()
        try scene.forget()
        try scene.publish(packets: 2, &random)
        try scene.purge(packets: 5)
        try scene.store()
        let filled = try scene.fill()
        #expect(filled.code == .success && filled.hasMoved, "seed \(seed): \(filled.json)")
        let times = scene.times(80, &random)
        try expectTold(scene, times)
        // When the last one of before was known, all bars have a version that the tape had.
        let last = scene.versions.map(\.knownAt).max() ?? 0
        #expect(try scene.told([last]) == [scene.truth(last)], "seed \(seed)")
        #expect(try scene.audit() == [], "seed \(seed)")
        let again = try scene.fill()
        #expect(again.number("times") == 0 && again.number("versions") == 0 && !again.hasMoved)
        // Nothing of before is left.
        try scene.purge(packets: 12)
        let late = try scene.fill()
        #expect(late.code == .success && late.partition?["state"]?.string == "nothing")
    }

    @Test("where tape and database disagree it is named, and the book stays")
    func disagreements() throws {
        var random = SeededRandom(seed: seed)
        var scene = try VersionsBench("fill_wrong")
        try scene.publish(packets: 10, &random)
        try scene.store()
        try scene.forget()
        try scene.publish(packets: 1, &random, of: 3..<6)
        try scene.store()
        let book = try scene.book
        let before = "revision <= (SELECT after_ordinal FROM version_books)"
        let revision = try scene.bench.query(
            "SELECT max(revision) FROM bars_short WHERE replaced > 0 AND \(before)")
        let bar = "WHERE revision = \(revision)"
        for (damage, mend, reason) in [
            ("close = close + 1", "close = close - 1", "its row has other values"),
            ("replaced = replaced - 1", "replaced = replaced + 1", "its bar counts only"),
            ("source = 'other'", "source = 'desk'", "no version of it is stored"),
        ] {
            _ = try scene.bench.query(
                """
                DELETE FROM bar_versions WHERE \(before);
                UPDATE bars_short SET taken_at = NULL WHERE \(before);
                UPDATE bars_short SET \(damage) \(bar)
                """)
            let filled = try scene.fill()
            #expect(filled.code == .failure && !filled.hasMoved, "seed \(seed): \(reason)")
            #expect(filled.example.contains(reason), "seed \(seed): \(filled.json)")
            #expect(try scene.book == book)
            _ = try scene.bench.query("UPDATE bars_short SET \(mend) \(bar)")
        }
        let mended = try scene.fill()
        #expect(mended.code == .success && mended.hasMoved, "seed \(seed): \(mended.json)")
        #expect(try scene.rows() == scene.expectedRows, "seed \(seed)")
        #expect(throws: ToolError.self) { try scene.fill("--partition", "17") }
    }

    @Test("what retention dropped is not stored again")
    func retired() throws {
        var random = SeededRandom(seed: seed)
        var scene = try VersionsBench("fill_retired")
        try scene.publish(packets: 8, &random)
        try scene.store()
        try scene.forget()
        try scene.publish(packets: 1, &random)
        try scene.store()
        _ = try scene.bench.query(
            """
            DELETE FROM bar_versions;
            INSERT INTO retired_rows (table_name, input, source, partition, rows, last_ordinal,
                until) VALUES ('bar_versions', 'versions', 'desk', 1, 1, 1, '2023-11-20')
            """)
        let filled = try scene.fill()
        #expect(filled.code == .success && filled.number("versions") == 0, "\(filled.json)")
        #expect(try scene.bench.query("SELECT count(*) FROM bar_versions") == "0")
        let times = scene.times(40, &random)
        try expectTold(scene, times)
        #expect(try scene.audit() == [], "seed \(seed)")
    }

    @Test("it waits for a row that a writer holds, and the writer never for it")
    func locked() throws {
        var random = SeededRandom(seed: seed)
        var scene = try VersionsBench("fill_locked")
        try scene.publish(packets: 4, &random)
        try scene.store()
        try scene.forget()
        let holder = try session(scene)
        try holder.execute("BEGIN", timeout: patience)
        try holder.execute("UPDATE md.bars_short SET lateness_ns = NULL", timeout: patience)
        try holder.execute("UPDATE md.bars_long SET lateness_ns = NULL", timeout: patience)
        try expectFill(of: scene, waitingFor: "wait_event_type = 'Lock'") {
            try holder.execute("ROLLBACK", timeout: patience)
        }
    }

    /// Expects that a fill waits for something, and is complete after that is released.
    private func expectFill(
        of scene: VersionsBench, waitingFor what: String, _ release: () throws -> Void
    ) throws {
        let fill = scene.filling()
        let filling = try ServiceThread(name: "filling") {
            let outcome = Result { try fill() }
            #expect(throws: Never.self) { try #expect(outcome.get() == .success) }
        }
        let waiting = """
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'tapeline versions' AND \(what)
            """
        #expect(try eventually { try scene.bench.query(waiting) == "1" })
        try release()
        #expect(filling.join(timeout: patience))
        #expect(try scene.rows() == scene.expectedRows, "seed \(seed)")
    }

    /// A session of the database's owner.
    private func session(_ scene: VersionsBench) throws -> PostgresConnection {
        var owner = PostgresConfiguration(
            host: "127.0.0.1", port: scene.bench.postgres.port, database: scene.bench.database,
            user: PostgresServer.user, password: PostgresServer.password)
        owner.sslMode = .disable
        return try PostgresConnection(owner, timeout: patience)
    }

    @Test("a fill waits for another one, whose end the server may not have noticed, for a while")
    func turns() throws {
        var random = SeededRandom(seed: seed)
        var scene = try VersionsBench("fill_turns")
        try scene.publish(packets: 4, &random)
        try scene.store()
        try scene.forget()
        let holder = try session(scene)
        let lock = "hashtextextended('tapeline.filling.md', 0)"
        try holder.execute("SELECT FROM pg_advisory_lock(\(lock))", timeout: patience)
        #expect { try scene.fill() } throws: { "\($0)".contains("is at work: wait for it") }
        try expectFill(of: scene, waitingFor: "wait_event = 'advisory'") { holder.close() }
    }
}
