internal import MarketModel
internal import StreamCore

/// Trades that follow each other in a packet and go through the stages together, one stage after
/// the other: so that what is the same for all of them is asked once, and the places in memory that
/// decide about them are waited for once and not for each.
struct TradeRun: Sendable {
    private(set) var trades: [Trade] = []
    private(set) var ordinals: [UInt64] = []
    /// Those that stages do not judge: every machine is given them.
    private(set) var unjudged = TickPlaces()
    /// By point of the plan, the trades that came there, and those that are not there at all
    /// because a deduplicator in front of it has listed them. One place more, for where nobody
    /// takes ticks.
    private var passed: [TickPlaces]
    private var gone: [TickPlaces]
    let max: Int

    /// The points of a plan are bits of a word.
    private static let pointsMax = UInt64.bitWidth + 1

    init(max: Int) {
        self.max = max
        trades.reserveCapacity(max)
        ordinals.reserveCapacity(max)
        passed = [TickPlaces](repeating: TickPlaces(), count: Self.pointsMax)
        gone = passed
    }

    /// In the place of one that is at work: without room, so that it costs nothing.
    static let none = TradeRun(max: 0)

    var isEmpty: Bool { trades.isEmpty }
    var isFull: Bool { trades.count >= max }

    @inline(__always)
    mutating func append(_ trade: Trade, _ ordinal: UInt64, isJudged: Bool) {
        if !isJudged { unjudged.insert(trades.count) }
        trades.append(trade)
        ordinals.append(ordinal)
    }

    /// All trades stand at the root of the plan, and nowhere else.
    mutating func begin(at root: UInt64) {
        for point in passed.indices {
            passed[point] = TickPlaces()
            gone[point] = TickPlaces()
        }
        passed[root.trailingZeroBitCount] =
            TickPlaces(first: trades.count).subtracting(unjudged)
    }

    @inline(__always)
    func passed(_ point: UInt64) -> TickPlaces { passed[point.trailingZeroBitCount] }

    @inline(__always)
    func gone(_ point: UInt64) -> TickPlaces { gone[point.trailingZeroBitCount] }

    @inline(__always)
    mutating func pass(_ places: TickPlaces, to point: UInt64) {
        passed[point.trailingZeroBitCount].bits |= places.bits
    }

    @inline(__always)
    mutating func lose(_ places: TickPlaces, at point: UInt64) {
        gone[point.trailingZeroBitCount].bits |= places.bits
    }

    mutating func removeAll() {
        trades.removeAll(keepingCapacity: true)
        ordinals.removeAll(keepingCapacity: true)
        unjudged = TickPlaces()
    }
}
