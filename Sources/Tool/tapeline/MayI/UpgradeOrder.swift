import MarketModel
import Membership
import MembershipTransport
import ServiceRuntime

/// Who becomes another release when: readers before those whose records they read, as
/// docs/upgrade.md says. It does no I/O.
extension Preflight {
    struct Release: Hashable, CustomStringConvertible {
        let version: String
        /// Empty: any, or not known.
        let revision: String

        init(_ version: String, _ revision: String) {
            self.version = version
            self.revision = revision
        }

        init(of member: MemberHeartbeat) { self.init(member.release, member.revision) }

        /// Reads what `description` writes; the revision may be left out. `nil` for other texts.
        init?(_ text: String) {
            guard let found = text.wholeMatch(of: /([\w.+~-]{1,64})(?: \((\w{1,64})\))?/) else {
                return nil
            }
            self.init(String(found.1), String(found.2 ?? ""))
        }

        /// Whether a process of that release is of this one.
        func includes(_ other: Release) -> Bool {
            version == other.version && (revision.isEmpty || revision == other.revision)
        }

        var description: String { ProductVersion.shown(version, revision) }
    }

    /// The groups in the order in which they are upgraded.
    private static func step(_ group: GroupName) -> Int {
        switch group.role {
        case .store: 0
        case .operator: 1
        // Keepers are gateways, too.
        case .source, .keeper, .consumer: 2
        }
    }

    /// What speaks for and against making it one of another release now.
    var orderReasons: [Reason] {
        guard let upgradeTo else { return [] }
        let own = members.filter {
            $0.group.text == subject || $0.heartbeat.member.text == subject
        }
        guard let step = own.map({ Self.step($0.group) }).min() else { return [] }
        let late = members.filter {
            Self.step($0.group) < step && !upgradeTo.includes(Release(of: $0.heartbeat))
        }
        let others = Set(members.map { Release(of: $0.heartbeat) }).filter {
            !upgradeTo.includes($0)
        }
        var reasons = late.map {
            Reason(
                .no,
                "\($0.heartbeat.member) of \($0.group) comes before: it is of release "
                    + "\(Release(of: $0.heartbeat))")
        }
        if others.count > 1 {
            let names = others.map(\.description).sorted().joined(separator: " and ")
            reasons.append(
                Reason(.no, "\(names) run already: finish that upgrade, or take it back"))
        }
        guard reasons.isEmpty else { return reasons }
        let isDone = own.allSatisfy { upgradeTo.includes(Release(of: $0.heartbeat)) }
        let order =
            step == 0
            ? "nothing comes before \(subject)"
            : "all that comes before \(subject) is of release \(upgradeTo)"
        let heard = Set(members.map { Self.step($0.group) })
        let unheard = [(0, GroupName.store), (1, GroupName.operators)].filter {
            $0.0 < step && !heard.contains($0.0)
        }
        return [
            Reason(.yes, isDone ? "\(subject) is of release \(upgradeTo) already" : order)
        ]
            + unheard.map {
                Reason(.skipped, "nobody of \($0.1) is heard, who comes before \(subject)")
            }
    }
}
