public import MarketModel
internal import Primitives

/// A limit on the rate of ticks: the stage `throttle` of a graph, for one partition. It lets the
/// first `count` ticks of every stretch of `per` nanoseconds through. Stretches are counted from
/// 1970 on.
///
/// The result depends only on the ticks of the present stretch. So a repair that reads the tape
/// from the beginning of that stretch lets the same ticks through as before.
///
/// A value that one thread owns. It allocates when a symbol has a higher number than all before.
public struct Throttle: Sendable {
    static let envelope = StateEnvelope("TLTH", version: 2)
    private static let bucketBytes = 16

    /// The count of one symbol, or of the partition, in its present stretch.
    struct Bucket: Hashable, Sendable, BitwiseCopyable {
        /// The start of the present stretch.
        var start = Int64.min
        /// The number of ticks that were let through in it.
        var used: Int64 = 0
    }

    public let rule: ThrottleRule
    /// Ticks that were not let through.
    public private(set) var kept: UInt64 = 0
    private var clock = TapeClock()
    /// By symbol; a single one when the rule counts all symbols of the partition together.
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
    /// the tables.
    public mutating func passes(_ header: TickHeader) -> Bool {
        clock.advance(to: header.stageTime)
        let index = isBySymbol ? Int(header.symbol) : 0
        guard index < StreamLimits.symbolsMax else { return false }
        while buckets.count <= index { buckets.append(Bucket()) }
        if clock.elapsed(since: buckets[index].start) >= per {
            buckets[index] = Bucket(start: start(of: clock.now))
        }
        guard buckets[index].used < count else {
            kept &+= 1
            return false
        }
        buckets[index].used &+= 1
        return true
    }

    /// Checks several trades in order, those at `places`, and returns the places of those that may
    /// pass.
    public mutating func passing(_ trades: [Trade], at places: TickPlaces) -> TickPlaces {
        var passing = TickPlaces()
        for place in places where passes(trades[place].header) { passing.insert(place) }
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
        bytes.append(integer: clock.now)
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
        clock = TapeClock(at: try reader.int64(in: bytes))
        let count = try reader.count(
            of: .tick, max: rule.scope == .symbol ? StreamLimits.symbolsMax : 1,
            bytesEach: Self.bucketBytes, in: bytes)
        for _ in 0..<count {
            let bucket = Bucket(
                start: try reader.int64(in: bytes), used: try reader.int64(in: bytes))
            guard bucket.used >= 0, bucket.used <= self.count, bucket.start <= clock.now,
                bucket.start == start(of: bucket.start)
            else {
                throw reader.malformed(.tick)
            }
            buckets.append(bucket)
        }
        try reader.finish()
    }
}
