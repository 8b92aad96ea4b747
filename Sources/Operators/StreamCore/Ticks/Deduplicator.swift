public import MarketModel
internal import Primitives

/// A memory of ticks that finds duplicates: the stage `deduplicate` of a graph, for one partition.
/// Two ticks are the same if the values that the rule names are equal.
///
/// Every owner, which is a source or a group, has a clock and a memory of its own. So a source that
/// sends old ticks is not judged by the time of the others, and what a silent one sent stays
/// remembered.
///
/// A value that one thread owns. It remembers at most the rule's `entriesMax` ticks of all owners.
/// The memory of each owner is as large as the most that it ever remembered. In the steady state
/// nothing is allocated.
public struct Deduplicator: Sendable {
    static let envelope = StateEnvelope("TLDD", version: 1)
    /// The length in bytes of an owner in a checkpoint, without its entries.
    private static let ownerBytes = 12
    /// The length in bytes of an entry in a checkpoint.
    private static let entryBytes = 24
    /// The number of entries of an owner for which there is memory at first.
    private static let entriesAtFirst = 1_024

    /// What is remembered of one owner.
    private struct Remembered: Sendable {
        var memory: DigestMemory
        var clock = TapeClock()
    }

    public let rule: DeduplicateRule
    /// Ticks that were found to be duplicates.
    public private(set) var duplicates: UInt64 = 0
    /// Ticks forgotten early because there was no room. Their duplicates were not found.
    public private(set) var forgotten: UInt64 = 0
    /// Ticks that passed because they lack the id that the key needs. Counted since this value was
    /// made: not part of the state.
    public private(set) var undecidable: UInt64 = 0

    /// By owner. Owners are numbered from 0 in the order in which they first own a symbol.
    private var owners: [Remembered] = []
    /// The number of ticks that are remembered now.
    public private(set) var remembered = 0
    /// The maximum number of entries of all owners, at least 1.
    private let entriesMax: Int
    /// Whether the rule's key contains the provider's id.
    private let asksForID: Bool
    /// The digests of the trades in the present call. Not part of the state.
    private var digests: [TickDigest]

    public init(_ rule: DeduplicateRule) {
        self.rule = rule
        entriesMax = max(rule.entriesMax, 1)
        asksForID = rule.asksForID
        digests = [TickDigest](
            repeating: TickDigest(high: 0, low: 0), count: TickPlaces.ticksMax)
    }

    /// Returns false when an equal tick came less than the time to live before. `header.symbol` is
    /// the symbol's index in the tables, and `owner` the number of the symbol's source or group.
    public mutating func isNew(_ trade: Trade, of owner: Int) -> Bool {
        passesWithoutID(trade.header)
            || remember(TickDigest(trade, by: rule.key), at: trade.header, of: owner)
    }

    /// The same of a quote.
    public mutating func isNew(_ quote: Quote, of owner: Int) -> Bool {
        passesWithoutID(quote.header)
            || remember(TickDigest(quote, by: rule.key), at: quote.header, of: owner)
    }

    /// The same of a provider's bar.
    public mutating func isNew(_ bar: ProviderBar, of owner: Int) -> Bool {
        passesWithoutID(bar.header)
            || remember(TickDigest(bar, by: rule.key), at: bar.header, of: owner)
    }

    /// Checks several trades of one owner in order, those at `places`, and returns the places of
    /// the new ones.
    ///
    /// The entries that decide are read together, because their memory accesses then overlap and
    /// take about as long as one.
    public mutating func newOnes(
        of trades: [Trade], at places: TickPlaces, of owner: Int
    ) -> TickPlaces {
        let count = min(trades.count, TickPlaces.ticksMax)
        for place in 0..<count { digests[place] = TickDigest(trades[place], by: rule.key) }
        if owner < owners.count { owners[owner].memory.touch(digests, count: count) }
        var new = TickPlaces()
        for place in places {
            let header = trades[place].header
            if passesWithoutID(header) || remember(digests[place], at: header, of: owner) {
                new.insert(place)
            }
        }
        return new
    }

