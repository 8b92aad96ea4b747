import Primitives

/// What Prometheus says about the alerts (`/api/v1/rules`).
struct AlertFacts: Equatable, Sendable {
    var peer = ""
    /// How many rules of each alert Prometheus evaluates. Several rules may have one name.
    var rules: [String: Int] = [:]
    /// The rules that it cannot evaluate, with its reason.
    var broken: [String] = []
    /// The alerts that fire, with the names of their runbooks. Empty: the rule names none.
    var firing: [String: String] = [:]
    /// How many rules of each alert are shipped. Empty if there is no checkout.
    var wanted: [String: Int] = [:]

    /// It always fires, to show that alerts work.
    static let watchdog = "Watchdog"

    /// Fails if this is no answer of Prometheus.
    init?(_ answer: JSONValue, peer: String, wanted: [String: Int]) {
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
            rules[name, default: 0] += 1
            if rule["state"]?.string == "firing", name != Self.watchdog {
                let url = rule.at("annotations", "runbook_url")?.string ?? ""
                let file = url.split(separator: "/").last ?? ""
                firing[name] = file.hasSuffix(".md") ? String(file.dropLast(3)) : ""
            }
        }
    }

    /// Counts the rules of each alert in a folder of files with rules.
    static func shipped(in folder: String) throws(ToolError) -> [String: Int] {
        var counts: [String: Int] = [:]
        for name in FileSystem.names(in: folder) where name.hasSuffix(".rules.yml") {
            _ = try FileSystem.eachLine(of: "\(folder)/\(name)") { line in
                let words = line.split(separator: UInt8(ascii: " "))
                guard words.count == 3, words[1].elementsEqual("alert:".utf8) else { return }
                counts[String(decoding: words[2], as: UTF8.self), default: 0] += 1
            }
        }
        return counts
    }

    /// What Prometheus lacks of what is shipped: an alert, or some of its rules.
    private var missing: [String] {
        wanted.sorted { $0.key < $1.key }.compactMap { name, count in
            guard let found = rules[name] else { return name }
            return found < count ? "\(count - found) of the \(count) rules of \(name)" : nil
        }
    }

    var findings: [Finding] {
        var found: [Finding] = broken.map {
            Finding(.wrong, .alerts, "Prometheus cannot evaluate \($0)", "load the shipped rules")
        }
        let missing = missing
        if rules.isEmpty || !missing.isEmpty {
            let list =
                missing.count > 6
                ? "\(missing.count) of \(wanted.count) alerts" : missing.joined(separator: ", ")
            found.add(
                .wrong, .alerts,
                "Prometheus at \(peer) does not have \(rules.isEmpty ? "any alert" : list)",
                "load deploy/prometheus/*.rules.yml (docs/operate.md)")
        } else if wanted.isEmpty {
            found.add(
                .unseen, .alerts,
                "Prometheus evaluates \(rules.count) alerts; which it should have is not known",
                "run the doctor from a checkout, whose deploy/prometheus has them")
        } else {
            found.add(.fine, .alerts, "Prometheus evaluates \(rules.count) alerts")
        }
        for (name, page) in firing.sorted(by: { $0.key < $1.key }) {
            let isShipped = wanted.isEmpty || wanted[name] != nil
            found.add(
                .warning, .alerts, "the alert \(name) fires", "follow its runbook",
                runbook: isShipped && !page.isEmpty ? page : nil)
        }
        return found
    }
}
