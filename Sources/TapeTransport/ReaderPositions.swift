public import MarketModel
internal import Primitives
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
    /// never above `sequence`. 0: it may have to read everything.
    public var durable: UInt64
    /// An epoch of 0 is one that the reader does not know.
    public var sources: [SourceOrdinal]

    public init(
        partition: Partition, input: Input, sequence: UInt64, durable: UInt64,
        sources: [SourceOrdinal]
    ) {
        self.partition = partition
        self.input = input
        self.sequence = sequence
        self.durable = min(durable, sequence)
        self.sources = sources
    }
}

/// What a group tells of its positions over core NATS: JSON, in as many messages as it takes.
struct PositionMessage: Equatable {
    /// A message grows to this at most, unless a single position is larger.
    static let bytesMax = 48 * 1024

    var group: String
    var positions: [ReaderPosition]

    static func messages(group: String, _ positions: [ReaderPosition]) -> [[UInt8]] {
        var messages: [[UInt8]] = []
        var part: [[UInt8]] = []
        var bytes = 0
        for position in positions {
            let text = json(position)
            if !part.isEmpty, bytes + text.count > bytesMax {
                messages.append(message(group, part))
                part = []
                bytes = 0
            }
            part.append(text)
            bytes += text.count + 1
        }
        if !part.isEmpty { messages.append(message(group, part)) }
        return messages
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

    private static func json(_ position: ReaderPosition) -> [UInt8] {
        var json = JSONWriter(capacity: 128)
        json.object { json in
            json.member("partition", position.partition.number)
            json.member("input", position.input.rawValue)
            json.member("sequence", position.sequence)
            json.member("durable", position.durable)
            json.member(
                "sources",
                array: { json in
                    for source in position.sources {
                        json.object { json in
                            json.member("source", source.source.text)
                            json.member("epoch", source.epoch)
                            json.member("last_ordinal", source.lastOrdinal)
                        }
                    }
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
            guard let position = Self.position(entry) else { return nil }
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

    private static func position(_ entry: JSONValue) -> ReaderPosition? {
        guard let number = entry["partition"]?.int, Partition.isValid(number),
            let input = entry["input"]?.string.flatMap({ ReaderPosition.Input(rawValue: $0) }),
            let sequence = entry["sequence"]?.uint64, let durable = durable(entry),
            durable <= sequence, let sources = entry["sources"]?.array
        else { return nil }
        var position = ReaderPosition(
            partition: Partition(number), input: input, sequence: sequence, durable: durable,
            sources: [])
        for source in sources {
            guard let name = source["source"]?.string.flatMap({ SourceName($0) }),
                let epoch = source["epoch"]?.uint64, let last = source["last_ordinal"]?.uint64,
                epoch < PublisherLane.floorMax, last < PublisherLane.floorMax
            else { return nil }
            position.sources.append(
                SourceOrdinal(source: name, epoch: epoch, lastOrdinal: last))
        }
        return position
    }

    /// Who says nothing of it is of an older version, and may have to read everything.
    private static func durable(_ entry: JSONValue) -> UInt64? {
        guard let value = entry["durable"] else { return 0 }
        return value.uint64
    }
}
