public import MarketModel
public import Primitives

/// A source of market data. It delivers on its own threads, into a channel.
///
/// It puts everything into the channel, in order: ticks, beginnings and ends of subscriptions,
/// outages as open gap records, and later what fills them. It never gives up by itself: what can be
/// tried again is tried again for ever, and what cannot is reported per instrument.
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

    /// Changes which instruments it delivers; those in neither list stay as they are. Never blocks.
    ///
    /// An instrument in `begun` has no gap before now: either it was not requested, or the part
    /// that another provider left out before this one's first record is recorded already. An
    /// instrument in both lists begins again, and the provider records what it does not deliver in
    /// between as a gap.
    func follow(begun: [UInt32], ended: [UInt32])

    /// Begins one kind of an instrument's data again, as a book does with a reset. It is called
    /// when not everything of it could be kept, and later records have no meaning without the rest.
    /// Never blocks. Returns false when the provider cannot do that.
    func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool

    /// Ends subscriptions and connections. What it sends about that before it returns still goes
    /// onto the tape: first a gap without an end for each kind of data that it was delivering, then
    /// the end of the subscription. It is called once, on another thread than the rest; meanwhile
    /// the receiver goes on taking from the channel. Returns false when it did not end in time;
    /// what is left then ends with the process.
    func stop(within timeout: Duration) -> Bool

    /// Writes its present state as members of an object in `/status`. Any thread may call it.
    func write(into json: inout JSONWriter)
}

extension ProviderSource {
    public var isRecorded: Bool { false }

    public func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool { false }
}

/// The order with which a provider starts.
public struct ProviderOrder: Sendable {
    public var source: SourceName
    public var book: InstrumentBook
    /// The instruments that it feeds from the start.
    public var instruments: [UInt32]
    /// Per instrument of the book, up to which time the tape is complete. It is set for instruments
    /// that were requested when the source was last open: before this time nothing is missing on
    /// the tape without a recorded gap. The time from then until the first tick is a gap, which the
    /// provider records. Undefined, or absent: the instrument was not requested, so nothing is
    /// missing.
    public var reached: [Timestamp]
    /// Recorded gaps that may be filled, of the instruments that the provider feeds from the start,
    /// whichever provider left them. A gap without an end lasts until the provider records its end.
    ///
    /// What fills a gap comes in the order of its times, and then the record that closes it. So
    /// after a killed process it is known which part is filled.
    public var gaps: [OpenGap]
    /// The tape's number of partitions.
    public var partitions = 1
    /// The source's data on the tape, per partition in which it has any.
    public var standing: [Standing] = []

    public struct Standing: Sendable {
        public var partition: Partition
        public var lastOrdinal: UInt64
        /// The last packet that is no marker; empty when it is no longer there.
        public var packet: [UInt8]

        public init(partition: Partition, lastOrdinal: UInt64, packet: [UInt8]) {
            self.partition = partition
            self.lastOrdinal = lastOrdinal
            self.packet = packet
        }
    }

    public init(
        source: SourceName, book: InstrumentBook, instruments: [UInt32], reached: [Timestamp] = [],
        gaps: [OpenGap] = []
    ) {
        self.source = source
        self.book = book
        self.instruments = instruments
        self.reached = reached
        self.gaps = gaps
    }
}
