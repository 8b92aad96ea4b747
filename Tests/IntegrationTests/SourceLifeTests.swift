import Foundation
import Primitives
import TestSupport
import Testing

/// Two sources with a gateway each, on real servers: one of them ends, is retired, and comes back.
@Suite("The life of a source")
struct SourceLifeTests {
    private static let other = ["GATEWAY_SOURCE": "other", "SYNTHETIC_SEED": "7"]

    /// Bars, and a value over the bars of all sources. A source that is only silent would be waited
    /// for all day.
    private static let graph = """
        version: 1
        name: life
        silent_after: 24h
        nodes:
          bars: {operator: bars, input: trades, series: [1s]}
          market:
            operator: breadth
            scope: all
            series: 1s
            measures: [advance_decline]

        """

    private func tool(
        _ pipeline: Pipeline, _ arguments: [String], _ changes: [String: String] = [:]
    ) throws -> (Int32?, String) {
        var environment = pipeline.environment(.writer).merging(changes) { $1 }
        environment["NATS_USER"] = "tool"
        environment["NATS_PASSWORD"] = Pipeline.natsPasswords["tool"]
        let run = try ServiceProcess(
            "tapeline", arguments, environment: environment, folder: pipeline.folder,
            label: "tool-\(UUID().uuidString)")
        return (run.exitCode(), run.output)
    }

    /// The end of the last window of which a value over all partitions is stored, in nanoseconds.
    private func reached(_ pipeline: Pipeline) throws -> Int {
        try pipeline.number(
            "SELECT coalesce(max(period_end_ns), 0) FROM indicators WHERE name LIKE 'market.%'")
    }

    private func expectValues(
        _ pipeline: Pipeline, after time: Int, _ what: Comment,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let goesOn = try eventually { try reached(pipeline) > time }
        #expect(goesOn, what, sourceLocation: location)
    }

    @Test("a retired source holds nothing up, and one that comes back counts again")
    func life() throws {
        let pipeline = try Pipeline(Pipeline.Load(ticks: 100_000_000, rate: 40))
        let graph = try pipeline.folder.write(Self.graph, to: "life.yaml")
        let worker = try pipeline.makeProcess(.worker(0), ["OPERATOR_GRAPH": graph])
        pipeline.replace(.worker(0), by: worker)
        try pipeline.start(.gateway, .writer)
        let other = try pipeline.makeProcess(.gateway(1), Self.other)
        pipeline.replace(.gateway(1), by: other)
        try expectValues(pipeline, after: 0, "with both")

        let refused = try tool(pipeline, ["source", "retire", "other"])
        #expect(refused.0 != 0 && refused.1.contains("gateway that is alive"), "\(refused.1)")
        #expect(try pipeline.end(.gateway(1)) == 0)
        let ended = Int(Date().timeIntervalSince1970 * 1e9)
        let retired = try tool(pipeline, ["source", "retire", "other"])
        #expect(retired.0 == 0 && retired.1.contains("is retired"), "\(retired.1)")
        try expectValues(pipeline, after: ended + 2_000_000_000, "without the retired one")
        let list = try tool(pipeline, ["source", "list"]).1
        #expect(list.contains("retired"), "\(list)")
        #expect(
            try eventually {
                try worker.metric("mds_operator_source_retired{source=\"other\"}") == 1
            })

        // Its gateway takes the retirement back, and says so.
        let again = try pipeline.makeProcess(.gateway(1), Self.other)
        pipeline.replace(.gateway(1), by: again)
        #expect(try again.becomesReady())
        #expect(eventually { again.event("gateway.source_returned") != nil })
        #expect(
            try eventually {
                try worker.metric("mds_operator_source_retired{source=\"other\"}") == nil
            })
        try expectValues(pipeline, after: try reached(pipeline) + 1_000_000_000, "with it again")
        #expect(try worker.becomesReady())

        // A person takes back what a person did.
        #expect(try pipeline.end(.gateway(1)) == 0)
        #expect(try tool(pipeline, ["source", "retire", "other"]).0 == 0)
        #expect(try tool(pipeline, ["source", "resume", "other"]).0 == 0)
        #expect(try !tool(pipeline, ["source", "list"]).1.contains("retired"))
        #expect(try tool(pipeline, ["source", "retire", "other"]).0 == 0)
        #expect(try pipeline.end(.gateway) == 0)

        var wrong: [Audit.Finding] = []
        let isClean = try eventually {
            wrong = try Audit().run(
                on: pipeline.postgres, database: pipeline.database, schema: Pipeline.namespace
            ).filter { !$0.isRight }
            return wrong.isEmpty
        }
        #expect(isClean, "\(wrong)")
        let proof = try tool(pipeline, ["prove", "--from", "-1h"], ["OPERATOR_GRAPH": graph])
        #expect(proof.0 == 0, "\(proof.1)")
        pipeline.stopAll()
    }
}
