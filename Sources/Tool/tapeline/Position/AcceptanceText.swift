import MarketModel
import Membership
import Primitives

/// Describes the effect of accepting, for a person and for a program.
struct AcceptanceText {
    var plans: [Acceptance] = []
    /// Where groups of tables that wait apart are given up.
    var givenUp: [GroupPosition] = []

    var isNothing: Bool { plans.isEmpty && givenUp.isEmpty }

    var lines: [String] {
        var lines: [String] = []
        for plan in plans {
            let position = plan.position
            let from = position.packet.map { "\($0.sequence)" } ?? "the start"
            let to = plan.packet.map { "\($0.sequence)" } ?? "the start of the tape"
            lines.append(
                "\(position.group.text), \(position.input) of partition "
                    + "\(position.partition): from \(from) to \(to)")
            for change in plan.changes {
                if let lost = change.lost {
                    lines.append(
                        "  \(change.source): ordinals \(lost.lowerBound) to \(lost.upperBound) "
                            + "were destroyed and are given up (\(count(lost)))")
                }
                if let twice = change.givenTwice {
                    lines.append(
                        "  \(change.source): ordinals \(twice.lowerBound) to \(twice.upperBound) "
                            + "are on the tape again, are stored, and will be left out "
                            + "(\(count(twice)))")
                }
                if change.lost == nil, change.givenTwice == nil {
                    lines.append(
                        "  \(change.source): nothing is lost; reading goes on behind "
                            + "\(change.tapeOrdinal)")
                }
            }
        }
        lines += givenUp.map { position in
            "\(position.group.text), \(position.place): what is left to the tables of "
                + "\(position.apart.map(\.group).joined(separator: ", ")) is given up"
        }
        lines.append("in all: \(destroyed) ordinals destroyed, \(givenTwice) given twice")
        return lines
    }

    private var destroyed: UInt64 { plans.reduce(0) { $0 &+ $1.lostCount } }
    private var givenTwice: UInt64 { plans.reduce(0) { $0 &+ $1.givenTwiceCount } }

    private func count(_ range: ClosedRange<UInt64>) -> UInt64 {
        range.upperBound &- range.lowerBound &+ 1
    }

    var json: String {
        JSONWriter.made { writer in
            writer.member("destroyed", destroyed)
            writer.member("given_twice", givenTwice)
            writer.member("accepted", each: plans, write)
            writer.member("given_up", each: givenUp, write)
        }.text
    }

    private func write(_ position: GroupPosition, _ writer: inout JSONWriter) {
        writer.member("group", position.group.text)
        writer.member("input", position.input.rawValue)
        writer.member("partition", position.partition.number)
        writer.member("tables", values: position.apart.map(\.group))
    }

    private func write(_ plan: Acceptance, _ writer: inout JSONWriter) {
        writer.member("group", plan.position.group.text)
        writer.member("input", plan.position.input.rawValue)
        writer.member("partition", plan.position.partition.number)
        writer.member("from_sequence", plan.position.packet?.sequence ?? 0)
        writer.member("to_sequence", plan.packet?.sequence ?? 0)
        writer.member("sources", each: plan.changes) { change, writer in
            writer.member("source", change.source.text)
            writer.member("stored_ordinal", change.storedOrdinal)
            write("destroyed", change.lost, &writer)
            write("given_twice", change.givenTwice, &writer)
        }
    }

    private func write(
        _ name: String, _ range: ClosedRange<UInt64>?, _ writer: inout JSONWriter
    ) {
        writer.key(name)
        guard let range else {
            writer.null()
            return
        }
        writer.array { writer in
            writer.value(range.lowerBound)
            writer.value(range.upperBound)
        }
    }
}
