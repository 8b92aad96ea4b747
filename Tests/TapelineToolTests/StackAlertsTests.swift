import Foundation
import TestSupport
import Testing

@testable import TapelineTool

/// Prometheus and Alertmanager of a local stack.
@Suite("Alerts of a stack") struct StackAlertsTests {
    @Test("without a setting there is neither, and status says what to set")
    func none() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder)
        #expect(!plan.sendsAlerts && plan.alertUnits.isEmpty)
        let hint = StackPlan.alertHint(false, plan.home, isPackage: false)
        #expect(
            hint == "alerts: reach nobody: 'tapeline up --set ALERTS_WEBHOOK_FILE=FILE' sends them")
        #expect(
            StackPlan.alertHint(false, plan.home, isPackage: true)
                == "alerts: reach nobody: Python's packages send none, a checkout does "
                + "(docs/operate.md)")
        // What all services get says nothing of alerts.
        #expect(
            try !testPlan(folder, settings: ["LOG_LEVEL=debug", "MDS_NAMESPACE=x"]).sendsAlerts)
        // An empty value takes a setting back.
        #expect(try !testPlan(folder, settings: ["ALERTS_RECEIVER="]).sendsAlerts)
        let servers = try testPlan(
            folder, settings: ["ALERTS_RECEIVER=/m.yml"], withServices: false)
        #expect(!servers.sendsAlerts)
    }

    @Test("with one both start, and each process is scraped under its name")
    func both() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder, settings: ["ALERTS_WEBHOOK_FILE=/hook"])
        let units = plan.units
        #expect(units.suffix(2).map(\.name) == ["alertmanager", "prometheus"])
        let sender = try #require(units.first { $0.name == StackPlan.alertmanager })
        #expect(sender.environment["ALERTS_WEBHOOK_FILE"] == "/hook")
        let configuration = sender.environment["ALERTS_CONFIGURATION"] ?? ""
        #expect(configuration.hasPrefix(plan.home.secrets + "/"))
        #expect(!sender.arguments.joined().contains("hook"))
        let cockpit = units.first { $0.name == StackPlan.cockpit }
        let address = "http://127.0.0.1:\(plan.ports[.prometheus])"
        #expect(cockpit?.environment["COCKPIT_PROMETHEUS"] == address)
        let text = plan.prometheusConfiguration(of: units)
        for unit in units where unit.operationsPort != nil {
            let port = unit.operationsPort ?? 0
            #expect(text.contains("- targets: [\"127.0.0.1:\(port)\"]"), "\(unit.name)")
            #expect(text.contains("instance: \"\(unit.name)\"}"), "\(unit.name)")
        }
        #expect(
            text.contains("labels: {job: \"operator-worker\", instance: \"operator-worker-b\"}"))
        let path = try folder.write(text, to: "prometheus.yml")
        let checked = try Promtool.run(["check", "config", path])
        #expect(checked.status == 0, "\(checked.said)")
    }

    @Test("a file of a URL that everybody may read is told before the stack starts")
    func warned() throws {
        let folder = try TemporaryFolder()
        let hook = try folder.write("https://hooks.example.com/s3cret", to: "hook")
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: hook)
        let sender = UnitPlan(
            name: StackPlan.alertmanager, kind: .service, stage: 4,
            executable: "\(ServerPrograms.checkout)/deploy/alertmanager/start.sh",
            environment: [
                "PATH": "/usr/bin:/bin", "ALERTS_WEBHOOK_FILE": hook,
                "ALERTS_CONFIGURATION": folder.file("alertmanager.yml"),
                "ALERTMANAGER": folder.file("none"),
            ], check: .http(port: 1, path: "/"), logPath: folder.file("log"), address: "")
        let outcome = try ConfigurationCheck(sender, logPath: folder.file("check")).outcome()
        #expect(outcome.problems.isEmpty)
        #expect(outcome.warnings.count == 1, "\(outcome.warnings)")
        #expect(outcome.warnings.first?.contains("every user may read \(hook)") == true)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: hook)
        let quiet = try ConfigurationCheck(sender, logPath: folder.file("check")).outcome()
        #expect(quiet.problems.isEmpty && quiet.warnings.isEmpty)
    }

    @Test("the URLs are in files, and what is no setting of alerts is refused")
    func refused() {
        for (setting, words) in [
            ("ALERTS_WEBHOOK=https://x/secret", "would show in the list of processes"),
            ("OTEL_EXPORTER_OTLP_HEADERS=a=secret", "would show in the list of processes"),
            ("ALERTS_WATCHDOG=https://x/secret", "ALERTS_WATCHDOG_FILE="),
            ("ALERTS_RECEVIER=/x", "no setting of a service"),
        ] {
            do throws(ToolError) {
                var settings = StackSettings()
                try settings.add(setting)
                Issue.record("\(setting) was taken")
            } catch {
                #expect("\(error)".contains(words), "\(error)")
                #expect(!"\(error)".contains("secret"), "\(error)")
            }
        }
    }
}
