public import MarketModel
public import Primitives
public import TapeCodec
internal import TapeProtocol

/// How far a group's reader has come on one input of one partition.
public struct ReaderPosition: Hashable, Sendable {
    public enum Input: String, Sendable {
        case ticks
        case bars
    }

    public var partition: Partition
    public var input: Input
    /// Of the packet that was read last.
    public var sequence: UInt64
    /// The group would never read a packet before this one again, whatever is killed or damaged;
    /// never above `sequence`. 0: not known at the moment; what was told before still holds.
    public var durable: UInt64
    /// An epoch of 0 is one that the reader does not know.
    public var sources: [SourceOrdinal]
    /// Which packet that was; nil: nobody said. Without it nothing may be forgotten.
    public var proof: Proof?

    /// What stands at a position. Of a tape that was made anew, or put back, it does not any more,
    /// though the numbers are the same.
    public struct Proof: Hashable, Sendable {
        public var streamCreated: Timestamp
        public var packet: PacketIdentity

        public init(streamCreated: Timestamp, packet: PacketIdentity) {
            self.streamCreated = streamCreated
            self.packet = packet
        }

        public init(_ position: TapePosition) {
            self.init(streamCreated: position.streamCreated, packet: position.packet)
        }
    }

    public init(
        partition: Partition, input: Input, sequence: UInt64, durable: UInt64,
        sources: [SourceOrdinal], proof: Proof? = nil
    ) {
        self.partition = partition
        self.input = input
        self.sequence = sequence
        self.durable = min(durable, sequence)
        self.sources = sources
        self.proof = proof
    }
}

/// What a group tells of its positions over core NATS: JSON, in as many messages as it takes.
struct PositionMessage: Equatable {
    /// A message grows to this at most, unless a single position is larger.
    static let bytesMax = 48 * 1024

    var group: String
    var positions: [ReaderPosition]

    static func messages(group: String, _ positions: [ReaderPosition]) -> [[UInt8]] {
        let texts = positions.map { position in
            var json = JSONWriter(capacity: 192)
            position.write(into: &json)
            return json.bytes
        }
        return MessageParts.split(texts, bytesMax: bytesMax).map { message(group, $0) }
    }

    private static func message(_ group: String, _ positions: [[UInt8]]) -> [UInt8] {
        var json = JSONWriter(capacity: positions.reduce(64) { $0 + $1.count + 1 })
        json.object { json in
            json.member("group", group)
            json.member(
                "positions",
                array: { json in
                    for text in positions { json.literal(String(decoding: text, as: UTF8.self)) }
                })
        }
        return json.bytes
    }

    init(group: String, positions: [ReaderPosition]) {
        self.group = group
        self.positions = positions
    }

    /// Nil when any of it is not what a teller says: then nothing of it is believed.
    init?(json bytes: [UInt8]) {
        guard let json = Self.parsed(bytes), let group = json["group"]?.string,
            let entries = json["positions"]?.array
        else { return nil }
        self.init(group: group, positions: [])
        for entry in entries {
            guard let position = ReaderPosition(json: entry) else { return nil }
            positions.append(position)
        }
    }

    private static func parsed(_ bytes: [UInt8]) -> JSONValue? {
        do throws(JSONError) {
            return try JSONValue.parse(bytes)
        } catch {
            return nil
        }
    }
}

// MARK: JSON

extension ReaderPosition {
    public func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("partition", partition.number)
            json.member("input", input.rawValue)
            json.member("sequence", sequence)
            json.member("durable", durable)
            if let proof {
                json.member("stream_created_ns", proof.streamCreated.nanoseconds)
                json.member("packet_epoch", proof.packet.epoch)
                json.member("packet_ordinal", proof.packet.firstOrdinal)
                json.member("packet_checksum", proof.packet.checksum)
            }
            json.member(
                "sources",
                array: { json in
                    for source in sources {
                        json.object { json in
                            json.member("source", source.source.text)
                            json.member("epoch", source.epoch)
                            json.member("last_ordinal", source.lastOrdinal)
                        }
                    }
                })
        }
    }

    /// Nil when any of it is not what a reader says.
    public init?(json entry: JSONValue) {
        guard let number = entry["partition"]?.int, Partition.isValid(number),
            let input = entry["input"]?.string.flatMap({ Input(rawValue: $0) }),
            let sequence = entry["sequence"]?.uint64, let durable = Self.durable(entry),
            durable <= sequence, let sources = entry["sources"]?.array
        else { return nil }
        self.init(
            partition: Partition(number), input: input, sequence: sequence, durable: durable,
            sources: [])
        for source in sources {
            guard let name = source["source"]?.string.flatMap({ SourceName($0) }),
                let epoch = source["epoch"]?.uint64, let last = source["last_ordinal"]?.uint64,
                epoch < PublisherLane.floorMax, last < PublisherLane.floorMax
            else { return nil }
            self.sources.append(
                SourceOrdinal(source: name, epoch: epoch, lastOrdinal: last))
        }
        guard let created = entry["stream_created_ns"] else { return }
        guard let nanoseconds = created.int, let epoch = entry["packet_epoch"]?.uint64,
            let ordinal = entry["packet_ordinal"]?.uint64,
            let checksum = entry["packet_checksum"]?.uint64
        else { return nil }
        proof = Proof(
            streamCreated: Timestamp(nanoseconds: Int64(nanoseconds)),
            packet: PacketIdentity(epoch: epoch, firstOrdinal: ordinal, checksum: checksum))
    }

    /// Who says nothing of it is of an older version, and may have to read everything.
    private static func durable(_ entry: JSONValue) -> UInt64? {
        guard let value = entry["durable"] else { return 0 }
        return value.uint64
    }
}
