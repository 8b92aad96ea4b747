public import MarketModel
public import Primitives

/// The place where a provider continues that numbers its ticks with consecutive provider ids.
public struct ProviderResumption: Sendable {
    /// The last tick that it will not deliver again.
    public var passed: PassedTick
    /// The time since which it feeds its instruments, as in their definitions on the tape.
    public var since: Timestamp
    /// No tick that it delivers is earlier.
    public var floor: Timestamp
    /// The data that it will not deliver, as gaps that are not recorded yet. No watermark passes
    /// the beginning of one of them before the gateway has recorded it.
    public var missing: [OpenGap]
    /// By instrument, the id of the last tick that its partition needs no more, because the tape
    /// has it or has lost it; 0: there is none. The provider may begin before it, at the partition
    /// that has the fewest ticks.
    public var done: [UInt64]

    public init(
        passed: PassedTick, since: Timestamp, floor: Timestamp, missing: [OpenGap], done: [UInt64]
    ) {
        self.passed = passed
        self.since = since
        self.floor = floor
        self.missing = missing
        self.done = done
    }
}

/// The last tick that was handed out or passed over. A gap record carries it, so that the provider
/// continues there, whatever else is on the tape.
public struct PassedTick: Sendable {
    /// The number of ticks of its market up to this one; 0: there was none yet.
    public private(set) var count: UInt64
    /// Its provider id.
    private var id: UInt64
    private let timeOfID: @Sendable (UInt64) -> Timestamp
    private let floorAfterID: @Sendable (UInt64) -> Timestamp

    /// `id`: with a count of 0 the one below the first tick's. `floorAfterID`: no tick after the
    /// one of this id is earlier.
    public init(
        count: UInt64, id: UInt64, timeOfID: @escaping @Sendable (UInt64) -> Timestamp,
        floorAfterID: @escaping @Sendable (UInt64) -> Timestamp
    ) {
        self.count = count
        self.id = id
        self.timeOfID = timeOfID
        self.floorAfterID = floorAfterID
    }

    /// Notes that a tick was handed out.
    public mutating func pass(_ header: TickHeader) {
        guard header.providerID > id else { return }
        count &+= header.providerID - id
        id = header.providerID
    }

    /// No later tick is earlier than this. The floor of a batch is known only after all of it, and
    /// a packet may end before: its watermark would be earlier than its own last tick, which is how
    /// a successor recognises ticks that were left out. Undefined before the first tick.
    public var floor: Timestamp { count > 0 ? floorAfterID(id) : .undefined }

    /// What a gap record says of it: the later of this tick and the one with the id `done`, so that
    /// no successor goes back behind either; undefined and 0: there is none.
    public func stamp(done: UInt64 = 0) -> (time: Timestamp, id: UInt64) {
        let latest = max(count > 0 ? id : 0, done)
        return latest > 0 ? (timeOfID(latest), latest) : (.undefined, 0)
    }
}
