internal import Primitives

/// The record that names the valid checkpoints of a partition. `CheckpointStore` of the operator
/// worker changes it by compare-and-set, and only when all parts that it names are stored.
public struct CheckpointHead: Hashable, Sendable {
    static let envelope = StateEnvelope("TLCH", version: 1)

    /// The newest checkpoint and the one before it.
    public static let entriesMax = 2

    /// One valid checkpoint.
    public struct Entry: Hashable, Sendable {
        public let manifest: CheckpointManifest
        /// The end of the output that the checkpoint includes; `nil` when there was none. It is
        /// listed here so that it can be read without the parts. All of this output was
        /// acknowledged, so a tape whose output ends earlier was restored from a backup.
        public let output: OutputLedger.End?

        public init(manifest: CheckpointManifest, output: OutputLedger.End?) {
            self.manifest = manifest
            self.output = output
        }
    }

    /// The epoch of the owner. An owner with an older epoch must not overwrite the record.
    public var epoch: UInt64
    /// The generation of the bars; 0 in a head without checkpoints.
    public var generation: UInt32
    /// The hash of the definition that made the checkpoints; 0 in a head without checkpoints.
    public var definition: UInt64
    /// The checkpoints, the newest first; empty while the owner has only claimed the partition.
    public var entries: [Entry]

    public init(epoch: UInt64, generation: UInt32, definition: UInt64, entries: [Entry]) {
        self.epoch = epoch
        self.generation = generation
        self.definition = definition
        self.entries = Array(entries.prefix(Self.entriesMax))
    }

    /// The greatest end of output of its checkpoints.
    public var output: OutputLedger.End? {
        entries.compactMap(\.output).max { $0.ordinal < $1.ordinal }
    }

    // MARK: as bytes

    /// The length in bytes of an entry without its manifest.
    private static let entryBytesMin = 20

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: epoch)
        bytes.append(integer: generation)
        bytes.append(integer: definition)
        bytes.append(integer: UInt32(entries.count))
        for entry in entries {
            bytes.append(integer: entry.output?.ordinal ?? 0)
            bytes.append(integer: entry.output?.checksum ?? 0)
            var manifest: [UInt8] = []
            entry.manifest.encode(into: &manifest)
            bytes.append(integer: UInt32(manifest.count))
            bytes.append(contentsOf: manifest)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    /// Reads the head that `encode` wrote.
    public init(_ bytes: RawSpan) throws(CheckpointError) {
        var reader = try Self.envelope.open(bytes)
        epoch = try reader.uint64(in: bytes)
        generation = try reader.uint32(in: bytes)
        definition = try reader.uint64(in: bytes)
        let count = try reader.count(
            of: .part, max: Self.entriesMax, bytesEach: Self.entryBytesMin, in: bytes)
        entries = []
        for _ in 0..<count { entries.append(try Self.entry(&reader, bytes)) }
        try reader.finish()
        // The newest must come first, and no two may have the same number.
        guard count < 2 || entries[0].manifest.number > entries[1].manifest.number
        else { throw reader.malformed(.part) }
    }

    private static func entry(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) -> Entry {
        let output = OutputLedger.End(
            ordinal: try reader.uint64(in: bytes), checksum: try reader.uint64(in: bytes))
        guard output.ordinal < CheckpointLimits.countMax,
            output.ordinal >= OutputLedger.firstOrdinal || output.checksum == 0
        else { throw reader.malformed(.output) }
        let count = Int(try reader.uint32(in: bytes))
        let start = try reader.take(count)
        let manifest = try CheckpointManifest(bytes.extracting(start..<start + count))
        // The next checkpoint gets the next number, which must not overflow.
        guard manifest.number < CheckpointLimits.countMax else { throw reader.malformed(.part) }
        return Entry(
            manifest: manifest,
            output: output.ordinal >= OutputLedger.firstOrdinal ? output : nil)
    }
}
