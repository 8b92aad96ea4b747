public import MarketModel
internal import Primitives

/// A memory of ticks that finds duplicates: the stage `deduplicate` of a graph, for one partition.
/// Two ticks are the same if the values that the rule names are equal.
///
/// A value that one thread owns. It grows with what it remembers, up to the rule's `entriesMax`. In
/// the steady state nothing is allocated.
public struct Deduplicator: Sendable {
    static let envelope = StateEnvelope("TLDD", version: 1)
    /// The length in bytes of an entry in a checkpoint.
    private static let entryBytes = 24
    /// The number of entries for which there is memory at first.
    private static let entriesAtFirst = 1_024

    public let rule: DeduplicateRule
    /// Ticks that were found to be duplicates.
    public private(set) var duplicates: UInt64 = 0
    /// Ticks forgotten early because there was no room. Their duplicates were not found.
    public private(set) var forgotten: UInt64 = 0
    /// Ticks that passed because they lack the id that the key needs. Counted since this value was
    /// made: not part of the state.
    public private(set) var undecidable: UInt64 = 0

    private var memory: DigestMemory
    /// The maximum number of entries, at least 1.
    private let entriesMax: Int
    /// Whether the rule's key contains the provider's id.
    private let asksForID: Bool
    private var clock = TapeClock()
    /// The digests of the trades in the present call. Not part of the state.
    private var digests: [TickDigest]

    public init(_ rule: DeduplicateRule) {
        self.rule = rule
        entriesMax = max(rule.entriesMax, 1)
        asksForID = rule.asksForID
        memory = DigestMemory(capacity: min(entriesMax, Self.entriesAtFirst))
        digests = [TickDigest](
            repeating: TickDigest(high: 0, low: 0), count: TickPlaces.ticksMax)
    }

    /// The number of ticks that are remembered now.
    public var remembered: Int { memory.count }

    /// Returns false when an equal tick came less than the time to live before. `header.symbol` is
    /// the symbol's index in the tables.
    public mutating func isNew(_ trade: Trade) -> Bool {
        passesWithoutID(trade.header) || remember(TickDigest(trade, by: rule.key), at: trade.header)
    }

    public mutating func isNew(_ quote: Quote) -> Bool {
        passesWithoutID(quote.header) || remember(TickDigest(quote, by: rule.key), at: quote.header)
    }

    /// Checks several trades in order, those at `places`, and returns the places of the new ones.
    ///
    /// The entries that decide are read together, because their memory accesses then overlap and
    /// take about as long as one.
    public mutating func newOnes(of trades: [Trade], at places: TickPlaces) -> TickPlaces {
        let count = min(trades.count, TickPlaces.ticksMax)
        for place in 0..<count { digests[place] = TickDigest(trades[place], by: rule.key) }
        memory.touch(digests, count: count)
        var new = TickPlaces()
        for place in places {
            let header = trades[place].header
            if passesWithoutID(header) || remember(digests[place], at: header) { new.insert(place) }
        }
        return new
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
    /// ticks whose time to live is over.
    @inline(__always)
    private mutating func remember(_ digest: TickDigest, at header: TickHeader) -> Bool {
        clock.advance(to: header.stageTime)
        while let time = memory.oldestTime, clock.elapsed(since: time) >= rule.timeToLive {
            memory.removeOldest()
        }
        if memory.contains(digest) {
            duplicates &+= 1
            return false
        }
        if memory.count >= memory.capacity || memory.count >= entriesMax { makeRoom() }
        memory.append(digest, time: clock.now)
        return true
    }

    /// Enlarges the memory, or forgets the oldest tick at the maximum.
    private mutating func makeRoom() {
        guard memory.count >= entriesMax else {
            return memory.grow(to: min(memory.capacity * 2, entriesMax))
        }
        memory.removeOldest()
        forgotten &+= 1
    }

    // MARK: checkpoint

    /// Appends the remembered entries in order of arrival. The layout of the table has no effect on
    /// the bytes.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.reserveCapacity(start + 64 + memory.count * Self.entryBytes)
        bytes.append(integer: duplicates)
        bytes.append(integer: forgotten)
        bytes.append(integer: clock.now)
        bytes.append(integer: UInt32(memory.count))
        for number in 0..<memory.count {
            let entry = memory[number]
            bytes.append(integer: entry.digest.high)
            bytes.append(integer: entry.digest.low)
            bytes.append(integer: entry.time)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    public init(_ rule: DeduplicateRule, restoring bytes: RawSpan) throws(CheckpointError) {
        self.init(rule)
        var reader = try Self.envelope.open(bytes)
        duplicates = try reader.tally(in: bytes)
        forgotten = try reader.tally(in: bytes)
        clock = TapeClock(at: try reader.int64(in: bytes))
        let count = try reader.count(
            of: .tick, max: rule.entriesMax, bytesEach: Self.entryBytes, in: bytes)
        if count > memory.capacity { memory.grow(to: count) }
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
        try reader.finish()
    }
}
