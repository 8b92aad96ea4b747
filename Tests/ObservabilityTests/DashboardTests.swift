import Foundation
import TestSupport
import Testing
import YAMLFile

/// The dashboards as Grafana reads them, and their queries as `deploy/grafana/queries.py` prints
/// them.
@Suite("Dashboards") struct DashboardTests {
    private static let folder = "deploy/grafana"

    private struct Dashboard: Decodable {
        struct Source: Decodable, Equatable {
            let type: String
            let uid: String
        }
        struct Target: Decodable {
            let datasource: Source
            let expr: String
            let refId: String
        }
        struct Field: Decodable {
            struct Defaults: Decodable { let unit: String }
            let defaults: Defaults
        }
        struct Place: Decodable { let h: Int, w: Int, x: Int, y: Int }
        struct Panel: Decodable {
            let id: Int
            let title: String
            let type: String
            let gridPos: Place
            let datasource: Source?
            let fieldConfig: Field?
            let targets: [Target]?
        }
        struct Variables: Decodable {
            struct Variable: Decodable { let name: String, type: String }
            let list: [Variable]
        }
        let uid: String
        let title: String
        let templating: Variables
        let schemaVersion: Int
        let editable: Bool
        let tags: [String]
        let panels: [Panel]
    }

    private let dashboards: [Dashboard]

    init() throws {
        dashboards = try CheckoutFiles.names(in: "\(Self.folder)/dashboards", ending: ".json").map {
            try JSONDecoder().decode(
                Dashboard.self,
                from: Data(try CheckoutFiles.text("\(Self.folder)/dashboards/\($0)").utf8))
        }
    }

    private static let units: Set<String> = ["none", "short", "cps", "s", "bytes", "percentunit"]

