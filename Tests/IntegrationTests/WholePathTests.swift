import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// From the provider to the last row and the hot state, without trouble.
    @Suite struct WholePathTests {
        @Test(
            "Ticks generated = on the tape = rows, and each bar is the one that SQL computes",
            arguments: [true, false])
        func wholePath(timescale: Bool) throws {
            // 400 s of market that ended a minute ago: every window of every series is closed.
            let load = Pipeline.Load(
                ticks: 30_000, rate: 100, backlogSeconds: 400, seed: timescale ? 1 : 2)
            let pipeline = try Pipeline(load, timescale: timescale)
            try pipeline.startAll()
            try pipeline.drain(series: ["1s", "1m"])
            try pipeline.expectCleanAudit()
            let hypertables = try pipeline.number(
                timescale
                    ? "SELECT count(*) FROM timescaledb_information.hypertables"
                    : "SELECT 0")
            #expect(hypertables == (timescale ? 3 : 0))
            try expectMemory(pipeline)
            pipeline.stopAll()
        }

        @Test("As fast as the tape takes them, in sources, symbols and packets of any size")
        func fullPace() throws {
            let load = Pipeline.Load(ticks: 60_000, rate: 1_000, pace: "full", seed: 3)
            let pipeline = try Pipeline(load)
            try pipeline.startAll()
            try pipeline.drain()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
        }

        @Test("A stopped path goes on where it stopped, and an auditor is told the same again")
        func goesOn() throws {
            let load = Pipeline.Load(ticks: 8_000, rate: 1_000, seed: 4)
            let pipeline = try Pipeline(load)
            try pipeline.startAll()
            #expect(try eventually { try pipeline.generated >= 2_000 })
            pipeline.stopAll()
            try pipeline.startAll()
            try pipeline.drain()
            try pipeline.expectCleanAudit()
            try expectHotState(pipeline)
            pipeline.stopAll()
        }

        /// The latest of each symbol in Valkey is the last row of the tables.
        private func expectHotState(_ pipeline: Pipeline) throws {
            let symbols = try pipeline.query("SELECT DISTINCT symbol FROM trades ORDER BY 1")
                .split(separator: "\n").map(String.init)
            #expect(symbols.count == 14)
            for symbol in symbols {
                let last = "WHERE symbol = '\(symbol)' ORDER BY event_time_ns DESC, ordinal DESC"
                let trade = try pipeline.query(
                    "SELECT event_time_ns, price::text, source FROM trades \(last) LIMIT 1")
                let quote = try pipeline.query(
                    "SELECT event_time_ns, bid_price, ask_price FROM quotes \(last) LIMIT 1")
                try expectHash(pipeline, "md:trade:\(symbol)", ["ts", "price", "source"], trade)
                try expectHash(pipeline, "md:quote:\(symbol)", ["ts", "bid", "ask"], quote)
                let bar = try pipeline.query(
                    """
                    SELECT open_time_ns, close, vwap, volume, trades FROM bars
                    WHERE (symbol, series) = ('\(symbol)', '1s')
                    ORDER BY open_time_ns DESC LIMIT 1
                    """)
                try expectHash(
                    pipeline, "md:bar:\(symbol):1s",
                    ["ts", "close", "vwap", "volume", "trades"], bar)
            }
        }

        /// Numbers are compared as numbers: one side writes trailing zeros.
        private func expectHash(
            _ pipeline: Pipeline, _ key: String, _ fields: [String], _ row: String
        ) throws {
            let expected = row.split(separator: "|").map(Self.canonical)
            var found: [String] = []
            let isThere = try eventually {
                let text = try fields.map { try pipeline.valkey.cli("HGET", key, $0) }
                found = text.map { Self.canonical($0[...]) }
                return found == expected
            }
            #expect(isThere, "\(key): \(found) in Valkey, \(expected) in the database")
        }

        private static func canonical(_ text: Substring) -> String {
            Decimal(string: String(text)).map { "\($0)" } ?? String(text)
        }

        /// The bound holds for what is shipped; a debug build is told about only.
        private func expectMemory(_ pipeline: Pipeline) throws {
            for role in Pipeline.Role.allCases {
                let bytes = try #require(
                    try pipeline.service(role).metric("process_resident_memory_bytes"))
                let megabytes = bytes / 1_048_576
                #expect(megabytes > 1)
                #if DEBUG
                    print("resident: \(role.rawValue) \(Int(megabytes)) MiB (debug)")
                #else
                    print("resident: \(role.rawValue) \(Int(megabytes)) MiB")
                    #expect(megabytes < 64, "\(role)")
                #endif
            }
        }
    }
}
