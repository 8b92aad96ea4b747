public import MarketModel
public import Primitives

/// Tells which ticks were there already, by the values that a rule names.
///
/// A value that one thread owns. It grows with what it remembers, up to the rule's `entriesMax`;
/// in the steady state nothing is allocated.
public struct Deduplicator: Sendable {
    static let envelope = StateEnvelope("TLDD", version: 1)
    private static let entryBytes = 24
    /// What it has room for in the beginning.
    private static let entriesAtFirst = 1_024

    public let rule: DeduplicateRule
    /// Ticks that were there already.
    public private(set) var duplicates: UInt64 = 0
    /// Forgotten before their time because there was no room: their duplicates were not found.
    public private(set) var forgotten: UInt64 = 0

    private var ring: DigestRing
    private var index: DigestIndex
    private var clock = TapeClock()
    /// How many of the oldest will be found in the processor's cache. No part of the state.
    private var touched = 0
    private static let touchedAtOnce = 32
    /// What stands for the ticks of `prepare`. No part of the state.
    private var prepared: [TickDigest] = []
    private static let preparedTogether = 64

    public init(_ rule: DeduplicateRule) {
        self.rule = rule
        let capacity = min(max(rule.entriesMax, 1), Self.entriesAtFirst)
        ring = DigestRing(capacity: capacity)
        index = DigestIndex(capacity: capacity)
    }

    /// Ticks that are remembered now.
    public var remembered: Int { ring.count }

    /// False when one like it came less than the time to live before. `header.symbol` is the
    /// interned index.
    public mutating func isNew(_ trade: Trade) -> Bool {
        clock.advance(to: trade.header.receiveTime)
        var digest = TickDigest(symbol: trade.header.symbol)
        for field in rule.key { digest.add(field.bits(of: trade)) }
        return remember(digest)
    }

    /// Trades that will be asked for one after the other by `isNew(prepared:)`: the places in
    /// memory that decide are asked for together, which takes as long as one of them.
    public mutating func prepare(_ trades: [Trade]) {
        prepared.removeAll(keepingCapacity: true)
        if prepared.capacity < Self.preparedTogether {
            prepared.reserveCapacity(Self.preparedTogether)
        }
        for trade in trades { prepared.append(TickDigest(symbol: trade.header.symbol)) }
        for field in rule.key {
            for place in trades.indices { prepared[place].add(field.bits(of: trades[place])) }
        }
        index.touch(prepared)
    }

    /// The same as `isNew` for number `place` of the trades that were prepared last.
    public mutating func isNew(prepared place: Int, received: Timestamp) -> Bool {
        clock.advance(to: received)
        return remember(prepared[place])
    }

    public mutating func isNew(_ quote: Quote) -> Bool {
        clock.advance(to: quote.header.receiveTime)
        var digest = TickDigest(symbol: quote.header.symbol)
        for field in rule.key { digest.add(field.bits(of: quote)) }
        return remember(digest)
    }

    @inline(__always)
    private mutating func remember(_ digest: TickDigest) -> Bool {
        forgetTheOld()
        if index.contains(digest, in: ring) {
            duplicates &+= 1
            return false
        }
        if ring.isFull { makeRoom() }
        index.insert(digest, place: ring.append(DigestRing.Entry(digest: digest, time: clock.now)))
        return true
    }

    @inline(__always)
    private mutating func forgetTheOld() {
        while let (entry, place) = ring.oldest, clock.elapsed(since: entry.time) >= rule.timeToLive
        {
            forget(entry.digest, place)
        }
    }

    /// Each slot is somewhere else in memory. Many are asked for at once, which takes as long as
    /// one, before they are needed one after the other.
    @inline(__always)
    private mutating func forget(_ digest: TickDigest, _ place: Int) {
        if touched == 0 {
            touched = min(Self.touchedAtOnce, ring.count)
            index.touch(oldest: touched, of: ring)
        }
        touched -= 1
        index.remove(digest, place: place)
        ring.removeOldest()
    }

    private mutating func makeRoom() {
        guard ring.capacity < rule.entriesMax else {
            if let (entry, place) = ring.oldest { forget(entry.digest, place) }
            forgotten &+= 1
            return
        }
        grow(to: min(ring.capacity * 2, rule.entriesMax))
    }

    private mutating func grow(to capacity: Int) {
        var larger = DigestRing(capacity: capacity)
        index = DigestIndex(capacity: capacity)
        touched = 0
        for number in 0..<ring.count {
            let entry = ring[number]
            index.insert(entry.digest, place: larger.append(entry))
        }
        ring = larger
    }

    // MARK: checkpoint

    /// What it remembers, in order of arrival: how the table and the ring lie does not show.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.reserveCapacity(start + 64 + ring.count * Self.entryBytes)
        bytes.append(integer: duplicates)
        bytes.append(integer: forgotten)
        bytes.append(integer: clock.now)
        bytes.append(integer: UInt32(ring.count))
        for number in 0..<ring.count {
            let entry = ring[number]
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
        clock = TapeClock(now: try reader.int64(in: bytes))
        let count = try reader.count(
            of: .tick, max: rule.entriesMax, bytesEach: Self.entryBytes, in: bytes)
        if count > ring.capacity { grow(to: count) }
        var before = Int64.min
        for _ in 0..<count {
            let digest = TickDigest(
                high: try reader.uint64(in: bytes), low: try reader.uint64(in: bytes))
            let time = try reader.int64(in: bytes)
            guard time >= before, time <= clock.now, !index.contains(digest, in: ring) else {
                throw reader.malformed(.tick)
            }
            before = time
            index.insert(digest, place: ring.append(DigestRing.Entry(digest: digest, time: time)))
        }
        try reader.finish()
    }
}
