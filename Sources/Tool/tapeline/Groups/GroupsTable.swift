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
        guard !groups.isEmpty else {
            return ["no group is registered: nothing of the tape is purged"]
        }
        let head =
            "\("GROUP".padded(to: 16)) \("READS".padded(to: 12)) "
            + "\("TOLD".leftPadded(to: 9)) \("PARTITIONS".leftPadded(to: 10)) REGISTERED"
        return [head]
            + groups.map { group in
                let partitions = Set(group.positions.map(\.partition)).count
                return "\(group.group.text.padded(to: 16)) "
                    + "\(Self.reads(group).padded(to: 12)) "
                    + "\(group.told.age(at: now).leftPadded(to: 9)) "
                    + "\("\(partitions)".leftPadded(to: 10)) \(group.registered)"
            }
    }

    private static func reads(_ group: RegisteredGroup) -> String {
        group.reads.isEmpty ? "-" : group.reads.map(\.rawValue).sorted().joined(separator: ",")
    }

    func json() -> String {
        var json = JSONWriter(capacity: 4_096)
        json.object { json in
            json.member(
                "groups", array: { json in for group in groups { write(group, into: &json) } })
        }
        return json.text
    }

    private func write(_ group: RegisteredGroup, into json: inout JSONWriter) {
        json.object { json in
            json.member("group", group.group.text)
            json.member("registered", group.registered.description)
            json.member(
                "reads",
                array: { json in
                    for input in group.reads.map(\.rawValue).sorted() { json.value(input) }
                })
            if let problem = group.problem { json.member("problem", "\(problem)") }
            json.key("told")
            if group.told.isDefined { json.value(group.told.description) } else { json.null() }
            json.member(
                "positions",
                array: { json in
                    for position in group.positions { position.write(into: &json) }
                })
        }
    }
}
