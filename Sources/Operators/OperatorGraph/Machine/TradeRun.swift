internal import MarketModel
internal import StreamCore

/// Consecutive trades of a packet that go through the stages together, stage by stage. So checks
/// that are the same for all of them are made once, and their memory accesses overlap.
struct TradeRun: Sendable {
    private(set) var trades: [Trade] = []
    private(set) var ordinals: [UInt64] = []
    /// Trades that stages do not judge. Every machine gets them.
    private(set) var unjudged = TickPlaces()
    /// By point of the plan: the trades that reached it. One extra place is for outputs from which
    /// no node takes ticks.
    private var passed: [TickPlaces]
    /// By point: the trades that never reach it, because a deduplicator before it listed them.
    private var lost: [TickPlaces]
    /// The maximum number of trades.
    let max: Int

    /// The number of points of a plan, which are the bits of a word, and the extra place.
    private static let pointsMax = UInt64.bitWidth + 1

    init(max: Int) {
        self.max = max
        trades.reserveCapacity(max)
        ordinals.reserveCapacity(max)
        passed = [TickPlaces](repeating: TickPlaces(), count: Self.pointsMax)
        lost = passed
    }

    /// A run without room, which replaces the run in use at no cost.
    static let none = TradeRun(max: 0)

    var isEmpty: Bool { trades.isEmpty }
    var isFull: Bool { trades.count >= max }

    @inline(__always)
    mutating func append(_ trade: Trade, _ ordinal: UInt64, isJudged: Bool) {
        if !isJudged { unjudged.insert(trades.count) }
        trades.append(trade)
        ordinals.append(ordinal)
    }

    /// Puts all trades at the root of the plan, and at no other point.
    mutating func begin(at root: UInt64) {
        for point in passed.indices {
            passed[point] = TickPlaces()
            lost[point] = TickPlaces()
        }
        passed[root.trailingZeroBitCount] =
            TickPlaces(first: trades.count).subtracting(unjudged)
    }

    @inline(__always)
    func passed(_ point: UInt64) -> TickPlaces { passed[point.trailingZeroBitCount] }

    @inline(__always)
    func lost(_ point: UInt64) -> TickPlaces { lost[point.trailingZeroBitCount] }

    @inline(__always)
    mutating func pass(_ places: TickPlaces, to point: UInt64) {
        passed[point.trailingZeroBitCount].bits |= places.bits
    }

    @inline(__always)
    mutating func lose(_ places: TickPlaces, at point: UInt64) {
        lost[point.trailingZeroBitCount].bits |= places.bits
    }

    mutating func removeAll() {
        trades.removeAll(keepingCapacity: true)
        ordinals.removeAll(keepingCapacity: true)
        unjudged = TickPlaces()
    }
}
