package import MarketModel
internal import Primitives
internal import TapeProtocol

/// The newest acknowledged ordinal of one source in one partition, as its owner reports it
/// (`HeadReporter`).
package struct TapeHead: Hashable, Sendable {
    package var partition: Partition
    /// The epoch of the owner that reports the head.
    package var epoch: UInt64
    /// The ordinal; 0: none yet.
    package var lastOrdinal: UInt64
    /// The sequence of the packet with that ordinal, in its stream; 0 when the sender does not know
    /// it.
    package var sequence: UInt64

    package init(
        partition: Partition, epoch: UInt64, lastOrdinal: UInt64, sequence: UInt64 = 0
    ) {
        self.partition = partition
        self.epoch = epoch
        self.lastOrdinal = lastOrdinal
        self.sequence = sequence
    }
}

/// A source's report of its heads over core NATS: JSON, in as many messages as needed.
struct HeadMessage: Equatable {
    static let version = 1
    /// The heads in one message have at most this size.
    static let bytesMax = 48 * 1024

    var source: SourceName
    /// The input that has these heads: a source of ticks, or the operators' bars.
    var input: ReaderPosition.Input
    var heads: [TapeHead]

    /// Returns the messages that report the heads.
    static func messages(
        _ source: SourceName, _ input: ReaderPosition.Input, _ heads: [TapeHead]
    ) -> [[UInt8]] {
        MessageParts.split(heads.map { json($0) }, bytesMax: bytesMax).map { part in
            var json = JSONWriter(capacity: part.reduce(96) { $0 + $1.count + 1 })
            json.object(version: version) { json in
                json.member("source", source.text)
                json.member("input", input.rawValue)
                json.array("heads") { json in
                    for text in part { json.literal(String(decoding: text, as: UTF8.self)) }
                }
            }
            return json.bytes
        }
    }

    private static func json(_ head: TapeHead) -> [UInt8] {
        JSONWriter.made(capacity: 96) { json in
            json.member("partition", head.partition.number)
            json.member("epoch", head.epoch)
            json.member("last_ordinal", head.lastOrdinal)
            json.member("sequence", head.sequence)
        }.bytes
    }

    init(source: SourceName, input: ReaderPosition.Input, heads: [TapeHead]) {
        self.source = source
        self.input = input
        self.heads = heads
    }

    /// When any part is not what `HeadReporter` sends, none of it is used.
    init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let source = json["source"]?.string.flatMap({ SourceName($0) }),
            let input = json["input"]?.string.flatMap({ ReaderPosition.Input(rawValue: $0) }),
            let entries = json["heads"]?.array
        else { throw .damaged("its source, its input or its heads are missing") }
        self.init(source: source, input: input, heads: [])
        for entry in entries {
            guard let number = entry["partition"]?.int, Partition.isValid(number),
                let epoch = entry["epoch"]?.uint64, let last = entry["last_ordinal"]?.uint64,
                let sequence = entry["sequence"]?.uint64, epoch < PublisherLane.floorMax,
                last < PublisherLane.floorMax
            else { throw .damaged("one of its heads is none") }
            heads.append(
                TapeHead(
                    partition: Partition(number), epoch: epoch, lastOrdinal: last,
                    sequence: sequence))
        }
    }
}
