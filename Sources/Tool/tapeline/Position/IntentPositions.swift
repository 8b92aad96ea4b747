import MarketModel
import Membership
import NatsTransport
import Primitives
import TapeCodec
import TapeKeeping
import TapeProtocol
import TapeTransport

/// The positions of a store without transactions, as its records in NATS have them.
struct IntentPositions {
    let store: GroupName
    let client: TapeClient

    func positions() throws -> [GroupPosition] {
        let bucket = try client.jetStream.openOrMakeBucket(
            GroupRegistry.configuration(client.names))
        var positions: [GroupPosition] = []
        for input in TapeInput.allCases {
            for number in 0...client.names.universe.number {
                let key = "\(store).intents.\(input).\(number)"
                guard let entry = try bucket.get(key) else { continue }
                let json = try VersionedJSON.read(entry.value, upTo: 1)
                guard let mark = json["mark"]?.string else {
                    throw ToolError.unreadable("\(key) in NATS is no record of a store")
                }
                positions.append(
                    Self.position(
                        try VersionedJSON.read(Array(mark.utf8), upTo: 1),
                        GroupPosition(group: store, input: input, partition: Partition(number))))
            }
        }
        return positions
    }

    /// Returns a place with what its mark says. Pure.
    static func position(_ mark: JSONValue, _ place: GroupPosition) -> GroupPosition {
        var position = place
        position.owner = mark["owner"]?.string ?? ""
        guard let json = mark["position"]?.array?.first else { return position }
        position.sources = (json["sources"]?.array ?? []).compactMap { GroupPosition.Source($0) }
        if let time = json["tape_time_ns"]?.int {
            position.tapeTime = Timestamp(nanoseconds: Int64(time))
        }
        if let created = json["stream_created_ns"]?.int, let sequence = json["sequence"]?.uint64,
            let epoch = json["packet_epoch"]?.uint64, let ordinal = json["packet_ordinal"]?.uint64,
            let checksum = json["packet_crc"]?.int
        {
            position.packet = GroupPosition.Packet(
                streamCreated: Timestamp(nanoseconds: Int64(created)), sequence: sequence,
                identity: PacketIdentity(
                    epoch: epoch, firstOrdinal: ordinal,
                    checksum: UInt64(bitPattern: Int64(checksum))))
        }
        return position
    }
}
