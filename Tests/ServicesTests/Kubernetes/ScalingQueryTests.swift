import Foundation
import TestSupport
import Testing
import YAMLFile

/// Runs the queries that scale writers and workers on a real PromQL engine.
@Suite("Kubernetes: what the queries answer")
struct ScalingQueryTests {
    /// The series from minute to minute, and the result. `nil` if there is no result.
    private struct Case {
        let name: String
        let series: [String: String]
        let lag: Double?
        let rate: Double?
    }

    private static let lag = #"mds_group_lag_ticks{group="store",instance="g"}"#
    private static let ticks = "mds_gateway_ticks_received_total{source=\"s\"}"
    /// 3,000 a second.
    private static let rising = "0+180000x10"

    private static func circuits(_ states: Int...) -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: states.enumerated().map {
                ("mds_coord_circuit_state{instance=\"\($0.offset)\"}", "\($0.element)x10")
            })
    }

    private static let others = [
        #"mds_group_lag_ticks{group="store",instance="standby"}"#: "740000x10",
        #"mds_group_lag_ticks{group="operator",instance="g"}"#: "9000000x10",
    ]

    private static let cases = [
        Case(
            name: "the database works: the lag that one gateway sees, and the rate",
            series: circuits(0, 0, 0).merging(
                [lag: "740000x10", ticks: rising].merging(others) { $1 }
            ) { $1 },
            lag: 740_000, rate: 3_000),
        Case(
            name: "one writer cannot reach the database: the others count",
            series: circuits(2, 1, 0).merging([lag: "740000x10", ticks: rising]) { $1 },
            lag: 740_000, rate: 3_000),
        Case(
            name: "no writer reaches it: as many as there are",
            series: circuits(2, 1, 2).merging([lag: "740000x10", ticks: rising]) { $1 },
            lag: 150_000, rate: 21_000),
        Case(
            name: "the writers of another store reach theirs, which changes nothing",
            series: circuits(2, 2).merging([
                #"mds_coord_circuit_state{instance="b"}"#: "0x10",
                #"mds_store_info{instance="b",store="store-b"}"#: "1x10",
                #"mds_store_info{instance="0",store="store"}"#: "1x10",
                lag: "740000x10", ticks: rising,
            ]) { $1 },
            lag: 100_000, rate: 14_000),
        Case(
            name: "no source was heard: nothing is known",
            series: circuits(0, 0), lag: nil, rate: nil),
        Case(
            name: "no writer is there to be asked: nothing is known",
            series: [lag: "740000x10", ticks: rising], lag: nil, rate: nil),
    ]

    /// Returns the triggers' queries for lag and rate in KEDA's unit, and the adapter's, which
    /// count writers.
    private func queries() throws -> (keda: [String: String], adapter: [String: String]) {
        let scaled = try Rendered.named("production-keda-prometheus")
        let writer = try #require(scaled.manifest("ScaledObject", "store-writer"))
        let triggers = ScalingMetric.all(of: writer).compactMap { metric in
            metric.query.map { (metric.trigger["name"]?.text ?? "", $0) }
        }
        let rules = try AdapterRules.all().map { ($0.name, $0.query) }
        return (Dictionary(uniqueKeysWithValues: triggers), Dictionary(uniqueKeysWithValues: rules))
    }

    @Test("writers are wanted for lag and rate while one of them writes, and held while none does")
    func writers() throws {
        let (keda, adapter) = try queries()
        let lag = try #require(keda["lag"]), rate = try #require(keda["rate"])
        let lagWriters = try #require(adapter["tapeline_writers_for_lag"])
        let rateWriters = try #require(adapter["tapeline_writers_for_rate"])
        var tests: [String] = []
        for each in Self.cases {
            tests.append(
                Self.test(
                    each.name, each.series,
                    [
                        (lag, each.lag), (rate, each.rate),
                        (lagWriters, each.lag.map { $0 / 50_000 }),
                        (rateWriters, each.rate.map { $0 / 7_000 }),
                    ]))
        }
        try Self.expectPassed(tests)
    }

    @Test(
        "workers are wanted by the greatest lag that a gateway sees, and by the rate of all sources"
    )
    func workers() throws {
        let rules = try AdapterRules.all()
        let lag = try #require(rules.first { $0.name == "tapeline_operator_lag_ticks" }).query
        let rate = try #require(rules.first { $0.name == "tapeline_ticks_per_second" }).query
        try Self.expectPassed([
            Self.test(
                "two gateways, two sources",
                [
                    #"mds_group_lag_ticks{group="operator",instance="a"}"#: "90000x10",
                    #"mds_group_lag_ticks{group="operator",instance="b"}"#: "120000x10",
                    #"mds_group_lag_ticks{group="store",instance="b"}"#: "700000x10",
                    Self.ticks: Self.rising,
                    #"mds_gateway_ticks_received_total{source="t"}"#: Self.rising,
                ], [(lag, 120_000), (rate, 6_000)]),
            Self.test("nobody was heard", [:], [(lag, nil), (rate, nil)]),
        ])
    }

    @Test("a wrong answer is found")
    func mistake() throws {
        let test = Self.test("wrong", ["a": "1x10"], [("max(a)", 2)])
        #expect(throws: ProgramFailure.self) { try Self.expectPassed([test]) }
    }

    /// Returns one of promtool's tests, at the fifth minute.
    private static func test(
        _ name: String, _ series: [String: String], _ asked: [(query: String, value: Double?)]
    ) -> String {
        let input = series.sorted { $0.key < $1.key }.map {
            "      - {series: '\($0.key)', values: '\($0.value)'}\n"
        }.joined()
        let tests = asked.map { query, value in
            "      - expr: '\(query)'\n        eval_time: 5m\n        exp_samples: "
                + (value.map { "[{labels: '{}', value: \($0)}]\n" } ?? "[]\n")
        }.joined()
        return "  - name: '\(name)'\n    interval: 1m\n    input_series:"
            + (input.isEmpty ? " []\n" : "\n\(input)") + "    promql_expr_test:\n\(tests)"
    }

    private static func expectPassed(_ tests: [String]) throws {
        let folder = try TemporaryFolder("queries")
        let path = folder.file("queries.test.yml")
        let text = "rule_files: []\nevaluation_interval: 1m\ntests:\n" + tests.joined()
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try run(ServerPrograms.prometheus("promtool"), ["test", "rules", path])
    }
}
