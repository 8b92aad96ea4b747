import MarketModel
import Membership
import NatsTransport
import Primitives
import TapeCodec
import TapeListing
import TapeProtocol
import TapeTransport

/// How long the tape stands still while a member hands over: from the last packet of the owner
/// before to the first ticks or bars of the next, by the times at which the server stored them.
///
/// Each owner opens an epoch with a marker of its own. So the epochs of before are noted, and
/// later the first packets behind them are looked for. Every call blocks.
struct HandoverPauses {
    /// Of more subjects the first ones are measured.
    static let lanesMax = 256
    /// The packets without ticks that one look steps over.
    static let stepsMax = 32

    /// A subject on which each owner publishes with an epoch of its own.
    private struct Lane {
        let group: GroupName
        let partition: Partition
        let stream: String
        let subject: String
        /// The epoch of before, and how far it was read.
        let epoch: UInt64
        var sequence: UInt64
        /// When its last packet was stored. `nil`: the tape has dropped it.
        var before: Timestamp?
        var isOpened = false
        /// When the first ticks of the next owner were stored.
        var after: Timestamp?
    }

    private let jetStream: JetStream
    private var lanes: [Lane] = []

    /// Notes the epochs of what the member holds. Groups that publish nothing have no lanes.
    init(
        _ groups: [GroupName], _ held: (GroupName) -> [Partition], _ client: TapeClient
    ) throws {
        jetStream = client.jetStream
        for group in groups {
            for (partition, stream, subject) in Self.subjects(
                of: group, held(group), client.names)
            where lanes.count < Self.lanesMax {
                guard let newest = try client.lastPacket(stream: stream, subject: subject) else {
                    continue
                }
                var lane = Lane(
                    group: group, partition: partition, stream: stream, subject: subject,
                    epoch: newest.header.epoch, sequence: newest.last.sequence)
                lane.before =
                    try newest.marker.map { try time(before: $0, lane) } ?? newest.time
                if lane.before != nil { lanes.append(lane) }
            }
        }
    }

    /// The owner of a source publishes on all partitions, an operator on those that it holds.
    private static func subjects(
        of group: GroupName, _ held: [Partition], _ names: TapeNames
    ) -> [(Partition, stream: String, subject: String)] {
        if group == .operators { return held.map { ($0, names.barStream, names.output($0)) } }
        guard let source = group.source, !held.isEmpty else { return [] }
        return (0..<names.partitions).map { number in
            let partition = Partition(number)
            return (partition, names.tickStream(of: partition), names.ticks(partition, source))
        }
    }

    /// Reads what has come since the look before, until somebody wants it to end.
    mutating func look(until isEnding: () -> Bool) throws {
        for index in lanes.indices where lanes[index].after == nil && !isEnding() {
            try follow(&lanes[index])
        }
    }

    private func follow(_ lane: inout Lane) throws {
        if !lane.isOpened { try findOpening(&lane) }
        guard lane.isOpened, lane.before != nil else { return }
        for _ in 0..<Self.stepsMax {
            guard
                let packet = try jetStream.firstMessage(
                    stream: lane.stream, from: lane.sequence + 1, subject: lane.subject
                ).map({ try StoredPacket($0) })
            else { return }
            lane.sequence = packet.last.sequence
            if packet.hasContent {
                lane.after = packet.time
                return
            }
        }
    }

    private func findOpening(_ lane: inout Lane) throws {
        guard
            let newest = try jetStream.lastMessage(stream: lane.stream, subject: lane.subject)
                .map({ try StoredPacket($0) })
        else { return }
        guard newest.header.epoch > lane.epoch else {
            lane.sequence = newest.last.sequence
            if newest.marker == nil { lane.before = newest.time }
            return
        }
        let search = PacketSearch(jetStream, stream: lane.stream, subject: lane.subject)
        let opening = try search.first(
            from: lane.sequence + 1, through: newest.last.sequence,
            where: { $0.epoch > lane.epoch })
        guard let opening, let marker = opening.marker else { return }
        if marker.previousSequence != lane.sequence { lane.before = try time(before: marker, lane) }
        lane.isOpened = true
        lane.sequence = opening.last.sequence
    }

