import Primitives

/// What Prometheus says about the alerts (`/api/v1/rules`).
struct AlertFacts: Equatable, Sendable {
    var peer = ""
    /// The alerts that Prometheus evaluates.
    var names: Set<String> = []
    /// The rules that it cannot evaluate, with its reason.
    var broken: [String] = []
    var firing: Set<String> = []
    /// The alerts that have a runbook. Empty if there is no checkout.
    var wanted: Set<String> = []

    /// It always fires, to show that alerts work.
    static let watchdog = "Watchdog"

    /// Fails if this is no answer of Prometheus.
    init?(_ answer: JSONValue, peer: String, wanted: Set<String>) {
        guard answer["status"]?.string == "success",
            let groups = answer.at("data", "groups")?.array
        else { return nil }
        self.peer = peer
        self.wanted = wanted
        for rule in groups.flatMap({ $0["rules"]?.array ?? [] }) {
            guard let name = rule["name"]?.string else { continue }
            if rule["health"]?.string == "err" {
                broken.append("\(name): \(rule["lastError"]?.string ?? "no reason given")")
            }
            guard rule["type"]?.string == "alerting" else { continue }
            names.insert(name)
            if rule["state"]?.string == "firing", name != Self.watchdog { firing.insert(name) }
        }
    }

    var findings: [Finding] {
        var found: [Finding] = broken.map {
            Finding(.wrong, .alerts, "Prometheus cannot evaluate \($0)", "load the shipped rules")
        }
        let missing = wanted.subtracting(names).sorted()
        if names.isEmpty || !missing.isEmpty {
            let list =
                missing.count > 6
                ? "\(missing.count) of \(wanted.count) alerts" : missing.joined(separator: ", ")
            found.append(
                Finding(
                    .wrong, .alerts,
                    "Prometheus at \(peer) does not have \(names.isEmpty ? "any alert" : list)",
                    "load deploy/prometheus/*.rules.yml (docs/operate.md)"))
        } else if wanted.isEmpty {
            found.append(
                Finding(
                    .unseen, .alerts,
                    "Prometheus evaluates \(names.count) alerts; which it should have is not known",
                    "run the doctor from a checkout, whose docs/runbooks names them"))
        } else {
            found.append(Finding(.fine, .alerts, "Prometheus evaluates \(names.count) alerts"))
        }
        for name in firing.sorted() {
            found.append(
                Finding(
                    .warning, .alerts, "the alert \(name) fires", "follow its runbook",
                    runbook: wanted.isEmpty || wanted.contains(name) ? name : nil))
        }
        return found
    }
}