    @inline(__always)
    private mutating func addOwners(through owner: Int) {
        while owners.count <= owner {
            let capacity = min(entriesMax, Self.entriesAtFirst)
            owners.append(Remembered(memory: DigestMemory(capacity: capacity)))
        }
    }

    /// Returns true for a tick without the id that the key needs: nothing tells whether it came
    /// before.
    @inline(__always)
    private mutating func passesWithoutID(_ header: TickHeader) -> Bool {
        guard asksForID, header.providerID == 0 else { return false }
        undecidable &+= 1
        return true
    }

    /// Returns true, and remembers the tick, when no equal one is remembered. First forgets the
    /// owner's ticks whose time to live is over.
    @inline(__always)
    private mutating func remember(
        _ digest: TickDigest, at header: TickHeader, of owner: Int
    ) -> Bool {
        addOwners(through: owner)
        owners[owner].clock.advance(to: header.stageTime)
        while let time = owners[owner].memory.oldestTime,
            owners[owner].clock.elapsed(since: time) >= rule.timeToLive
        {
            owners[owner].memory.removeOldest()
            remembered &-= 1
        }
        if owners[owner].memory.contains(digest) {
            duplicates &+= 1
            return false
        }
        if remembered >= entriesMax { forgetOne() }
        if owners[owner].memory.count >= owners[owner].memory.capacity {
            owners[owner].memory.grow(to: owners[owner].memory.capacity * 2)
        }
        owners[owner].memory.append(digest, time: owners[owner].clock.now)
        remembered &+= 1
        return true
    }

    /// Forgets the oldest tick of the owner that has the most; of several the first. So no source
    /// takes the room of the others.
    private mutating func forgetOne() {
        var most = 0
        for owner in owners.indices where owners[owner].memory.count > owners[most].memory.count {
            most = owner
        }
        owners[most].memory.removeOldest()
        remembered &-= 1
        forgotten &+= 1
    }

    // MARK: checkpoint

    /// Appends the remembered entries of each owner in order of arrival. The layout of the tables
    /// has no effect on the bytes.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.reserveCapacity(
            start + 64 + owners.count * Self.ownerBytes + remembered * Self.entryBytes)
        bytes.append(integer: duplicates)
        bytes.append(integer: forgotten)
        bytes.append(integer: UInt32(owners.count))
        for owner in owners {
            bytes.append(integer: owner.clock.now)
            bytes.append(integer: UInt32(owner.memory.count))
            for number in 0..<owner.memory.count {
                let entry = owner.memory[number]
                bytes.append(integer: entry.digest.high)
                bytes.append(integer: entry.digest.low)
                bytes.append(integer: entry.time)
            }
        }
        Self.envelope.seal(&bytes, from: start)
    }

    public init(_ rule: DeduplicateRule, restoring bytes: RawSpan) throws(CheckpointError) {
        self.init(rule)
        var reader = try Self.envelope.open(bytes)
        duplicates = try reader.tally(in: bytes)
        forgotten = try reader.tally(in: bytes)
        let count = try reader.count(
            of: .tick, max: StreamLimits.sourcesKnownMax, bytesEach: Self.ownerBytes, in: bytes)
        for _ in 0..<count {
            let owner = try Self.owner(&reader, bytes, max: entriesMax - remembered)
            remembered += owner.memory.count
            owners.append(owner)
        }
        try reader.finish()
    }

    /// Reads what is remembered of one owner, at most `max` ticks.
    private static func owner(
        _ reader: inout StateReader, _ bytes: RawSpan, max: Int
    ) throws(CheckpointError) -> Remembered {
        let clock = TapeClock(at: try reader.int64(in: bytes))
        let count = try reader.count(
            of: .tick, max: max, bytesEach: entryBytes, in: bytes)
        var memory = DigestMemory(capacity: Swift.max(count, entriesAtFirst))
        var before = Int64.min
        for _ in 0..<count {
            let digest = TickDigest(
                high: try reader.uint64(in: bytes), low: try reader.uint64(in: bytes))
            let time = try reader.int64(in: bytes)
            guard time >= before, time <= clock.now, !memory.contains(digest) else {
                throw reader.malformed(.tick)
            }
            before = time
            memory.append(digest, time: time)
        }
        return Remembered(memory: memory, clock: clock)
    }
}
