import Membership

/// What the doctor knows of the services and of their groups.
struct ServiceFacts: Sendable {
    /// A process whose operations page was asked.
    struct Process: Equatable, Sendable {
        let name: String
        /// Why it is not ready, or does not answer. `nil` if it is ready.
        var problem: String?
        /// What it says is not as it should be, although it is ready.
        var degraded: [String] = []
    }

    /// A process that its group hears.
    struct Member: Equatable, Sendable {
        let group: String
        let name: String
        let state: String
        /// "0.1.0 (99e8c18e)"
        let release: String
    }

    /// Partitions without a live owner.
    struct Silent: Equatable, Sendable {
        let group: String
        let partitions: [Int]
    }

    var processes: [Process] = []
    var members: [Member] = []
    var silent: [Silent] = []

    /// The groups without which nothing comes out.
    var needed = [GroupName.operators, .store]

    var findings: [Finding] {
        processFindings + groupFindings + releaseFindings
    }

    var processFindings: [Finding] {
        guard !processes.isEmpty else {
            return [
                Finding(
                    .skipped, .services, "no operations page was asked",
                    "name those of the services: --service HOST:PORT")
            ]
        }
        var found: [Finding] = []
        for process in processes {
            if let problem = process.problem {
                found.add(
                    .wrong, .services, "\(process.name): \(problem)",
                    "see its log, and what it waits for", runbook: "Services")
            }
            for reason in process.degraded {
                found.add(
                    .warning, .services, "\(process.name) is ready, but: \(reason)",
                    "see /status of its operations page")
            }
        }
        let ready = processes.count { $0.problem == nil }
        if ready > 0 {
            found.add(.fine, .services, "\(ready) of \(processes.count) are ready")
        }
        return found
    }

    private var groupFindings: [Finding] {
        var found: [Finding] = []
        let groups = Set(members.map(\.group))
        var missing = needed.map(\.text).filter { !groups.contains($0) }
        if !groups.contains(where: { $0.hasPrefix("source-") }) { missing.append("source-<name>") }
        for group in missing {
            found.add(
                .wrong, .services, "no process of the group \(group) is heard",
                "start one, or see why it is not on this NATS and namespace",
                runbook: "Services")
        }
        let explained: Set = ["paused", "aside", "draining", "drained"]
        for member in members where member.state != "ready" {
            let isAsked = ["draining", "drained"].contains(member.state)
            found.add(
                member.state == "aside" ? .wrong : .warning, .services,
                "\(member.name) of \(member.group) is \(member.state)",
                isAsked
                    ? "'tapeline member release \(member.name)' lets it take partitions again"
                    : "it takes no partitions until it is ready",
                runbook: explained.contains(member.state) ? "Members" : nil)
        }
        let missed = silent.filter { silent in
            GroupName(silent.group)?.isStore != true
                || needed.contains { $0.text == silent.group }
        }
        for group in missed {
            found.add(
                .wrong, .services,
                "no live owner of partitions \(NumberRanges.text(group.partitions)) of "
                    + "\(group.group)",
                "another member takes them after the lease; if none does, start one",
                runbook: "Owners")
        }
        return found
    }

    private var releaseFindings: [Finding] {
        let releases = Set(members.map(\.release)).sorted()
        guard releases.count > 1 else {
            return releases.map { Finding(.fine, .services, "every member is of release \($0)") }
        }
        return [
            Finding(
                .warning, .services,
                "members are of several releases: \(releases.joined(separator: ", "))",
                "finish the upgrade, or go back (docs/upgrade.md); 'tapeline members' names them")
        ]
    }
}
