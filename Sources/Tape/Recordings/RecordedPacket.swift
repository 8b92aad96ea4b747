package import MarketModel
package import Primitives
package import TapeCodec

/// A packet as it was on a tape.
package struct RecordedPacket: Sendable {
    package let header: PacketHeader
    package let bytes: [UInt8]
    /// When the tape took it: the time of its stream, never falling within a partition. Undefined:
    /// unknown.
    package let knownAt: Timestamp

    /// Checks header, checksum and every message.
    package init(_ bytes: [UInt8], knownAt: Timestamp = .undefined) throws(PacketError) {
        header = try bytes.withRawSpan { span throws(PacketError) in
            try PacketReader.validate(span)
        }
        self.bytes = bytes
        self.knownAt = knownAt
    }

    /// A packet that was checked already.
    init(_ frame: RecordedFrame, _ bytes: [UInt8]) {
        header = frame.header
        knownAt = frame.knownAt
        self.bytes = bytes
    }
}

/// What a recording says of a packet.
package struct RecordedFrame: Sendable {
    package let header: PacketHeader
    /// When the tape took it, as in `RecordedPacket`.
    package let knownAt: Timestamp
    /// The offset in the file of the packet's first byte.
    package let place: Int
}

/// The origin of a recording's packets, and the selection of them.
package struct RecordingInfo: Hashable, Sendable {
    /// The namespace of the tape that the packets were on.
    package var namespace: String
    /// The number of partitions of the tape that they were on.
    package var partitions: Int
    package var source: SourceName
    /// The selected packets were sent in [from, to).
    package var from: Timestamp
    package var to: Timestamp
    /// When the recording was made.
    package var created: Timestamp
    /// The partitions in which the source had packets, in order. The source's progress is the
    /// progress of all of them.
    package var present: [Partition]
    /// The selected symbols; empty: all. Packets are kept complete, so they contain other symbols,
    /// too.
    package var symbols: [Symbol]
    /// Whether the recording has the bars of the partitions that are present, too.
    package var hasBars: Bool

    package init(
        namespace: String, partitions: Int, source: SourceName, from: Timestamp, to: Timestamp,
        created: Timestamp, present: [Partition] = [], symbols: [Symbol] = [],
        hasBars: Bool = false
    ) {
        self.namespace = namespace
        self.partitions = partitions
        self.source = source
        self.from = from
        self.to = to
        self.created = created
        self.present = present
        self.symbols = symbols
        self.hasBars = hasBars
    }
}

/// Packets of one source in an order that is the same at each reading: within a stream its own
/// order, between streams the order of the times at which packets were sent. Packets of bars come
/// only of a range that was asked for with bars.
package protocol RecordedTape: AnyObject {
    /// Where the packets come from.
    var about: RecordingInfo { get }

    /// The missing ordinals in what was read so far.
    var missing: MissingTicks { get }

    /// Returns `nil` after the last packet. Blocks.
    func next() throws -> RecordedPacket?

    func close()
}

/// An error in a recording, and its byte. One line, for a person.
package struct RecordingError: Error, Hashable, Sendable, CustomStringConvertible {
    package let path: String
    /// Where in the file.
    package let offset: Int
    package let problem: String
    /// Whether the system refused to read the file; otherwise its bytes are wrong.
    package let isOfSystem: Bool

    package init(path: String, offset: Int, problem: String, isOfSystem: Bool = false) {
        self.path = path
        self.offset = offset
        self.problem = problem
        self.isOfSystem = isOfSystem
    }

    init(_ path: String, _ problem: FormatProblem) {
        self.init(
            path: path, offset: problem.offset, problem: problem.problem,
            isOfSystem: problem.isOfSystem)
    }

    package var description: String { "\(path): byte \(offset): \(problem)" }
}
