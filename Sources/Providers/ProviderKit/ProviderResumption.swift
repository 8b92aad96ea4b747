public import MarketModel
public import Primitives

/// Where a provider continues in a tenure, if it numbers its ticks with consecutive provider ids,
/// as `synthetic` does. Such a provider is the only one of its source.
public struct ProviderResumption: Sendable {
    /// The last tick before the first one that it delivers.
    public let passed: PassedTick
    /// The last tick that it has delivered or passed over, once it has delivered all; else `nil`.
    public var end: PassedTick?
    /// Since when it delivers its instruments, for their definitions on the tape.
    public var since: Timestamp
    /// No tick that it delivers in this tenure is earlier.
    public var floor: Timestamp
    /// The data that it will never deliver, as gaps for which the gateway writes the records. No
    /// watermark passes the beginning of a gap before its record is written.
    public var missing: [OpenGap]
    /// By instrument, the id of the last tick that it does not deliver again, because the tape has
    /// it or has lost it; 0: there is none. Partitions may differ: `passed` is before the first
    /// tick that any of them still needs.
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

/// The last tick of a provider with numbered ticks that the gateway has taken, or that was passed
/// over because the tape has it. Gap records name it, so that a successor's provider continues
/// after it, even when that tick itself was left out.
public struct PassedTick: Sendable {
    /// The number of ticks of the provider's market up to this one; 0 before the first.
    public private(set) var count: UInt64
    /// Its provider id.
    private var id: UInt64
    private let timeOfID: @Sendable (UInt64) -> Timestamp
    private let floorAfterID: @Sendable (UInt64) -> Timestamp

    /// `id` is the tick's provider id; with a count of 0 it is the one before the first tick's.
    /// `timeOfID` returns the event time of a tick, and `floorAfterID` a time such that no tick
    /// after this one is earlier.
    public init(
        count: UInt64, id: UInt64, timeOfID: @escaping @Sendable (UInt64) -> Timestamp,
        floorAfterID: @escaping @Sendable (UInt64) -> Timestamp
    ) {
        self.count = count
        self.id = id
        self.timeOfID = timeOfID
        self.floorAfterID = floorAfterID
    }

    /// Notes that the gateway has taken a tick. Ids between the last one and this one were passed
    /// over.
    public mutating func pass(_ header: TickHeader) {
        guard header.providerID > id else { return }
        count &+= header.providerID - id
        id = header.providerID
    }

    /// The floor after this tick; undefined before the first tick. The floor of a batch is valid
    /// only after all of the batch, and a packet may end earlier. With the older floor its
    /// watermark would be before its own last tick, and a successor would conclude that ticks were
    /// left out.
    public var floor: Timestamp { count > 0 ? floorAfterID(id) : .undefined }

    /// Returns the time and the id with which a gap record names this tick, or the tick with the id
    /// `done` if that is later: a successor continues after both. They are undefined and 0 when
    /// there is no tick.
    public func stamp(done: UInt64 = 0) -> (time: Timestamp, id: UInt64) {
        let latest = max(count > 0 ? id : 0, done)
        return latest > 0 ? (timeOfID(latest), latest) : (.undefined, 0)
    }
}
