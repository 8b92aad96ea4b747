import MarketModel
import Membership
import NatsTransport
import Primitives
import TapeCodec
import TapeListing
import TapeProtocol
import TapeTransport

/// How long the tape stands still while a member hands over: from the last ticks or bars of the
/// owner before to the first ones of the next, by the times at which the server stored them.
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
        /// When its last record was stored.
        var before: Timestamp
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
                // Partitions without a record have nothing that could stand still.
                let search = PacketSearch(jetStream, stream: stream, subject: subject)
                guard let newest = try client.lastPacket(stream: stream, subject: subject),
                    let last = try search.last(before: newest.header.nextOrdinal, from: 1, newest)
                else { continue }
                lanes.append(
                    Lane(
                        group: group, partition: partition, stream: stream, subject: subject,
                        epoch: newest.header.epoch, sequence: newest.last.sequence,
                        before: last.time))
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
        guard lane.isOpened else { return }
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
        let search = PacketSearch(jetStream, stream: lane.stream, subject: lane.subject)
        var opening: StoredPacket?
        if newest.header.epoch > lane.epoch {
            opening = try search.first(
                from: lane.sequence + 1, through: newest.last.sequence,
                where: { $0.epoch > lane.epoch })
        }
        // What the owner before said since.
        let last = try search.last(
            before: opening?.header.firstOrdinal ?? newest.header.nextOrdinal,
            from: lane.sequence + 1, opening ?? newest)
        if let last { lane.before = last.time }
        lane.isOpened = opening != nil
        lane.sequence = opening.map { $0.last.sequence - 1 } ?? newest.last.sequence
    }
}

extension PacketSearch {
    /// Returns the packet of the last record before an ordinal, between a sequence and a packet.
    fileprivate func last(
        before ordinal: UInt64, from sequence: UInt64, _ newest: StoredPacket
    ) throws -> StoredPacket? {
        guard ordinal > 1 else { return nil }
        let found = try first(from: sequence, through: newest.last.sequence) {
            $0.nextOrdinal >= ordinal
        }
        guard let found, found.marker == nil, found.header.firstOrdinal < ordinal else {
            return nil
        }
        return found
    }
}

extension StoredPacket {
    /// Whether it has more than a marker and records about feeds. The next owner of a source says
    /// first what was missed.
    fileprivate var hasContent: Bool {
        guard marker == nil else { return false }
        if header.kind == .bars { return header.tickCount > 0 }
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
        /// Half of the partitions stood still for no longer.
        let middle: Int64?
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
                return "\(group): the pause is not known: no new owner has published yet"
            }
            let pause = "\(group): the tape stood still for \(Self.seconds(nanoseconds))"
            guard let partition, let middle else { return pause }
            return "\(pause) at most (partition \(partition), of \(changed)), "
                + "for \(Self.seconds(middle)) in the middle"
                + (waiting > 0 ? "; nothing was published yet in \(waiting) others" : "")
        }

        private static func seconds(_ nanoseconds: Int64) -> String {
            "\(FixedPoint.text(nanoseconds / 1_000_000, decimals: 3)) s"
        }

        func report(into json: inout JSONWriter) {
            json.object { json in
                json.member("group", group.text)
                if let nanoseconds { json.member("seconds", Double(nanoseconds) / 1e9) }
                if let middle { json.member("median_seconds", Double(middle) / 1e9) }
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
        let pauses = lanes.compactMap { lane in
            lane.after.map {
                (pause: $0.nanoseconds(since: lane.before), partition: lane.partition)
            }
        }.sorted { $0.pause < $1.pause }
        let isSource = group.source != nil
        var nanoseconds = pauses.last?.pause
        if isSource, let before = lanes.map(\.before).max(),
            let after = lanes.compactMap(\.after).min()
        {
            nanoseconds = max(0, after.nanoseconds(since: before))
        }
        return Answer(
            group: group, nanoseconds: nanoseconds,
            middle: isSource || pauses.isEmpty ? nil : pauses[pauses.count / 2].pause,
            partition: isSource ? nil : pauses.last?.partition, changed: pauses.count,
            waiting: lanes.count - pauses.count)
    }
}