    @Test("there are three, with names of their own that stay")
    func three() {
        #expect(
            Set(dashboards.map(\.uid))
                == ["tapeline-overview", "tapeline-service", "tapeline-quality"])
        #expect(Set(dashboards.map(\.title)).count == 3)
        for dashboard in dashboards {
            #expect(dashboard.schemaVersion >= 39 && !dashboard.editable, "\(dashboard.uid)")
            #expect(dashboard.tags == ["tapeline"])
        }
    }

    @Test("every panel has a title, a unit, a number of its own, and a place that no other has")
    func panels() {
        for dashboard in dashboards {
            #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
            var taken: Set<[Int]> = []
            for panel in dashboard.panels {
                let name = "\(dashboard.uid), \(panel.title)"
                #expect(!panel.title.trimmingCharacters(in: .whitespaces).isEmpty, "\(name)")
                let place = panel.gridPos
                #expect(place.x >= 0 && place.x + place.w <= 24 && place.h > 0, "\(name)")
                for x in place.x..<place.x + place.w {
                    for y in place.y..<place.y + place.h {
                        #expect(taken.insert([x, y]).inserted, "\(name) lies over another")
                    }
                }
                guard panel.type != "row" else { continue }
                #expect(Self.units.contains(panel.fieldConfig?.defaults.unit ?? ""), "\(name)")
                let targets = panel.targets ?? []
                #expect(!targets.isEmpty, "\(name)")
                #expect(Set(targets.map(\.refId)).count == targets.count, "\(name)")
            }
        }
    }

    @Test("what is drawn in seconds and in bytes is seconds and bytes")
    func oneUnit() {
        let metrics = /mds_[a-z_]+|process_[a-z_]+/
        for dashboard in dashboards {
            for panel in dashboard.panels {
                let unit = panel.fieldConfig?.defaults.unit ?? ""
                guard let word = ["s": "_seconds", "bytes": "_bytes"][unit] else { continue }
                for target in panel.targets ?? [] {
                    let names = target.expr.matches(of: metrics).map { String($0.output) }
                    #expect(
                        names.contains { $0.contains(word) },
                        "\(dashboard.uid), \(panel.title): \(target.expr)")
                }
            }
        }
    }

    @Test("all of them ask the data source that a person chooses, at first the one provisioned")
    func source() throws {
        let root = try CheckoutFiles.yaml("\(Self.folder)/provisioning/datasources/prometheus.yaml")
        let source = try #require(root["datasources"]?.sequence?.first)
        #expect(source["isDefault"]?.text == "true")
        for dashboard in dashboards {
            let choice = dashboard.templating.list.first
            #expect(choice?.name == "datasource" && choice?.type == "datasource")
            for panel in dashboard.panels where panel.type != "row" {
                let asked = [panel.datasource] + (panel.targets ?? []).map(\.datasource)
                #expect(
                    asked.allSatisfy { $0?.uid == "${datasource}" && $0?.type == "prometheus" },
                    "\(dashboard.uid), \(panel.title)")
            }
        }
        let compose = try ComposeFile()
        #expect(source["url"]?.text == "http://prometheus:9090")
        #expect(compose.services.contains("prometheus"))
        let scrapes = try CheckoutFiles.yaml("deploy/prometheus/prometheus.yml")
        let interval = try #require(scrapes["global"]?["scrape_interval"]?.text)
        #expect(source["jsonData"]?["timeInterval"]?.text == "$SCRAPE_INTERVAL")
        #expect(compose.text.contains("      SCRAPE_INTERVAL: \(interval)\n"))
        let provider = try CheckoutFiles.yaml(
            "\(Self.folder)/provisioning/dashboards/tapeline.yaml")
        let path = provider["providers"]?.sequence?.first?["options"]?["path"]?.text
        #expect(compose.text.contains("./deploy/grafana/dashboards:\(path ?? "?"):ro"))
    }

    @Test("every query asks for metrics, labels and values that are exported")
    func queries() throws {
        let rules = try RuleFiles()
        let check = ExpressionCheck(try MetricCatalogue(), rules.records)
        for query in try DashboardQuery.all() {
            let problems = check.problems(query.query)
            #expect(problems.isEmpty, "\(query.panel): \(problems)")
        }
    }

    @Test("Prometheus' own parser takes every query")
    func parsed() throws {
        let queries = try DashboardQuery.all()
        let asked = dashboards.flatMap(\.panels).flatMap { $0.targets ?? [] }
        #expect(queries.count == asked.count && queries.count > 100)
        #expect(queries.allSatisfy { !$0.query.contains("$") })
        let folder = try TemporaryFolder("queries")
        let rules = queries.enumerated().map { index, query in
            let quoted = query.query.replacingOccurrences(of: "'", with: "''")
            return "      - {record: 'query:\(index)', expr: '\(quoted)'}\n"
        }
        let text = "groups:\n  - name: queries\n    rules:\n" + rules.joined()
        try text.write(toFile: folder.file("rules.yml"), atomically: true, encoding: .utf8)
        let checked = try Promtool.run(["check", "rules", "--lint=none", folder.file("rules.yml")])
        #expect(checked.status == 0, "\(checked.said)")
    }

    @Test("panels of older dashboards are there with the expressions that they had")
    func older() {
        let panels = dashboards.first { $0.uid == "tapeline-overview" }?.panels ?? []
        let wanted = [
            "Queue Depth": "mds_coord_queue_depth", "Workers Alive": "mds_coord_workers_alive",
            "Batches Written/sec": "rate(mds_worker_batches_written_total[1m])",
            "Write Latency (s)": "mds_worker_write_latency_seconds_bucket",
            "Circuit State": "mds_coord_circuit_state",
        ]
        for (title, expression) in wanted {
            let panel = panels.first { $0.title == title }
            #expect(panel?.targets?.map(\.expr) == [expression], "\(title)")
        }
    }
}

/// A line of `deploy/grafana/queries.py`.
struct DashboardQuery: Decodable {
    let dashboard: String
    let panel: String
    let query: String
    let needs: String

    static func all() throws -> [DashboardQuery] {
        let script = "\(ServerPrograms.checkout)/deploy/grafana/queries.py"
        return try run("/usr/bin/env", ["python3", script]).split(separator: "\n").map {
            try JSONDecoder().decode(DashboardQuery.self, from: Data($0.utf8))
        }
    }
}
