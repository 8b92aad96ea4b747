public import MarketModel
internal import Primitives

/// A limit on the rate of ticks: the stage `throttle` of a graph, for one partition. It lets the
/// first `count` ticks of every stretch of `per` nanoseconds through. Stretches are counted from
/// 1970 on.
///
/// Every owner, which is a source or a group, has a clock of its own. So a source that sends old
/// ticks is not judged by the time of the others.
///
/// The result depends only on the ticks of the present stretch. So a repair that reads the tape
/// from the beginning of that stretch lets the same ticks through as before.
///
/// A value that one thread owns. It allocates when a symbol or an owner has a higher number than
/// all before.
public struct Throttle: Sendable {
    static let envelope = StateEnvelope("TLTH", version: 1)
    private static let clockBytes = 8
    private static let bucketBytes = 16

    /// The count of one symbol, or of all symbols of an owner, in its present stretch.
    struct Bucket: Hashable, Sendable, BitwiseCopyable {
        /// The start of the present stretch.
        var start = Int64.min
        /// The number of ticks that were let through in it.
        var used: Int64 = 0
    }

    public let rule: ThrottleRule
    /// Ticks that were not let through.
    public private(set) var kept: UInt64 = 0
    /// By owner.
    private var clocks: [TapeClock] = []
    /// By symbol; by owner when the rule counts all of its symbols in the partition together.
    private var buckets: [Bucket] = []
    /// The rule's span, at least a nanosecond.
    private let per: Int64
    private let count: Int64
    private let isBySymbol: Bool

    public init(_ rule: ThrottleRule) {
        self.rule = rule
        per = max(rule.per, 1)
        count = Int64(rule.count)
        isBySymbol = rule.scope == .symbol
    }

    /// Returns whether the tick may pass, and counts it. `header.symbol` is the symbol's index in
    /// the tables. `owner` is the number of the source or group that owns the symbol: owners are
    /// numbered from 0 in the order in which they first own one.
    public mutating func passes(_ header: TickHeader, of owner: Int) -> Bool {
        let index = isBySymbol ? Int(header.symbol) : owner
        guard index < StreamLimits.symbolsMax else { return false }
        while clocks.count <= owner { clocks.append(TapeClock()) }
        while buckets.count <= index { buckets.append(Bucket()) }
        clocks[owner].advance(to: header.stageTime)
        if clocks[owner].elapsed(since: buckets[index].start) >= per {
            buckets[index] = Bucket(start: start(of: clocks[owner].now))
        }
        guard buckets[index].used < count else {
            kept &+= 1
            return false
        }
        buckets[index].used &+= 1
        return true
    }

    /// Checks several trades of one owner in order, those at `places`, and returns the places of
    /// those that may pass.
    public mutating func passing(
        _ trades: [Trade], at places: TickPlaces, of owner: Int
    ) -> TickPlaces {
        var passing = TickPlaces()
        for place in places where passes(trades[place].header, of: owner) {
            passing.insert(place)
        }
        return passing
    }

    /// Returns the start of the stretch that holds a moment of the clock.
    private func start(of moment: Int64) -> Int64 {
        Timestamp(nanoseconds: moment).floored(toNanoseconds: per).nanoseconds
    }

    // MARK: checkpoint

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: kept)
        bytes.append(integer: UInt32(clocks.count))
        for clock in clocks { bytes.append(integer: clock.now) }
        bytes.append(integer: UInt32(buckets.count))
        for bucket in buckets {
            bytes.append(integer: bucket.start)
            bytes.append(integer: bucket.used)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    public init(_ rule: ThrottleRule, restoring bytes: RawSpan) throws(CheckpointError) {
        self.init(rule)
        var reader = try Self.envelope.open(bytes)
        kept = try reader.tally(in: bytes)
        let owners = try reader.count(
            of: .tick, max: StreamLimits.sourcesKnownMax, bytesEach: Self.clockBytes, in: bytes)
        for _ in 0..<owners { clocks.append(TapeClock(at: try reader.int64(in: bytes))) }
        let latest = clocks.map(\.now).max() ?? Int64.min
        let count = try reader.count(
            of: .tick, max: rule.scope == .symbol ? StreamLimits.symbolsMax : owners,
            bytesEach: Self.bucketBytes, in: bytes)
        for _ in 0..<count {
            let bucket = Bucket(
                start: try reader.int64(in: bytes), used: try reader.int64(in: bytes))
            guard bucket.used >= 0, bucket.used <= self.count, bucket.start <= latest,
                bucket.start == start(of: bucket.start)
            else {
                throw reader.malformed(.tick)
            }
            buckets.append(bucket)
        }
        try reader.finish()
    }
}
