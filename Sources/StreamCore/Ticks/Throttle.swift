public import MarketModel
internal import Primitives

/// Lets so many ticks through per time: a bucket that holds `count` ticks, is full at first, and
/// fills again evenly, `count` of them in `per`. Whole numbers only.
///
/// A value that one thread owns. Allocates when a symbol comes that has a higher number than all
/// before.
public struct Throttle: Sendable {
    static let envelope = StateEnvelope("TLTH", version: 1)
    private static let bucketBytes = 16

    /// One tick costs `per` of its units, and `count` of them come in every nanosecond: so neither
    /// is ever divided. At most a million times an hour in nanoseconds: 3.6e18.
    struct Bucket: Hashable, Sendable, BitwiseCopyable {
        var level: Int64
        /// The tape's time to which it was filled.
        var time: Int64
    }

    public let rule: ThrottleRule
    /// Ticks that were kept back.
    public private(set) var kept: UInt64 = 0
    private var clock = TapeClock()
    /// By symbol, or one for all.
    private var buckets: [Bucket] = []
    private let full: Int64

    public init(_ rule: ThrottleRule) {
        self.rule = rule
        let (full, overflow) = Int64(rule.count).multipliedReportingOverflow(by: rule.per)
        // A rule beyond its limits lets everything through that fits, and cannot trap.
        self.full = overflow || full > Self.levelMax ? Self.levelMax : full
    }

    private static let levelMax: Int64 = 4_000_000_000_000_000_000

    /// True when the tick may go on. `header.symbol` is the interned index.
    public mutating func passes(_ header: TickHeader) -> Bool {
        clock.advance(to: header.receiveTime)
        let index = rule.scope == .symbol ? Int(header.symbol) : 0
        guard index < StreamLimits.symbolsMax else { return false }
        while buckets.count <= index { buckets.append(Bucket(level: full, time: clock.now)) }
        var bucket = buckets[index]
        let elapsed = min(clock.elapsed(since: bucket.time), rule.per)
        // At most twice `full`: below 2^63.
        bucket.level = min(bucket.level &+ elapsed &* Int64(rule.count), full)
        bucket.time = clock.now
        let passes = bucket.level >= rule.per
        if passes { bucket.level &-= rule.per } else { kept &+= 1 }
        buckets[index] = bucket
        return passes
    }

    // MARK: checkpoint

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: kept)
        bytes.append(integer: clock.now)
        bytes.append(integer: UInt32(buckets.count))
        for bucket in buckets {
            bytes.append(integer: bucket.level)
            bytes.append(integer: bucket.time)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    public init(_ rule: ThrottleRule, restoring bytes: RawSpan) throws(CheckpointError) {
        self.init(rule)
        var reader = try Self.envelope.open(bytes)
        kept = try reader.tally(in: bytes)
        clock = TapeClock(now: try reader.int64(in: bytes))
        let count = try reader.count(
            of: .tick, max: rule.scope == .symbol ? StreamLimits.symbolsMax : 1,
            bytesEach: Self.bucketBytes, in: bytes)
        for _ in 0..<count {
            let bucket = Bucket(
                level: try reader.int64(in: bytes), time: try reader.int64(in: bytes))
            guard (0...full).contains(bucket.level), bucket.time <= clock.now else {
                throw reader.malformed(.tick)
            }
            buckets.append(bucket)
        }
        try reader.finish()
    }
}
