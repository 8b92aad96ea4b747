import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// From the provider to the last row and the hot state, without faults.
    @Suite struct WholePathTests {
        @Test(
            "Ticks generated = on the tape = rows, and bars are those of SQL, in PostgreSQL alone")
        func native() throws {
            // It ends more than a minute ago, so every window of every series is closed.
            let load = Pipeline.Load(ticks: 30_000, rate: 100, backlogSeconds: 400, seed: 2)
            let pipeline = try Pipeline(load, timescale: false)
            try pipeline.startAll()
            try pipeline.expectDrained(series: ["1s", "1m"])
            try pipeline.expectCleanAudit()
            try pipeline.expectTables("native")
            try pipeline.expectMemory()
            pipeline.stopAll()
        }

        @Test("As fast as the tape takes them, in sources, symbols and packets of any size")
        func fullPace() throws {
            let load = Pipeline.Load(ticks: 20_000, rate: 1_000, pace: "full", seed: 3)
            let pipeline = try Pipeline(load)
            try pipeline.startAll()
            try pipeline.expectDrained()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
        }

        @Test("A stopped path goes on where it stopped, and an auditor is told the same again")
        func goesOn() throws {
            let load = Pipeline.Load(ticks: 3_000, rate: 1_000, seed: 4)
            let pipeline = try Pipeline(load)
            try pipeline.startAll()
            #expect(try eventually { try pipeline.generated >= 500 })
            pipeline.stopAll()
            try pipeline.startAll()
            try pipeline.expectDrained()
            try pipeline.expectCleanAudit()
            try expectHotState(pipeline)
            pipeline.stopAll()
        }

        /// Expects the latest values of each symbol in Valkey to be the last row of the tables.
        private func expectHotState(_ pipeline: Pipeline) throws {
            let kinds = [
                ("trade", "trades", "event_time_ns, price, source", ["ts", "price", "source"]),
                ("quote", "quotes", "event_time_ns, bid_price, ask_price", ["ts", "bid", "ask"]),
                (
                    "bar", "bars WHERE series = '1s'",
                    "open_time_ns, close, vwap, volume, trades",
                    ["ts", "close", "vwap", "volume", "trades"]
                ),
            ]
            for (kind, table, columns, fields) in kinds {
                let rows = try pipeline.query(
                    """
                    SELECT DISTINCT ON (symbol) symbol, \(columns) FROM \(table)
                    ORDER BY symbol, ts DESC, 2 DESC, ordinal DESC
                    """
                ).split(separator: "\n")
                #expect(rows.count == 14, "\(table)")
                for row in rows {
                    let words = row.split(separator: "|", omittingEmptySubsequences: false)
                    let series = kind == "bar" ? ":1s" : ""
                    let key = "md:\(kind):\(words[0])\(series):synthetic"
                    try expectHash(pipeline, key, fields, words.dropFirst().map(Self.canonical))
                }
            }
        }

        /// Numbers are compared as numbers, because one side writes trailing zeros.
        private func expectHash(
            _ pipeline: Pipeline, _ key: String, _ fields: [String], _ expected: [String]
        ) throws {
            var found: [String] = []
            let isThere = try eventually {
                found = try pipeline.valkey.cli(["HMGET", key] + fields)
                    .split(separator: "\n", omittingEmptySubsequences: false)
                    .map(Self.canonical)
                return found == expected
            }
            #expect(isThere, "\(key): \(found) in Valkey, \(expected) in the database")
        }

        private static func canonical(_ text: Substring) -> String {
            Decimal(string: String(text)).map { "\($0)" } ?? String(text)
        }
    }
}

extension IntegrationTests.StoredTests {
    @Suite struct WholePathTests {
        @Test("Ticks generated = on the tape = rows, and each bar is the one that SQL computes")
        func wholePath() throws {
            let pipeline = try Pipeline.stored()
            try pipeline.expectCleanAudit()
            try pipeline.expectTables("hypertable")
            try pipeline.expectMemory()
        }
    }
}

extension Pipeline {
    fileprivate func expectTables(_ shape: String) throws {
        #expect(
            try number("SELECT count(*) FROM time_tables() WHERE shape <> '\(shape)'") == 0)
    }

    /// The bound is for release builds. A debug build only prints the value.
    fileprivate func expectMemory() throws {
        for role in Role.usual {
            let bytes = try #require(try service(role).metric("process_resident_memory_bytes"))
            let megabytes = bytes / 1_048_576
            #expect(megabytes > 1)
            #if DEBUG
                print("resident: \(role) \(Int(megabytes)) MiB (debug)")
            #else
                print("resident: \(role) \(Int(megabytes)) MiB")
                #expect(megabytes < 64, "\(role)")
            #endif
        }
    }
}
