internal import Primitives

/// The head of a checkpoint: what belongs to the state of a partition's operator beside its
/// machine. The state is that after one packet of the input, and the operator continues from there
/// as if nothing had happened.
///
/// The bytes of a checkpoint are this head and then the machine's snapshot, each with a version and
/// a checksum. A checkpoint may be stored only when all output that it includes is acknowledged.
public struct OperatorCheckpoint: Hashable, Sendable {
    static let envelope = StateEnvelope("TLOC", version: 1)

    /// The hash of the definition that computes the bars. The caller has to refuse a checkpoint of
    /// another definition or generation.
    public var definition: UInt64
    /// The generation to which the bars belong.
    public var generation: UInt32
    /// The end of the output that the input up to here made; `nil` when it made none.
    public var output: OutputLedger.End?
    /// The position in the input, as the operator worker encodes it. At most
    /// `CheckpointLimits.inputBytesMax` bytes.
    public var input: [UInt8]

    public init(
        definition: UInt64, generation: UInt32, output: OutputLedger.End?, input: [UInt8]
    ) {
        self.definition = definition
        self.generation = generation
        self.output = output
        self.input = input
    }

    /// Appends this head, and lets `machine` append its snapshot. Nothing is appended when an error
    /// is thrown.
    public func encode(
        into bytes: inout [UInt8], machine: (inout [UInt8]) -> Void
    ) throws(CheckpointError) {
        guard input.count <= CheckpointLimits.inputBytesMax else {
            throw .tooLarge(bytes: input.count, limit: CheckpointLimits.inputBytesMax)
        }
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: definition)
        bytes.append(integer: generation)
        bytes.append(integer: output?.ordinal ?? 0)
        bytes.append(integer: output?.checksum ?? 0)
        bytes.append(integer: UInt32(input.count))
        bytes.append(contentsOf: input)
        Self.envelope.seal(&bytes, from: start)
        machine(&bytes)
    }

    /// Reads the head alone.
    public init(_ bytes: RawSpan) throws(CheckpointError) {
        (self, _) = try Self.head(bytes)
    }

    /// Reads the head, and passes the bytes after it to `machine`.
    public static func restore<Machine>(
        _ bytes: RawSpan, machine: (RawSpan) throws(CheckpointError) -> Machine
    ) throws(CheckpointError) -> (checkpoint: OperatorCheckpoint, machine: Machine) {
        let (checkpoint, end) = try head(bytes)
        return (checkpoint, try machine(bytes.extracting(end..<bytes.byteCount)))
    }

    /// Returns the head, and the offset of the machine's snapshot after it.
    private static func head(
        _ bytes: RawSpan
    ) throws(CheckpointError) -> (OperatorCheckpoint, end: Int) {
        var reader = try envelope.open(bytes, isLast: false)
        let definition = try reader.uint64(in: bytes)
        let generation = try reader.uint32(in: bytes)
        let output = OutputLedger.End(
            ordinal: try reader.uint64(in: bytes), checksum: try reader.uint64(in: bytes))
        // Later ordinals continue from here, and must not overflow.
        guard output.ordinal < CheckpointLimits.countMax,
            output.ordinal >= OutputLedger.firstOrdinal || output.checksum == 0
        else { throw reader.malformed(.output) }
        let count = try reader.count(
            of: .input, max: CheckpointLimits.inputBytesMax, bytesEach: 1, in: bytes)
        let start = try reader.take(count)
        try reader.finish()
        let checkpoint = OperatorCheckpoint(
            definition: definition, generation: generation,
            output: output.ordinal >= OutputLedger.firstOrdinal ? output : nil,
            input: bytes.extracting(start..<start + count).array)
        return (checkpoint, reader.endOfEnvelope)
    }
}
