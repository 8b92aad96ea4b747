import Membership
import MarketModel
import Primitives
import TapeKeeping
import TapeTransport

/// The registered groups, for a person and for a program.
struct GroupsTable {
    let groups: [RegisteredGroup]
    let now: Timestamp

    var lines: [String] {
        groups.isEmpty ? ["no group is registered: nothing of the tape is purged"] : rows.table
    }

    var rows: ReportRows<RegisteredGroup> {
        ReportRows(
            groups,
            [
                ReportColumn("GROUP", "group") { .text($0.group.text) },
                ReportColumn("ROLE", "role") { .text($0.group.role.rawValue) },
                ReportColumn("KIND", "kind") { .text($0.kind) },
                ReportColumn("NEEDED", "needed", shown: { $0.isNeeded ? "yes" : "no" }) {
                    .flag($0.isNeeded)
                },
                ReportColumn("READS", "reads") { .texts($0.reads.map(\.rawValue).sorted()) },
                ReportColumn("", "problem") {
                    $0.problem.map { ReportValue.text("\($0)") } ?? .absent
                },
                ReportColumn(
                    "REPORTED", "told", isNumber: true, shown: { $0.told.age(at: now) },
                    { .time($0.told) }),
                .cell("PARTITIONS", isNumber: true) {
                    "\(Set($0.positions.map(\.partition)).count)"
                },
                ReportColumn("REGISTERED", "registered", shown: { "\($0.registered)" }) {
                    .time($0.registered)
                },
                ReportColumn("", "positions") { group in
                    .nested { json in
                        json.array { json in
                            for position in group.positions { position.write(into: &json) }
                        }
                    }
                },
            ])
    }

    func json() -> String { JSONWriter.made { $0.member("groups", rows: rows) }.text }
}
