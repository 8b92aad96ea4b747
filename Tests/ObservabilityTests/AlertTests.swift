import Foundation
import TestSupport
import Testing
import YAMLFile

/// Checks the shipped alerts with Prometheus' own checker, against the exported metrics, and
/// against the runbooks.
@Suite("Alerts") struct AlertTests {
    private let rules: RuleFiles
    private let check: ExpressionCheck

    init() throws {
        rules = try RuleFiles()
        check = ExpressionCheck(try MetricCatalogue(), rules.records)
    }

    private static let folder = "\(ServerPrograms.checkout)/\(RuleFiles.folder)"

    @Test("promtool accepts the rules, and each fires when it should")
    func promtool() throws {
        let paths = rules.names.map { "\(Self.folder)/\($0)" }
        let checked = try Promtool.run(["check", "rules", "--lint-fatal"] + paths)
        #expect(checked.status == 0, "\(checked.said)")
        let tests = try CheckoutFiles.names(in: RuleFiles.folder, ending: ".rules.test.yml")
        let played = try Promtool.run(["test", "rules"] + tests.map { "\(Self.folder)/\($0)" })
        #expect(played.status == 0, "\(played.said)")
        #expect(rules.names.count >= 7 && tests.count >= 8)
    }

    @Test("every alert is played, silent and firing, and each of its rules for each provider")
    func coverage() throws {
        var fires: [String: [[String: String]]] = [:]
        var quiet: Set<String> = []
        for file in try CheckoutFiles.names(in: RuleFiles.folder, ending: ".rules.test.yml") {
            let root = try CheckoutFiles.yaml("\(RuleFiles.folder)/\(file)")
            let cases = (root["tests"]?.sequence ?? [])
                .flatMap { $0["alert_rule_test"]?.sequence ?? [] }
            for one in cases {
                let name = one["alertname"]?.text ?? ""
                let expected = one["exp_alerts"]?.sequence ?? []
                if expected.isEmpty { quiet.insert(name) }
                for alert in expected {
                    fires[name, default: []].append(RuleFiles.texts(alert["exp_labels"]))
                }
            }
        }
        for alert in rules.alerts {
            for wanted in alert.expectedLabels {
                let isPlayed = (fires[alert.name] ?? []).contains { labels in
                    wanted.allSatisfy { labels[$0.key] == $0.value }
                }
                #expect(isPlayed, "\(alert.name) \(wanted)")
            }
        }
        let names = Set(rules.alerts.map(\.name))
        let places = Set(rules.alerts.map { "\($0.file) \($0.name)" })
        #expect(names.count == places.count, "a name stands in two files")
        #expect(Set(fires.keys) == names && quiet == names.subtracting(["Watchdog"]))
        // More than that is read by nobody. A cause is a label of the alert of the same first step.
        #expect((50...60).contains(rules.alerts.count), "\(rules.alerts.count)")
    }

    @Test("alerts and recorded series look at metrics, labels and values that are exported")
    func expressions() {
        for record in rules.records {
            #expect(check.problems(record.expression).isEmpty, "\(record.name)")
        }
        for alert in rules.alerts {
            let problems = check.problems(alert.expression)
            #expect(problems.isEmpty, "\(alert.name): \(problems)")
        }
    }

    @Test("every alert says how bad it is, what is the matter, and where to read on")
    func annotations() {
        for alert in rules.alerts {
            let isSevere = ["critical", "warning"].contains(alert.severity)
            #expect(isSevere || alert.name == "Watchdog", "\(alert.name)")
            #expect(alert.annotations["summary"]?.isEmpty == false, "\(alert.name)")
            let page = "{{ $externalLabels.runbooks }}/\(alert.runbook).md"
            #expect(alert.annotations["runbook_url"] == page, "\(alert.name)")
        }
    }

    @Test("what is no name of ours is noticed")
    func mistakes() {
        #expect(check.problems("mds_no_such_total > 0").count == 1)
        #expect(check.problems("rate(mds_build_info{colour=\"red\"}[5m])").count == 1)
        #expect(check.problems("mds_ibkr_feeds{state=\"refused\"}").isEmpty)
        #expect(check.problems("mds_ibkr_feeds{state=\"odd\"}").count == 1)
        #expect(check.problems("mds_ibkr_feeds{state=~\"live|odd\"}").count == 1)
        #expect(check.problems("sum by (le) (mds_tape_durable)").count == 1)
        #expect(check.problems("sum by (le) (rate(mds_tape_ack_latency_seconds_bucket[1m]))") == [])
        #expect(check.problems("mds_tape_durable_bucket").count == 1)
    }
}

/// How Prometheus finds the services.
@Suite("Scraping") struct ScrapeTests {
    @Test("promtool accepts every configuration, and each scrapes the four services")
    func configurations() throws {
        let files = try CheckoutFiles.names(in: RuleFiles.folder, ending: ".yml")
            .filter { !$0.contains(".rules.") }
        #expect(files == ["kubernetes.yml", "prometheus.yml"])
        for file in files {
            let path = "\(ServerPrograms.checkout)/\(RuleFiles.folder)/\(file)"
            // The files that it names exist only in a container.
            let checked = try Promtool.run(["check", "config", "--syntax-only", path])
            #expect(checked.status == 0, "\(checked.said)")
        }
    }

    @Test("the compose cluster's addresses are its services', at the ports that they have")
    func compose() throws {
        let root = try CheckoutFiles.yaml("\(RuleFiles.folder)/prometheus.yml")
        let compose = try ComposeFile()
        let load =
            try CheckoutFiles.text("deploy/compose/load.yml")
            + CheckoutFiles.text("deploy/compose/autoscale.yml")
        var jobs: [String: String] = [:]
        for job in root["scrape_configs"]?.sequence ?? [] {
            guard let name = job["job_name"]?.text,
                let lookup = job["dns_sd_configs"]?.sequence?.first
            else { continue }
            jobs[name] = lookup["port"]?.text
            for host in lookup["names"]?.sequence?.compactMap(\.text) ?? [] {
                #expect(
                    compose.services.contains(host) || load.contains("\n  \(host):"), "\(host)")
            }
        }
        for (service, port) in jobs {
            let defaults = try CheckoutFiles.text("services/\(service)/default.env")
            #expect(defaults.contains("\nOPS_PORT=\(port)\n"), "\(service)")
        }
        #expect(jobs.count == 4)
    }
}
