import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// The disk of NATS is destroyed, and a person follows docs/backup.md.
    @Suite struct RestoreTests {
        /// The ticks of each of the two lives of the tape.
        private static let load = Pipeline.Load(ticks: 1_500, rate: 500, seed: 41)

        private func destroyTape(_ pipeline: Pipeline) throws {
            pipeline.stopAll()
            pipeline.nats.kill()
            try FileManager.default.removeItem(atPath: pipeline.nats.folder.file("store"))
            try pipeline.nats.start()
            try pipeline.setUp()
        }

        /// Returns how many lanes of ticks the database names.
        private func raise(_ pipeline: Pipeline, _ lasts: String) throws -> Int {
            let looked = try JSONValue.parse(
                pipeline.tapeline("position", "raise", "--dry-run", "--json"))
            #expect(looked["changed"]?.bool == false)
            let lines = try #require(looked["lines"]?.array)
            let stored = lines.filter { $0["input"]?.string == "ticks" }
                .reduce(0) { $0 + ($1["last_ordinal"]?.int ?? 0) }
            #expect("\(stored)" == lasts)
            #expect(lines.allSatisfy { $0["on_tape"]?.int == 0 && $0["taken_until"] != nil })
            let raised = try JSONValue.parse(
                pipeline.tapeline("position", "raise", "--yes", "--json"))
            #expect(raised["changed"]?.bool == true && raised["destroyed"]?.int == 0)
            let again = try JSONValue.parse(
                pipeline.tapeline("position", "raise", "--yes", "--json"))
            #expect(again["changed"]?.bool == false && again["raised"]?.bool == true)
            return lines.count { $0["input"]?.string == "ticks" }
        }

        private static let bars = "SELECT count(*) FROM bars"

        @Test("new ticks all become rows, and no ordinal is given out again")
        func tapeDestroyed() throws {
            let pipeline = try Pipeline(Self.load)
            try pipeline.startAll()
            try pipeline.expectDrained()
            let lasts = try pipeline.query(
                "SELECT sum(last_ordinal) FROM sink_source_ordinals WHERE input = 'ticks'")
            let bars = try pipeline.number(Self.bars)
            let revision = try pipeline.query("SELECT max(revision) FROM bars")

            #expect(throws: (any Error).self, "services run") {
                try JSONValue.parse(pipeline.tapeline("position", "raise", "--yes", "--json"))
            }

            let emptied = try pipeline.query("SELECT now()")
            try destroyTape(pipeline)
            let lanes = try raise(pipeline, lasts)

            // Each of the gateways comes first once: none of them waits for a reader.
            try pipeline.start(.gateway)
            #expect(try eventually { try pipeline.generated > 0 })
            try pipeline.start(.worker(0), .worker(1), .writer)
            let all = 2 * Self.load.ticks
            let rows = "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)"
            var found = 0
            #expect(
                try eventually(within: 60) {
                    found = try pipeline.number(rows)
                    return found >= all
                }, "\(found) of \(all) rows")
            try expectWholeWindows(pipeline, since: emptied)
            #expect(try pipeline.number(Self.bars) > bars)
            try expectNothingTwice(pipeline)
            // The bars of before keep their versions; the new ones are above all of them.
            #expect(
                try pipeline.number(
                    "SELECT count(*) FROM bars WHERE revision > \(revision)") > 0)
            // What the former tape took after its last row has a time, and no ordinals.
            #expect(
                try pipeline.number(
                    "SELECT count(*) FROM gaps WHERE reason = 'tape_lost' AND ordinal IS NOT NULL"
                        + " AND from_time <= to_time AND lost_first_ordinal IS NULL") == lanes)
            pipeline.stopAll()
        }

        /// Windows that began before the new ticks have no bar; all others are complete.
        private func expectWholeWindows(_ pipeline: Pipeline, since: String) throws {
            let whole = """
                ts >= (
                    SELECT max(first) FROM (
                        SELECT date_trunc('second', min(ts)) + interval '1 second' AS first
                        FROM trades WHERE ts > '\(since)' GROUP BY partition) AS lanes)
                """
            let expected = try pipeline.number("SELECT count(*) FROM trades WHERE \(whole)")
            #expect(expected > 0)
            var counted = 0
            #expect(
                try eventually {
                    counted = try pipeline.number(
                        "SELECT coalesce(sum(trades), 0) FROM bars"
                            + " WHERE series = '1s' AND \(whole)")
                    return counted == expected
                }, "\(counted) of \(expected) trades are in bars")
        }

        private func expectNothingTwice(_ pipeline: Pipeline) throws {
            #expect(
                try pipeline.query("SELECT sum(given_twice) FROM sink_source_ordinals") == "0")
            #expect(
                try pipeline.query("SELECT count(*) FROM gaps WHERE reason = 'given_twice'") == "0")
            #expect(
                try pipeline.query("SELECT count(*) FROM sink_audit WHERE missing <> 0") == "0")
            for role in [Pipeline.Role.gateway, .worker(0), .worker(1)] {
                let lost = try pipeline.service(role).metric("mds_tape_lost_ticks_total")
                #expect(lost ?? 0 == 0, "\(role)")
            }
        }
    }
}
