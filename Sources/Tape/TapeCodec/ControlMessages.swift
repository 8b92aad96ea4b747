public import MarketModel
public import Primitives

/// The message that opens an epoch. The first packet of a new owner on a subject carries it.
public struct EpochMarker: Hashable, Sendable {
    /// The first ordinal of the epoch.
    public var startOrdinal: UInt64
    /// The highest epoch that the new owner knows of; its own is one above it.
    public var previousEpoch: UInt64
    /// The sequence of the subject's previous packet; 0 when there is none. Markers hold no data of
    /// the provider, so a search for its last tick follows this number back.
    public var previousSequence: UInt64
    /// The hash of the graph by which the owner computes; 0 for sources.
    public var definition: UInt64
    /// The generation of the owner's graph; 0 for sources.
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

/// A reader's position on one partition of a stream. With its packet, the reader can prove later
/// that the tape is still the one that it read.
public struct TapePosition: Hashable, Sendable {
    /// When the stream was created, by the server; undefined when that is not known.
    public var streamCreated: Timestamp
    /// The sequence of the last packet that was read; 0: none.
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

/// How far a reader has read one source.
public struct SourceOrdinal: Hashable, Sendable {
    public var source: SourceName
    /// The epoch of the last packet that was read from the source.
    public var epoch: UInt64
    public var lastOrdinal: UInt64

    public init(source: SourceName, epoch: UInt64, lastOrdinal: UInt64) {
        self.source = source
        self.epoch = epoch
        self.lastOrdinal = lastOrdinal
    }
}

/// A source whose ticks are those of a group to bars. The members of a group share the ids of
/// trades.
public struct GroupMember: Hashable, Sendable {
    public var source: SourceName
    /// The name that bars of its ticks have.
    public var group: SourceName

    public init(source: SourceName, group: SourceName) {
        self.source = source
        self.group = group
    }
}

/// The state of an operator in a packet of bars. The next owner reads it to continue.
public struct OutputState: Hashable, Sendable {
    /// The input whose output is published completely with this packet.
    public var input: TapePosition
    /// The running checksum over all output up to and including this packet.
    public var checksum: UInt64
    /// The generation of the graph.
    public var generation: UInt32
    /// What the partition knows of its sources and groups. It is for nodes over all partitions, and
    /// no part of the output. A source that is not here counts everywhere.
    public var states: [SourceState]
    /// All members of the graph's groups. A source that is not here belongs to itself.
    public var members: [GroupMember]

    public init(
        input: TapePosition, checksum: UInt64, generation: UInt32, states: [SourceState] = [],
        members: [GroupMember] = []
    ) {
        self.input = input
        self.checksum = checksum
        self.generation = generation
        self.states = states
        self.members = members
    }
}

/// Defines, once per packet, what the symbol index of its ticks means.
public struct SymbolDefinition: Hashable, Sendable {
    public var symbol: Symbol
    /// The provider that delivers the symbol's ticks of this packet, and since when it does;
    /// undefined when that is not known yet.
    public var provider: String
    public var since: Timestamp
    /// The source of the ticks, in packets of bars. In packets of ticks it is `nil`, because the
    /// header has it.
    public var source: SourceName?
    /// The symbol's round lot; `nil` when the writer did not state it: `RoundLot.usual` is valid.
    public var lot: RoundLot?

    /// The most bytes of `provider`. A longer one is a bug of the caller of the builder.
    public static let providerBytesMax = 64

    public init(
        symbol: Symbol, provider: String, since: Timestamp, source: SourceName? = nil,
        lot: RoundLot? = nil
    ) {
        self.symbol = symbol
        self.provider = provider
        self.since = since
        self.source = source
        self.lot = lot
    }
}

/// Defines, once per packet, what the series index of its bars means.
public struct SeriesDefinition: Hashable, Sendable {
    public var name: SeriesName
    /// The width of a window; 0 for series that are not based on time.
    public var widthNanoseconds: Int64
    /// How long after its end a window still takes ticks; `nil` when the writer did not state it.
    public var latenessNanoseconds: Int64?

    public init(name: SeriesName, widthNanoseconds: Int64, latenessNanoseconds: Int64? = nil) {
        self.name = name
        self.widthNanoseconds = widthNanoseconds
        self.latenessNanoseconds = latenessNanoseconds
    }
}
