public import MarketModel
public import Primitives

/// Opens an epoch: the first packet of a new owner carries it.
public struct EpochMarker: Hashable, Sendable {
    /// The ordinal at which the epoch starts.
    public var startOrdinal: UInt64
    public var previousEpoch: UInt64
    /// The stream's sequence of the subject's previous packet, 0 when there is none. Markers hold
    /// no data of the provider, so a search for its last tick steps back by this number.
    public var previousSequence: UInt64
    /// The definition by which the owner computes; 0 for sources.
    public var definition: UInt64
    public var generation: UInt32

    public init(
        startOrdinal: UInt64, previousEpoch: UInt64, previousSequence: UInt64,
        definition: UInt64 = 0, generation: UInt32 = 0
    ) {
        self.startOrdinal = startOrdinal
        self.previousEpoch = previousEpoch
        self.previousSequence = previousSequence
        self.definition = definition
        self.generation = generation
    }
}

/// A reader's position on one partition of a stream, and the proof that the tape is still the one
/// that it read.
public struct TapePosition: Hashable, Sendable {
    public var streamCreated: Timestamp
    public var sequence: UInt64
    /// The identity of the packet at `sequence`.
    public var packet: PacketIdentity
    /// The last ordinal that was read from each source, in order of their names.
    public var sources: [SourceOrdinal]

    public init(
        streamCreated: Timestamp, sequence: UInt64, packet: PacketIdentity,
        sources: [SourceOrdinal]
    ) {
        self.streamCreated = streamCreated
        self.sequence = sequence
        self.packet = packet
        self.sources = sources
    }
}

public struct SourceOrdinal: Hashable, Sendable {
    public var source: SourceName
    public var epoch: UInt64
    public var lastOrdinal: UInt64

    public init(source: SourceName, epoch: UInt64, lastOrdinal: UInt64) {
        self.source = source
        self.epoch = epoch
        self.lastOrdinal = lastOrdinal
    }
}

/// The state in a packet of bars: the input whose output is published completely, and the running
/// checksum over all output up to and including this packet.
public struct OutputState: Hashable, Sendable {
    public var input: TapePosition
    public var checksum: UInt64
    public var generation: UInt32

    public init(input: TapePosition, checksum: UInt64, generation: UInt32) {
        self.input = input
        self.checksum = checksum
        self.generation = generation
    }
}

/// Defines, once per packet, what the symbol index of its ticks means.
public struct SymbolDefinition: Hashable, Sendable {
    public var symbol: Symbol
    /// The provider that feeds the symbol now, and since when.
    public var provider: String
    public var since: Timestamp
    /// The source of the ticks, in packets of bars. In packets of ticks it is `nil`, because the
    /// header has it.
    public var source: SourceName?

    public static let providerBytesMax = 64

    public init(symbol: Symbol, provider: String, since: Timestamp, source: SourceName? = nil) {
        self.symbol = symbol
        self.provider = provider
        self.since = since
        self.source = source
    }
}

public struct SeriesDefinition: Hashable, Sendable {
    public var name: SeriesName
    /// The width of a window; 0 for series that are not based on time.
    public var widthNanoseconds: Int64

    public init(name: SeriesName, widthNanoseconds: Int64) {
        self.name = name
        self.widthNanoseconds = widthNanoseconds
    }
}
