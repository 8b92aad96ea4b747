import ServiceRuntime

/// Prometheus and Alertmanager of a stack that sends its alerts.
extension StackPlan {
    static let alertmanager = "alertmanager"
    static let prometheus = "prometheus"
    /// What is kept of the metrics.
    private static let metricsKept = ["7d", "2GB"]

    /// The settings that say where alerts go. They are empty where nothing is set: those of all
    /// services say nothing of that.
    var alertSettings: [String: String] {
        settings.limited(to: [.alerts]).environment(for: .alerts).filter { !$0.value.isEmpty }
    }

    var sendsAlerts: Bool { withServices && !alertSettings.isEmpty }

    var alertUnits: [UnitPlan] {
        guard sendsAlerts else { return [] }
        return [
            UnitPlan(
                name: Self.alertmanager, kind: .service, stage: 4,
                executable: checkout.deploy("alertmanager/start.sh"),
                environment: alertSettings.merging([
                    "ALERTMANAGER": checkout.alertPrograms[0],
                    "ALERTS_ADDRESS": address(.alertmanager),
                    "ALERTS_STATE": home.alertmanager,
                    // It holds the URLs.
                    "ALERTS_CONFIGURATION": home.secret("alertmanager.yml"),
                ]) { $1 },
                check: .http(port: ports[.alertmanager], path: "/-/ready"),
                logPath: home.log(Self.alertmanager), address: "http://\(address(.alertmanager))/"),
            UnitPlan(
                name: Self.prometheus, kind: .service, stage: 4,
                executable: checkout.alertPrograms[1],
                arguments: [
                    "--config.file=\(home.prometheusConfiguration)",
                    "--storage.tsdb.path=\(home.metrics)",
                    "--storage.tsdb.retention.time=\(Self.metricsKept[0])",
                    "--storage.tsdb.retention.size=\(Self.metricsKept[1])",
                    "--web.listen-address=\(address(.prometheus))", "--log.level=warn",
                ],
                check: .http(port: ports[.prometheus], path: "/-/ready"),
                logPath: home.log(Self.prometheus), address: "http://\(address(.prometheus))/"),
        ]
    }

    /// The configuration of Prometheus. An instance is called as its process.
    func prometheusConfiguration(of services: [UnitPlan]) -> String {
        let targets = services.compactMap { unit in
            unit.operationsPort.map { port in
                let program = unit.executable.split(separator: "/").last ?? ""
                return Self.scrape(String(program), "\(Self.loopback):\(port)", unit.name)
            }
        }
        let own = [
            Self.scrape(Self.prometheus, address(.prometheus), Self.prometheus),
            Self.scrape(Self.alertmanager, address(.alertmanager), Self.alertmanager),
        ]
        return """
            global:
              scrape_interval: 5s
              scrape_timeout: 4s
              evaluation_interval: 5s
              external_labels: {runbooks: "\(checkout.root)/docs/runbooks", cluster: "\(home.name)"}
            rule_files: ["\(checkout.deploy("prometheus"))/*.rules.yml"]
            alerting:
              alertmanagers: [{static_configs: [{targets: ["\(address(.alertmanager))"]}]}]
            scrape_configs:

            """ + (targets + own).joined()
    }

    private static func scrape(_ job: String, _ address: String, _ instance: String) -> String {
        """
          - job_name: "\(instance)"
            static_configs:
              - targets: ["\(address)"]
                labels: {job: "\(job)", instance: "\(instance)"}

        """
    }

    /// Where alerts go, for a person.
    static func alertHint(_ isSent: Bool, _ home: StackHome, isPackage: Bool) -> String {
        if isSent { return "alerts: sent; \(home.log(alertmanager)) begins with where to" }
        return isPackage
            ? "alerts: reach nobody: Python's packages send none, a checkout does (docs/operate.md)"
            : "alerts: reach nobody: '\(home.command("up")) --set ALERTS_WEBHOOK_FILE=FILE' "
                + "sends them"
    }
}

extension Checkout {
    /// Alertmanager and Prometheus.
    var alertPrograms: [String] {
        ["alertmanager/bin/alertmanager", "prometheus/bin/prometheus"].map {
            "\(root)/.local/servers/\($0)"
        }
    }
}