    /// Returns when the last packet before a marker was stored that is none itself. `nil` if it is
    /// gone.
    private func time(before marker: EpochMarker, _ lane: Lane) throws -> Timestamp? {
        var sequence = marker.previousSequence
        for _ in 0..<Self.stepsMax {
            guard let message = try jetStream.message(stream: lane.stream, sequence: sequence),
                message.subject == lane.subject
            else { return nil }
            let packet = try StoredPacket(message)
            guard let marker = packet.marker else { return packet.time }
            sequence = marker.previousSequence
        }
        return nil
    }
}

extension StoredPacket {
    /// Whether it has more than a marker and records about feeds. The next owner of a source says
    /// first what was missed.
    fileprivate var hasContent: Bool {
        guard marker == nil else { return false }
        if header.kind == .bars { return true }
        return withBytes { bytes in
            var walk = PacketWalk(header)
            while let item = walk.next(in: bytes) {
                switch item {
                case .trade, .quote, .bar: return true
                case .other(let message):
                    let kind = RecordKind(template: message.template)
                    if kind != .gap && kind != .subscription { return true }
                case .control: continue
                }
            }
            return false
        }
    }
}

extension HandoverPauses {
    /// What a person wants to know of a group.
    struct Answer: Equatable {
        let group: GroupName
        /// `nil`: not known.
        let nanoseconds: Int64?
        /// The partition that stood still longest. `nil`: a source, which stands still when all of
        /// its partitions do.
        let partition: Partition?
        /// The partitions whose next owner has published, and those of which that is not known.
        let changed: Int
        let waiting: Int

        /// Not all symbols of a source trade, so one packet is enough.
        var isWhole: Bool { group.source == nil ? waiting == 0 : changed > 0 }

        var text: String {
            guard let nanoseconds else {
                return "\(group): the pause is not known: of no partition are the packets of "
                    + "both owners on the tape"
            }
            let pause = "\(FixedPoint.text(nanoseconds / 1_000_000, decimals: 3)) s"
            guard let partition else { return "\(group): the tape stood still for \(pause)" }
            return "\(group): the tape stood still for \(pause) at most (partition \(partition), "
                + "of \(changed))"
                + (waiting > 0 ? "; nothing was published yet in \(waiting) others" : "")
        }

        func report(into json: inout JSONWriter) {
            json.object { json in
                json.member("group", group.text)
                if let nanoseconds { json.member("seconds", Double(nanoseconds) / 1e9) }
                json.member("changed", changed)
                json.member("waiting", waiting)
            }
        }
    }

    /// What is known now of each group that publishes.
    var answers: [Answer] {
        let groups = Set(lanes.map(\.group)).sorted { $0.text < $1.text }
        return groups.map { group in answer(group, lanes.filter { $0.group == group }) }
    }

    private func answer(_ group: GroupName, _ lanes: [Lane]) -> Answer {
        var longest: (pause: Int64, partition: Partition)?
        for lane in lanes {
            guard let before = lane.before, let after = lane.after else { continue }
            let pause = after.nanoseconds(since: before)
            if longest.map({ pause > $0.pause }) ?? true { longest = (pause, lane.partition) }
        }
        var nanoseconds = longest?.pause
        if group.source != nil, longest != nil, let before = lanes.compactMap(\.before).max(),
            let after = lanes.compactMap(\.after).min()
        {
            nanoseconds = max(0, after.nanoseconds(since: before))
        }
        let changed = lanes.count { $0.before != nil && $0.after != nil }
        return Answer(
            group: group, nanoseconds: nanoseconds,
            partition: group.source == nil ? longest?.partition : nil, changed: changed,
            waiting: lanes.count { $0.before != nil && $0.after == nil })
    }
}
