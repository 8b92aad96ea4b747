import MarketModel
import Membership
import Primitives
import TapeCodec
import TapeProtocol

/// The kind of a partition's two subjects that is read.
enum TapeInput: String, CaseIterable, Sendable {
    case ticks
    case bars

    func stream(_ names: TapeNames, _ partition: Partition) -> String {
        self == .ticks ? names.tickStream(of: partition) : names.barStream
    }
}

/// How far a group has read one input of one partition, as the group stores it.
struct GroupPosition: Equatable, Sendable {
    struct Source: Equatable, Sendable {
        let source: SourceName
        /// The last ordinal that is accounted for.
        let lastOrdinal: UInt64
        /// The last ordinal on the tape at the position.
        let tapeOrdinal: UInt64
        /// 0 if the epoch is not known.
        let epoch: UInt64
    }

    let group: GroupName
    let input: TapeInput
    let partition: Partition
    /// The packet at the position. `nil` if no packet has been read.
    var packet: Packet?
    var sources: [Source] = []
    /// The time of its last move. Undefined if it is not known.
    var moved = Timestamp.undefined
    /// When the tape took the packet there. Undefined if it is not known.
    var tapeTime = Timestamp.undefined
    /// The owner of the partition. Empty if not known.
    var owner = ""
    /// The groups of tables of a store that wait apart there, by name.
    var apart: [TablesApart] = []

    /// The packet at the position.
    struct Packet: Equatable, Sendable {
        let streamCreated: Timestamp
        let sequence: UInt64
        let identity: PacketIdentity
    }

    /// A group of tables that waits apart, because one of them was blocked.
    struct TablesApart: Equatable, Sendable {
        let group: String
        /// The table that was blocked, and why.
        let table: String
        let reason: String
    }

    var hasRead: Bool { packet != nil || !sources.isEmpty }

    /// Its place, for messages.
    var place: String { "\(input) of partition \(partition)" }
}

/// Whether the packet of a position is still stored where it was.
enum PositionState: Equatable, Sendable {
    case holds
    case purgedAway(first: UInt64)
    case behindTheEnd(last: UInt64)
    case anotherPacket(PacketIdentity)
    case streamMadeAnew(Timestamp)
    case nothingRead
    case unreadable(String)

    /// True if reading can continue there.
    var isFine: Bool { self == .holds || self == .nothingRead }

    /// The name for tables and programs.
    var name: String {
        switch self {
        case .holds: "holds"
        case .purgedAway: "purged away"
        case .behindTheEnd: "behind the end"
        case .anotherPacket: "another packet there"
        case .streamMadeAnew: "stream made anew"
        case .nothingRead: "nothing read"
        case .unreadable: "unreadable"
        }
    }

    var detail: String {
        switch self {
        case .holds, .nothingRead: ""
        case .purgedAway(let first): "the tape begins at \(first)"
        case .behindTheEnd(let last): "the tape ends at \(last)"
        case .anotherPacket(let identity):
            "epoch \(identity.epoch), ordinal \(identity.firstOrdinal) stands there"
        case .streamMadeAnew(let time): "made at \(time)"
        case .unreadable(let reason): reason
        }
    }

    /// `found` is the packet that the stream's leader has at the position's sequence.
    static func of(
        _ position: GroupPosition, in stream: ReaderLane.StreamBounds,
        found: () throws -> PacketIdentity?
    ) rethrows -> PositionState {
        guard let packet = position.packet else {
            return position.sources.isEmpty ? .nothingRead : .holds
        }
        if packet.streamCreated != stream.created { return .streamMadeAnew(stream.created) }
        if packet.sequence > stream.lastSequence {
            return .behindTheEnd(last: stream.lastSequence)
        }
        guard packet.sequence >= stream.firstSequence, let there = try found() else {
            return .purgedAway(first: stream.firstSequence)
        }
        return there == packet.identity ? .holds : .anotherPacket(there)
    }
}

extension GroupPosition.Source {
    /// Reads what a store says of a source; `nil`: it names no source, or no ordinal.
    init?(_ entry: JSONValue) {
        guard let source = entry["source"]?.string.flatMap({ SourceName($0) }),
            let last = entry["last_ordinal"]?.uint64
        else { return nil }
        self.init(
            source: source, lastOrdinal: last,
            tapeOrdinal: entry["tape_ordinal"]?.uint64 ?? last, epoch: entry["epoch"]?.uint64 ?? 0)
    }
}
