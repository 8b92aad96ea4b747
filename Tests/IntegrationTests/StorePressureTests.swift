import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// A replay at full speed before a database that takes nothing, with the shipped rights.
    @Suite struct StorePressureTests {
        private static let ticks = 120_000
        private static let lagMax = 5_000

        /// Returns a recording of a market.
        private static func recording(in folder: TemporaryFolder) throws -> String {
            let path = folder.file("market.tape")
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: ticks, pace: "full"), withDatabase: false)
            pipeline.replace(
                .gateway, by: try pipeline.makeProcess(.gateway, ["GATEWAY_LAG_MAX": "0"]))
            let gateway = try pipeline.service(.gateway)
            let isDone = try eventually(within: 120) {
                let status = try gateway.status()
                return status.at("gateway", "finished")?.bool == true
                    && status.at("gateway", "waiting")?.int == 0
            }
            #expect(isDone, "\(gateway.output.suffix(2_000))")
            try pipeline.record("synthetic", to: path)
            pipeline.stopAll()
            return path
        }

        private static func slowedSeconds(_ gateway: ServiceProcess) throws -> Double {
            let name = "mds_gateway_slowed_seconds_total{source=\"replayed\"} "
            let line = try gateway.get("/metrics").body.split(separator: "\n")
                .first { $0.hasPrefix(name) }
            return line.flatMap { Double($0.dropFirst(name.count)) } ?? 0
        }

        @Test("a replay waits for a stopped writer, within the limit, and goes on with it")
        func waits() throws {
            let folder = try TemporaryFolder("recording")
            let file = try Self.recording(in: folder)
            let pipeline = try Pipeline(Pipeline.Load(ticks: Self.ticks))
            // It registers its group, and is stopped.
            try pipeline.start(.writer)
            #expect(try pipeline.service(.writer).becomesReady())
            #expect(try pipeline.end(.writer) == 0)

            pipeline.replace(
                .gateway,
                by: try pipeline.makeProcess(
                    .gateway,
                    [
                        "GATEWAY_PROVIDER": "replay", "GATEWAY_SOURCE": "replayed",
                        "REPLAY_FILE": file, "REPLAY_SPEED": "full",
                        "GATEWAY_LAG_MAX": "\(Self.lagMax)",
                    ]))
            let gateway = try pipeline.service(.gateway)
            func onTape() throws -> Int {
                try pipeline.lastOrdinals().reduce(0) { $0 + Int($1.lastOrdinal) }
            }
            let isHeld = try eventually { try Self.slowedSeconds(gateway) > 1 }
            #expect(isHeld, "\(gateway.output.suffix(2_000))")
            let held = try gateway.status().at("gateway", "slowed")
            #expect(held?["group"]?.string == "store" && held?["lag"]?.int ?? 0 >= Self.lagMax)
            // What it took in a tenth of a second is beyond the limit, and no more comes.
            let stopped = try onTape()
            #expect(stopped >= Self.lagMax && stopped < Self.ticks, "\(stopped)")
            let since = try Self.slowedSeconds(gateway)
            #expect(try eventually { try Self.slowedSeconds(gateway) > since + 1 })
            #expect(try onTape() == stopped)
            #expect(gateway.event("gateway.slowed")?["group"]?.string == "store")

            try pipeline.start(.writer)
            let isStored = try eventually(within: 180) {
                try pipeline.number(
                    "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)")
                    == Self.ticks
            }
            #expect(isStored, "\(gateway.output.suffix(2_000))")
            #expect(
                try eventually {
                    let status = try gateway.status()
                    return status.at("gateway", "finished")?.bool == true
                        && status.at("gateway", "slowed") == .null
                })
            pipeline.stopAll()
        }

        @Test("a live feed's quotes are conflated for a stopped writer, in steps, and no trade")
        func conflates() throws {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 24_000, rate: 2_000))
            try pipeline.start(.writer)
            #expect(try pipeline.service(.writer).becomesReady())
            #expect(try pipeline.end(.writer) == 0)
            pipeline.replace(
                .gateway,
                by: try pipeline.makeProcess(.gateway, ["GATEWAY_LAG_CONFLATE": "1000"]))
            let gateway = try pipeline.service(.gateway)
            func slowed() throws -> JSONValue? { try gateway.status().at("gateway", "slowed") }
            var steps: Set<Int> = []
            let isWhole = try eventually(within: 60) {
                let interval = try slowed()?["quote_interval_ms"]?.int
                if let interval { steps.insert(interval) }
                return interval == 1_000
            }
            #expect(isWhole, "\(steps)")
            #expect(try slowed()?["group"]?.string == "store")
            #expect(gateway.event("gateway.conflated")?["group"]?.string == "store")
            let isDone = try eventually(within: 60) {
                let status = try gateway.status()
                return status.at("gateway", "finished")?.bool == true
                    && status.at("gateway", "waiting")?.int == 0
            }
            #expect(isDone, "\(gateway.output.suffix(2_000))")
            func leftOut(_ kind: String) throws -> Int {
                Int(
                    try gateway.metric(
                        "mds_gateway_left_out_ticks_total{kind=\"\(kind)\",source=\"synthetic\"}")
                        ?? 0)
            }
            #expect(try leftOut("quote") > 0)
            #expect(try leftOut("trade") == 0)

            try pipeline.start(.writer)
            #expect(try eventually { try slowed() == .null })
            let isStored = try eventually(within: 60) {
                try pipeline.number(
                    "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)")
                    + leftOut("quote") == pipeline.load.ticks
            }
            #expect(isStored, "\(gateway.output.suffix(2_000))")
            #expect(try pipeline.number("SELECT count(*) FROM gaps WHERE kind = 'quote'") > 0)
            pipeline.stopAll()
        }
    }
}
