public import MarketModel
public import Primitives
public import TapeCodec

/// A packet as it stood on a tape.
public struct RecordedPacket: Sendable {
    public let header: PacketHeader
    public let bytes: [UInt8]

    /// Proves header, checksum and every message.
    public init(_ bytes: [UInt8]) throws(PacketError) {
        header = try bytes.withRawSpan { span throws(PacketError) in
            try PacketReader.validate(span)
        }
        self.bytes = bytes
    }
}

/// Where the packets of a recording come from, and which of them are meant.
public struct RecordingInfo: Hashable, Sendable {
    public var namespace: String
    /// Of the tape that they stood on.
    public var partitions: Int
    public var source: SourceName
    /// Packets that were sent in [from, to).
    public var from: Timestamp
    public var to: Timestamp
    public var created: Timestamp
    /// Those in which the source had packets, in order: whoever knows how far each of them is
    /// knows how far the source is.
    public var present: [Partition]
    /// Only these are meant; empty: all. Packets are kept whole, so others stand beside them.
    public var symbols: [Symbol]

    public init(
        namespace: String, partitions: Int, source: SourceName, from: Timestamp, to: Timestamp,
        created: Timestamp, present: [Partition] = [], symbols: [Symbol] = []
    ) {
        self.namespace = namespace
        self.partitions = partitions
        self.source = source
        self.from = from
        self.to = to
        self.created = created
        self.present = present
        self.symbols = symbols
    }
}

/// Packets of one source in an order that is the same whenever they are read: those of a stream
/// as they stood there, those of several streams by the time at which they were sent.
public protocol RecordedTape: AnyObject {
    var about: RecordingInfo { get }

    /// Of what was read so far.
    var missing: MissingTicks { get }

    /// Nil behind the last one. Blocks.
    func next() throws -> RecordedPacket?

    func close()
}

/// What is wrong with a recording, at which byte. One line, for a person.
public struct RecordingError: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: String
    public let offset: Int
    public let problem: String

    public init(path: String, offset: Int, problem: String) {
        self.path = path
        self.offset = offset
        self.problem = problem
    }

    public var description: String { "\(path): byte \(offset): \(problem)" }
}
