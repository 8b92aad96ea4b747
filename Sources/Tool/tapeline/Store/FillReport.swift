import Membership
import Primitives
import ServiceRuntime

/// What `tapeline store fill` found and did.
struct FillReport {
    private let command: StoreCommand
    private let unknown: [FillLane]
    private let dropped: Int64
    private var lanes: [Lane]
    /// How many ordinals the books name as missing at the end: holes may have come meanwhile.
    var missingAtEnd: Int64?
    /// How many ordinals could not be filled, because a group of tables went apart meanwhile.
    private var postponed: Int64 = 0

    private struct Lane {
        let missing: FillPlan.Missing
        var filled: Int64 = 0
        var settled: Int64 = 0

        /// The ordinals that the other store has.
        var wanted: Int64 { missing.stretches.reduce(0) { $0 + $1.wanted } }
        var left: Int64 { missing.ordinals - settled }
    }

    init(_ command: StoreCommand, _ plan: FillPlan, dropped: Int64) {
        self.command = command
        self.dropped = dropped
        unknown = plan.unknown
        lanes = plan.missing.map { Lane(missing: $0) }
    }

    mutating func add(_ outcome: FillOutcome, to lane: FillLane) {
        guard let index = lanes.firstIndex(where: { $0.missing.lane == lane }) else { return }
        lanes[index].filled += outcome.filled
        lanes[index].settled += outcome.settled
    }

    mutating func postpone(_ ordinals: Int64) { postponed += ordinals }

    private func sum(_ count: (Lane) -> Int64) -> Int64 { lanes.reduce(0) { $0 + count($1) } }

    private var missing: Int64 { sum { $0.missing.ordinals } }
    private var waiting: Int64 { sum(\.missing.waiting) + postponed }
    /// How many ordinals that gaps or a later beginning name are missing still.
    private var left: Int64 { missingAtEnd ?? sum(\.left) }

    var code: ExitCode {
        if command.isDryRun, sum(\.wanted) > 0 { return .pending }
        return left == 0 && unknown.isEmpty && dropped == 0 ? .success : .incomplete
    }

    func progress(_ lane: FillLane) -> String {
        let done = UInt64(sum(\.settled))
        return "\(done) of \(sum(\.wanted)) ordinals"
            + ProgressLine.share(done, of: UInt64(sum(\.wanted)))
            + ": \(lane.source), partition \(lane.partition)"
    }

    var lines: [String] {
        var lines: [String] = []
        for lane in lanes where command.isDryRun || lane.left > 0 {
            let place = lane.missing.lane
            lines.append(
                "\(place.input) of \(place.source) in partition \(place.partition): "
                    + "\(lane.left) ordinals are missing"
                    + (command.isDryRun ? ", \(lane.wanted) of them are in \(command.other)" : ""))
        }
        for lane in unknown {
            lines.append(
                "\(lane.input) of \(lane.source) in partition \(lane.partition): \(command.store) "
                    + "has read nothing of this source yet, and is filled when it has")
        }
        if waiting > 0 {
            lines.append(
                "\(waiting) of these ordinals are filled later, because tables of "
                    + "\(command.store) wait apart: repeat it when they have come back")
        }
        if dropped > 0 {
            lines.append(
                "\(dropped) ordinals are not filled: the queue of \(command.store) had no room, "
                    + "and it dropped them")
        }
        if missing == 0, left == 0 {
            lines.append("nothing is missing in what \(command.store) has read")
        } else if command.isDryRun {
            lines.append(
                "\(missing) ordinals are missing in \(command.store), and \(sum(\.wanted)) of them "
                    + "would be copied from \(command.other)")
        } else {
            lines.append(
                "\(sum(\.filled)) rows were copied from \(command.other); \(left) ordinals stay "
                    + "missing in \(command.store)")
        }
        return lines
    }

    var json: String {
        JSONWriter.made { json in
            json.member("store", command.store.text)
            json.member("from", command.other.text)
            json.member("dry_run", command.isDryRun)
            json.member("missing", missing)
            json.member("filled", sum(\.filled))
            json.member("left", left)
            json.member("waiting", waiting)
            json.member("dropped", dropped)
            json.member("lanes", each: lanes) { lane, json in
                Self.write(lane.missing.lane, into: &json)
                json.member("missing", lane.missing.ordinals)
                json.member("found", lane.wanted)
                json.member("filled", lane.filled)
                json.member("left", lane.left)
            }
            json.member("not_read", each: unknown) { lane, json in
                Self.write(lane, into: &json)
            }
        }.text
    }

    private static func write(_ lane: FillLane, into json: inout JSONWriter) {
        json.member("input", lane.input)
        json.member("partition", lane.partition)
        json.member("source", lane.source)
    }
}
