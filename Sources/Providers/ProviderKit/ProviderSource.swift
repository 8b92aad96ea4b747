public import MarketModel
public import Primitives

/// A source of market data. It delivers on its own threads, into a channel.
///
/// It puts everything into the channel, in order: ticks, beginnings and ends of subscriptions,
/// outages as open gap records, and later the records that fill them. It never gives up by itself:
/// attempts that can succeed later are repeated for ever, and other failures are reported per
/// instrument.
public protocol ProviderSource: AnyObject, Sendable {
    /// The name in the registry and in the definitions of symbols on the tape.
    var name: String { get }

    /// True when its data cannot wait: ticks that the tape does not accept in time are lost.
    var isUrgent: Bool { get }

    /// True when its data were recorded before. Their times were checked then, and do not show the
    /// present time.
    var isRecorded: Bool { get }

    /// Begins to deliver and returns immediately. Called once.
    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws

    /// The place where it continues, once it is started, if it numbers its ticks and knows by
    /// itself which of them the tape has. Such a provider has the source for itself. `nil`: only
    /// the tape knows that.
    var resumption: ProviderResumption? { get }

    /// Passes over ticks of these instruments, because the tape lost them and readers have more of
    /// them than the tape. The provider delivers no tick a second time up to the returned time, and
    /// the receiver leaves out those that are still in the channel. Returns `nil` when nothing
    /// would come a second time.
    func passOver(_ instruments: [UInt32]) -> Timestamp?

    /// Changes which instruments are wanted of it. Those in neither list stay as they are. Never
    /// blocks.
    ///
    /// An instrument in `begun` has no gap before now: either it was not requested, or the part
    /// that another provider left out before this one's first record is recorded already. An
    /// instrument in both lists begins again, and the provider records as a gap what it does not
    /// deliver in between.
    func follow(begun: [UInt32], ended: [UInt32])

    /// Begins one kind of an instrument's data again, as a book does with a reset. It is called
    /// when not everything of it could be kept, and later records have no meaning without the rest.
    /// Never blocks. Returns false when the provider cannot do that.
    func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool

    /// Ends subscriptions and connections. The records that it sends about that before it returns
    /// still go onto the tape: first a gap without an end for each kind of data that it was
    /// delivering, then the end of the subscription. It is called once, on another thread than the
    /// rest. Meanwhile the receiver continues to take from the channel. Returns false when it did
    /// not end in time; the rest then ends with the process.
    func stop(within timeout: Duration) -> Bool

    /// Writes its present state as members of an object in `/status`. Any thread may call it.
    func write(into json: inout JSONWriter)
}

extension ProviderSource {
    public var isRecorded: Bool { false }

    public var resumption: ProviderResumption? { nil }

    public func passOver(_ instruments: [UInt32]) -> Timestamp? { nil }

    public func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool { false }
}

/// The order with which a provider starts.
public struct ProviderOrder: Sendable {
    public var source: SourceName
    public var registry: InstrumentRegistry
    /// The instruments that it feeds from the start.
    public var instruments: [UInt32]
    /// Up to which time the tape is complete, per instrument of the registry. It is set for
    /// instruments that were requested when the source was last open: before this time every gap is
    /// recorded. The time from then until the first tick is a gap, which the provider records.
    /// Undefined, or absent: the instrument was not requested, so nothing is missing.
    public var reached: [Timestamp]
    /// Recorded gaps that may be filled, of the instruments that the provider feeds from the start.
    /// Any provider may have left them. A gap without an end lasts until the provider records its
    /// end.
    ///
    /// The records that fill a gap come in the order of their times, and then the record that
    /// closes it. So after a killed process it is known which part is filled.
    public var gaps: [OpenGap]
    /// The tape's number of partitions.
    public var partitions = 1
    /// The state of the source on the tape, per partition that it may have ticks in.
    public var standing: [Standing] = []

    public struct Standing: Sendable {
        public var partition: Partition
        /// The last ordinal that was given out; 0: none was.
        public var lastOrdinal: UInt64
        /// The last packet that is no marker; empty: it was removed, or never existed.
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
}
