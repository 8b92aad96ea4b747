import Foundation
import TestSupport
import Testing

extension IntegrationTests.LiveTests {
    /// A real Prometheus on working services: the dashboards' queries, the catalogue of metrics,
    /// and the alerts, of which none may fire.
    @Suite("Running services as Prometheus sees them")
    struct ObservationTests {
        /// One source of the synthetic market, and one of a simulated TWS.
        private final class Stage {
            let pipeline: Pipeline
            let broker: SimulatorProcess
            let gateway: ServiceProcess
            let prometheus: PrometheusServer

            init() throws {
                broker = try SimulatorProcess()
                pipeline = try Pipeline.live()
                gateway = try pipeline.makeProcess(
                    .gateway(1),
                    [
                        "GATEWAY_SOURCE": "ibkr", "GATEWAY_PROVIDER": "ibkr",
                        "GATEWAY_INSTRUMENTS": ServerPrograms.checkout
                            + "/services/provider-gateway/instruments/benchmarks.yaml",
                        "IBKR_HOST": "127.0.0.1", "IBKR_PORT": "\(broker.port)",
                    ])
                let services = Array(pipeline.running.values) + [gateway]
                for service in services { _ = try service.becomesReady() }
                prometheus = try PrometheusServer(
                    targets: try services.map { (job: $0.product, port: try $0.port()) })
            }

            deinit { gateway.kill() }

            /// Leaves the stack as it was.
            func end() throws {
                #expect(gateway.stop() == 0, "\(gateway.output.suffix(2_000))")
                let retirement = try ServiceProcess(
                    "tapeline", ["source", "retire", "ibkr"],
                    environment: pipeline.environment(of: "tool"), folder: pipeline.folder,
                    label: "retire")
                #expect(retirement.exitCode() == 0, "\(retirement.output)")
                try pipeline.expectUnharmed()
            }
        }

        private struct Alert: Decodable {
            let labels: [String: String]
            let state: String
            var name: String { labels["alertname"] ?? "" }
        }
        private struct Alerts: Decodable { let alerts: [Alert] }

        @Test("all queries of dashboards have answers, metrics are as documented, no alert stands")
        func healthy() throws {
            let stage = try Stage()
            let script = "\(ServerPrograms.checkout)/deploy/grafana/queries.py"
            var said = ""
            let isAnswered = eventually {
                do {
                    said = try run("/usr/bin/env", ["python3", script, stage.prometheus.url])
                    return true
                } catch {
                    said = "\(error)"
                    return false
                }
            }
            let missing = said.split(separator: "\n").filter { !$0.hasPrefix("{") }
            #expect(isAnswered, "\(missing.joined(separator: "\n"))")
            try expectDocumented(stage.prometheus)
            try expectQuiet(stage.prometheus)
            try expectStatements(stage.pipeline)
            try stage.end()
        }

        /// Checks that each series has exactly the labels in docs/metrics.md.
        private func expectDocumented(_ prometheus: PrometheusServer) throws {
            let catalogue = try MetricCatalogue()
            let pattern = "%7B__name__%3D~%22(mds%7Csink)_.%2B%22%7D"
            let series = try prometheus.data(
                "series?match[]=\(pattern)", as: [[String: String]].self)
            var wrong: Set<String> = []
            var seen: Set<String> = []
            for labels in series {
                let name = labels["__name__"] ?? ""
                seen.insert(name)
                guard let metric = catalogue.metric(name) else {
                    wrong.insert("\(name) is not documented")
                    continue
                }
                let own = Set(labels.keys).subtracting(MetricCatalogue.targetLabels)
                    .subtracting(["__name__"])
                if own != Set(metric.labels.keys) {
                    wrong.insert("\(name) has \(own.sorted()), not \(metric.labels.keys.sorted())")
                }
                for (label, values) in metric.labels {
                    guard let values, let value = labels[label], !values.contains(value) else {
                        continue
                    }
                    wrong.insert("\(name): \(label) may be '\(value)', too")
                }
            }
            #expect(wrong.isEmpty, "\(wrong.sorted().joined(separator: "\n"))")
            #expect(seen.count > 120)
        }

        /// What stands on a stack that works: the alert that always fires, and those that say what
        /// nobody has set here (the room of the database, the monitor of NATS).
        private static func stands(_ alert: Alert) -> Bool {
            ["Watchdog", "TapeNotDurable"].contains(alert.name)
                || alert.name == "DiskFilling" && alert.labels["what"] == "unknown"
        }

        private func expectQuiet(_ prometheus: PrometheusServer) throws {
            var standing: [Alert] = []
            let isQuiet = try eventually {
                standing = try prometheus.data("alerts", as: Alerts.self).alerts
                    .filter { !Self.stands($0) }
                return standing.isEmpty
            }
            #expect(isQuiet, "\(standing.map { "\($0.name) \($0.state) \($0.labels)" })")
        }

        /// Checks that the database accepts every statement of the runbooks.
        private func expectStatements(_ pipeline: Pipeline) throws {
            let folder = "\(ServerPrograms.checkout)/docs/runbooks"
            var seen = 0
            for file in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
                let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
                for statement in text.matches(of: /psql .* -c "([^"]+)"/).map(\.output.1) {
                    seen += 1
                    #expect(throws: Never.self, "\(file)") {
                        try pipeline.postgres.psql(String(statement), database: pipeline.database)
                    }
                }
            }
            #expect(seen >= 8)
        }
    }
}
