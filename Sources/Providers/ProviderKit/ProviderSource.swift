public import MarketModel
public import Primitives

/// Somebody who delivers market data: on threads of its own, into a channel.
///
/// It says everything in the channel, in order: ticks, subscriptions that begin and end, outages as
/// open gap records, and what fills them later. It never gives up by itself: what can be tried
/// again is tried again for ever, and what cannot is told per instrument.
public protocol ProviderSource: AnyObject, Sendable {
    /// As in the registry and in the definitions of symbols on the tape.
    var name: String { get }

    /// It cannot wait: what the tape does not take in time is lost.
    var isUrgent: Bool { get }

    /// What it delivers was recorded before: its times were judged then, and say nothing about the
    /// present.
    var isRecorded: Bool { get }

    /// Begins to deliver and returns at once. Called once.
    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws

    /// From now on these instruments are wanted of it, or not; what is in neither list stays as it
    /// is. Never blocks.
    ///
    /// Of one that begins nothing is missing from before: nobody was asking for it, or what another
    /// provider left out before this one's first record is on record already. One in both lists
    /// begins anew, and what it does not deliver in between the provider puts on record as a gap.
    func follow(begun: [UInt32], ended: [UInt32])

    /// What was delivered of one kind of an instrument's data was not all kept, and later records
    /// of it mean nothing without the rest: it is to begin anew, as a book does with a reset. Never
    /// blocks. False: that cannot be had.
    func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool

    /// Ends subscriptions and connections. What it has to say of that still goes onto the tape, if
    /// it is sent before this returns: first a gap without an end for each kind of data that it was
    /// delivering, then the end of the subscription. Called once, on another thread than the rest;
    /// whoever takes from the channel goes on until then. False: not in time, and what is left ends
    /// with the process.
    func stop(within timeout: Duration) -> Bool

    /// What it does at the moment, as members of an object in `/status`. Any thread may ask.
    func write(into json: inout JSONWriter)
}

extension ProviderSource {
    public var isRecorded: Bool { false }

    public func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool { false }
}

/// What a provider is to deliver.
public struct ProviderOrder: Sendable {
    public var source: SourceName
    public var book: InstrumentBook
    /// Those that it feeds from the start.
    public var instruments: [UInt32]
    /// Per instrument of the book that was being asked for when the source was last open: nothing
    /// of it is missing on the tape before this time that is not on record; what came after it and
    /// before the first tick is a gap, which the provider puts on record. Undefined, or none:
    /// nobody was asking for it, so nothing is missing.
    public var reached: [Timestamp]
    /// What is missing from before, is on record as such, and may be filled in: of the instruments
    /// that it feeds from the start, whoever left it. One without an end lasts until the provider
    /// puts its end on record.
    ///
    /// What fills a gap in comes in the order of its times, and then the record that tells of it:
    /// so it is known what is there when the process is killed in between.
    public var gaps: [OpenGap]
    /// Of the tape.
    public var partitions = 1
    /// What the source has on the tape, per partition in which it has anything.
    public var standing: [Standing] = []

    public struct Standing: Sendable {
        public var partition: Partition
        public var lastOrdinal: UInt64
        /// The last packet that is no marker; empty: it is not there any more.
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
