package import MarketModel
package import Primitives
package import TapeCodec
internal import TapeProtocol

/// A reader's position on one input of one partition, as `PositionReporter` reports it. A gateway
/// raises its lanes above it; the keeper decides by it what may be purged.
package struct ReaderPosition: Hashable, Sendable {
    /// The version of the documents that hold positions: messages, and what a keeper stores.
    package static let version = 1

    /// What a reader reads: the sources' ticks, or what the operators publish.
    package enum Input: String, CaseIterable, Sendable {
        case ticks
        case bars
    }

    package var partition: Partition
    package var input: Input
    /// The sequence of the packet that was read last.
    package var sequence: UInt64
    /// The sequence of the first packet that the group may have to read again, whatever is killed
    /// or damaged: it needs no earlier one. It is never above `sequence`. 0: not known at the
    /// moment, so the value that was reported before stays valid.
    package var durable: UInt64
    /// The last ordinal that was read from each source. An epoch of 0 is not known to the reader.
    package var sources: [SourceOrdinal]
    /// The packet at `sequence`; `nil` when it was not reported. Without it nothing may be purged.
    package var proof: Proof?

    /// The packet at a position. On a tape that was made again, or restored from a backup, another
    /// packet has the same sequence.
    package struct Proof: Hashable, Sendable {
        package var streamCreated: Timestamp
        package var packet: PacketIdentity

        package init(streamCreated: Timestamp, packet: PacketIdentity) {
            self.streamCreated = streamCreated
            self.packet = packet
        }

        package init(_ position: TapePosition) {
            self.init(streamCreated: position.streamCreated, packet: position.packet)
        }
    }

    package init(
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

/// A group's report of its positions over core NATS: JSON, in as many messages as needed.
struct PositionMessage: Equatable {
    /// A message grows to at most this size, unless a single position is larger.
    static let bytesMax = 48 * 1024

    var group: String
    var positions: [ReaderPosition]

    /// Returns the messages that report the positions.
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
        json.object(version: ReaderPosition.version) { json in
            json.member("group", group)
            json.array("positions") { json in
                for text in positions { json.literal(String(decoding: text, as: UTF8.self)) }
            }
        }
        return json.bytes
    }

    /// Whether operators or a store say it, and not a program of people.
    var isOfService: Bool {
        group == "operator" || group == "store" || group.hasPrefix("store-")
    }

    init(group: String, positions: [ReaderPosition]) {
        self.group = group
        self.positions = positions
    }

    /// When any part is not what `PositionReporter` sends, none of it is used.
    init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: ReaderPosition.version)
        guard let group = json["group"]?.string else { throw .damaged("it names no group") }
        self.init(group: group, positions: try ReaderPosition.all(of: json))
    }

    /// Reads what came on a subject. A user of NATS may publish on the subject of its own group
    /// alone, so a message that names another one is forged.
    init(json bytes: [UInt8], on subject: String) throws(VersionedJSON.Refusal) {
        try self.init(json: bytes)
        guard subject.hasSuffix(".pos.\(group)") else {
            throw .damaged("it names another group than its subject")
        }
    }
}

// MARK: JSON

extension ReaderPosition {
    /// Writes the position as a JSON object.
    package func write(into json: inout JSONWriter) {
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
            json.member("sources", each: sources) { source, json in
                json.member("source", source.source.text)
                json.member("epoch", source.epoch)
                json.member("last_ordinal", source.lastOrdinal)
            }
        }
    }

    /// Returns the member `positions` of a document.
    package static func all(
        of json: JSONValue
    ) throws(VersionedJSON.Refusal) -> [ReaderPosition] {
        guard let entries = json["positions"]?.array else { throw .damaged("it has no positions") }
        var positions: [ReaderPosition] = []
        for entry in entries {
            guard let position = ReaderPosition(json: entry) else {
                throw .damaged("one of its positions is none")
            }
            positions.append(position)
        }
        return positions
    }

    /// Fails when any part is not what a reader sends.
    package init?(json entry: JSONValue) {
        guard let number = entry["partition"]?.int, Partition.isValid(number),
            let input = entry["input"]?.string.flatMap({ Input(rawValue: $0) }),
            let sequence = entry["sequence"]?.uint64, let durable = entry["durable"]?.uint64,
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
}
