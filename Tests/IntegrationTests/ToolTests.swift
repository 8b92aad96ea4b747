import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests.StoredTests {
    /// The program `tapeline` on a deployment that its environment names, with shipped permissions.
    @Suite struct ToolTests {
        @Test("What a person sees of the tape is what is on it")
        func looks() throws {
            let pipeline = try Pipeline.stored()
            let all = try pipeline.tapeline("tail", "--json", "--from", "beginning", "--to", "now")
            var ordinals: [String: Int] = [:]
            for line in all.split(separator: "\n") {
                let tick = try JSONValue.parse(String(line))
                let place = "\(tick["source"]?.string ?? "")/\(tick["partition"]?.int ?? -1)"
                let ordinal = try #require(tick["ordinal"]?.int)
                #expect(ordinal == ordinals[place, default: 0] + 1)
                ordinals[place] = ordinal
            }
            #expect(ordinals.values.reduce(0, +) == pipeline.load.ticks)
            try expectSymbol(pipeline)
            try expectBars(pipeline)
            try expectTape(pipeline, ordinals)
            #expect(try pipeline.tapeline("position", "verify").contains("positions hold"))
            #expect(
                try pipeline.tapeline("position", "accept", "--yes").contains("nothing to accept"))
        }

        private func expectSymbol(_ pipeline: Pipeline) throws {
            let trades = try pipeline.tapeline(
                "tail", "--csv", "AAPL", "--kind", "trade", "--limit",
                "1000000")
            let rows = trades.split(whereSeparator: \.isNewline).dropFirst()
            let sum = try pipeline.query(
                "SELECT count(*) || ' ' || sum(price) FROM trades WHERE symbol = 'AAPL'")
            let prices = rows.map { row in
                Decimal(
                    string: String(
                        row.split(
                            separator: ",", omittingEmptySubsequences: false)[4])) ?? 0
            }
            let expected = sum.split(separator: " ")
            #expect(String(rows.count) == expected[0])
            #expect(prices.reduce(0, +) == Decimal(string: String(expected[1])))
            let partition = try pipeline.tapeline("partition", "of", "AAPL")
            #expect(
                partition
                    == (try pipeline.query(
                        "SELECT DISTINCT partition FROM trades WHERE symbol = 'AAPL'")))
        }

        private func expectBars(_ pipeline: Pipeline) throws {
            let bars = try pipeline.tapeline(
                "tail", "--bars", "--json", "--from", "beginning", "--to", "now")
            var volumes: Decimal = 0
            for line in bars.split(separator: "\n") {
                let bar = try JSONValue.parse(String(line))
                #expect(bar["kind"]?.string == "bar")
                guard bar["series"]?.string == "1m" else { continue }
                volumes += Decimal(string: bar["volume"]?.string ?? "") ?? 0
            }
            let stored = try pipeline.query("SELECT sum(volume) FROM bars WHERE series = '1m'")
            #expect(volumes == Decimal(string: stored))
        }

        private func expectTape(_ pipeline: Pipeline, _ ordinals: [String: Int]) throws {
            var shown = try JSONValue.parse(pipeline.tapeline("tape", "--json", "--no-rate"))
            // The last of the readers may be a moment late.
            _ = try eventually {
                shown = try JSONValue.parse(pipeline.tapeline("tape", "--json", "--no-rate"))
                return shown["partitions"]?.array?.allSatisfy {
                    $0["writer_lag_ticks"]?.int == 0 && $0["writer_lag_bars"]?.int == 0
                } == true
            }
            let partitions = try #require(shown["partitions"]?.array)
            for partition in partitions {
                #expect(partition["writer_lag_ticks"]?.int == 0, "\(partition)")
                let sources = try #require(partition["sources"]?.array)
                for source in sources {
                    let place =
                        "\(source["source"]?.string ?? "")/\(partition["partition"]?.int ?? -1)"
                    #expect(source["last_ordinal"]?.int == ordinals[place] ?? 0, "\(place)")
                }
            }
        }

        @Test("A pipe that is closed ends a tail at once; an absent server is said in one line")
        func ends() throws {
            let pipeline = try Pipeline.stored()
            let environment = pipeline.toolEnvironment
            let program = try ProductPrograms.path("tapeline")
            let head = try run(
                "/bin/sh", ["-c", "\"$0\" tail --from beginning | head -3", program],
                environment: environment)
            #expect(head.split(separator: "\n").count == 3)
            let absent = #expect(throws: ProgramFailure.self) {
                try run(
                    program, ["tape"],
                    environment: environment.merging(["NATS_URL": "nats://127.0.0.1:1"]) { $1 })
            }
            #expect(absent?.status == 69)
            #expect(absent?.message.split(separator: "\n").count == 1, "\(absent?.message ?? "")")
            let wrong = #expect(throws: ProgramFailure.self) {
                try run(
                    program, ["tail", "--limit", "1"],
                    environment: environment.merging(["NATS_PASSWORD": "wrong"]) { $1 })
            }
            #expect(wrong?.status == 69)
            #expect(wrong?.message.contains("wrong\"") == false)
        }
    }
}
