public import MarketModel
public import Primitives

/// A provider in one tenure: it gets market data from outside and delivers them on its own threads,
/// into a channel. `ProviderKind.make` makes it. Its calls may come from different threads of the
/// gateway.
///
/// It puts everything into the channel, in order: ticks, beginnings and ends of subscriptions,
/// outages as open gap records, and later the records that fill them. Attempts that can succeed
/// later it repeats for ever. Other failures it reports per instrument, as `FeedState.refused`.
public protocol ProviderSource: AnyObject, Sendable {
    /// The provider's name, as in `ProviderKind.name`.
    var name: String { get }

    /// Whether its data cannot wait: ticks that the gateway does not take in time are lost. Then
    /// the gateway uses its spool, if one is configured.
    var isUrgent: Bool { get }

    /// Whether its data are a recording. Their times were checked when they were recorded, and do
    /// not show the present time.
    var isRecorded: Bool { get }

    /// Whether it hands out nothing while readers of the tape are too far behind. A provider of the
    /// present does not: its watermark would hold up values over several sources.
    var waitsForReaders: Bool { get }

    /// Begins to deliver and returns. Called once. It may open connections: the gateway waits 45 s
    /// for that before its thread is treated as hung. If it throws, the gateway makes another
    /// provider later.
    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws

    /// Where it continues, known once it is started, if it numbers its ticks; `nil` for all other
    /// providers. Such a provider is the only one of its source.
    var resumption: ProviderResumption? { get }

    /// Passes over lost ticks of these instruments: the tape had acknowledged them and was restored
    /// from a backup, but readers have them. Until the returned time the provider delivers no more
    /// ticks of these instruments, and the gateway leaves out those that are still in the channel.
    /// Returns `nil` when nothing is to be left out.
    func passOver(_ instruments: [UInt32]) -> Timestamp?

    /// Changes which instruments are wanted of it, by their numbers in the registry. Those in
    /// neither list stay as they are. Never blocks.
    ///
    /// For an instrument in `begun` alone the provider records no gap before its first record:
    /// either nothing was requested before, or the router records what another provider left out.
    /// An instrument in both lists begins again, and the provider records as a gap what it does not
    /// deliver in between.
    func follow(begun: [UInt32], ended: [UInt32])

    /// Begins one kind of an instrument's data again. The gateway asks for it when it has left out
    /// rows of a book, because later rows have no meaning without them. The book then begins with a
    /// reset. Never blocks. Returns false when the provider cannot do that.
    func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool

    /// Ends subscriptions, connections and threads. Called once. When a tenure ends in order, it is
    /// called on a separate thread, and the gateway continues to take from the channel. So the
    /// records that the provider sends before it returns still go onto the tape: first a gap
    /// without an end for each kind of data that it was delivering, then the end of the
    /// subscription. Otherwise the channel is closed already. Returns false when it did not end in
    /// time; what is left of it then ends with the process.
    func stop(within timeout: Duration) -> Bool

    /// Writes its present state as members of its object in `/status`. Any thread may call it.
    func write(into json: inout JSONWriter)

    /// What it says of each instrument, for people; empty: it does not say. Any thread may call it.
    var standings: [InstrumentStanding] { get }

    /// Its delayed data, which go into a source of their own; `nil`: it has none.
    var delayed: (any DelayedProvider)? { get }
}

/// The delayed data of a provider: a provider of their own source, with its own channel and floor.
/// The gateway starts it beside the provider that it belongs to, once it is needed, and stops it
/// together with that one. `start` opens no connection.
public protocol DelayedProvider: ProviderSource {
    /// Whether delayed data have come. They wait for `start`.
    var isNeeded: Bool { get }
}

extension ProviderSource {
    public var isRecorded: Bool { false }

    public var waitsForReaders: Bool { isRecorded }

    public var standings: [InstrumentStanding] { [] }

    public var delayed: (any DelayedProvider)? { nil }

    public var resumption: ProviderResumption? { nil }

    public func passOver(_ instruments: [UInt32]) -> Timestamp? { nil }

    public func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool { false }
}

/// What a provider is to deliver from its start on, and where the source left off on the tape.
public struct ProviderOrder: Sendable {
    public var source: SourceName
    public var registry: InstrumentRegistry
    /// The instruments that it has to deliver from the start.
    public var instruments: [UInt32]
    /// By instrument number, the time until which the tape has all ticks or records of their gaps.
    /// It is set for instruments that were requested when the source was last open. The time from
    /// then until the first tick is a gap, which the provider records. Undefined, or absent: the
    /// instrument was not requested, so nothing is missing.
    public var reached: [Timestamp]
    /// Recorded gaps for the provider to fill, of `instruments`. Any provider may have left them. A
    /// gap without an end lasts until the provider records its end.
    ///
    /// The provider sends the records that fill a gap in the order of their times, and then the
    /// record that closes the gap. So a successor of a killed process knows which part is filled.
    public var gaps: [OpenGap]
    /// The last trades on the tape, or bars that have ids, for a provider of a kind with
    /// `continuesByIDs`. Fetched ones do not count.
    public var lastTrades: [LastTrade] = []
    /// The newest values on the tape, for a provider of a kind with `continuesByValues`.
    public var lastValues: [PublishedValue] = []
    /// The tape's number of partitions.
    public var partitions = 1
    /// The end of the source on the tape, for each partition in which it may have ticks.
    public var standing: [Standing] = []

    /// The last trade of an instrument on the tape, or its last bar.
    public struct LastTrade: Hashable, Sendable {
        public var instrument: UInt32
        /// The provider's id.
        public var id: UInt64
        /// Its event time.
        public var time: Timestamp

        public init(instrument: UInt32, id: UInt64, time: Timestamp) {
            self.instrument = instrument
            self.id = id
            self.time = time
        }
    }

    /// The end of the source in one partition.
    public struct Standing: Sendable {
        public var partition: Partition
        /// The last ordinal that was given out, also when the tape has lost its tick; 0: none was.
        public var lastOrdinal: UInt64
        /// The bytes of the last packet that opens no epoch; empty: it was removed, or never
        /// existed.
        public var packet: [UInt8]
        /// The latest watermark of the partition on the tape; undefined: there is none.
        public var watermark: Timestamp

        public init(
            partition: Partition, lastOrdinal: UInt64, packet: [UInt8],
            watermark: Timestamp = .undefined
        ) {
            self.partition = partition
            self.lastOrdinal = lastOrdinal
            self.packet = packet
            self.watermark = watermark
        }
    }

    public init(
        source: SourceName, registry: InstrumentRegistry, instruments: [UInt32],
        reached: [Timestamp] = [],
        gaps: [OpenGap] = []
    ) {
        self.source = source
        self.registry = registry
        self.instruments = instruments
        self.reached = reached
        self.gaps = gaps
    }

    /// Returns until when an instrument is complete on the tape; undefined: nothing is missing.
    package func reached(_ instrument: UInt32) -> Timestamp {
        Int(instrument) < reached.count ? reached[Int(instrument)] : .undefined
    }
}
