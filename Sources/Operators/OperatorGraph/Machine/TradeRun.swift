internal import MarketModel
internal import StreamCore

/// Consecutive trades of a packet that go through the stages together, stage by stage. So checks
/// that are the same for all of them are made once, and their memory accesses overlap. A trade is
/// named by its place in the run.
struct TradeRun: Sendable {
    private(set) var trades: [Trade] = []
    /// The ordinals of the trades on the tape.
    private(set) var ordinals: [UInt64] = []
    /// Trades that stages do not judge (`TickHeader.isForStages`). Every machine gets them.
    private(set) var unjudged = TickPlaces()
    /// By point of the plan: the trades that reached it. One extra place is for outputs from which
    /// no node takes ticks.
    private var passed: [TickPlaces]
    /// By point: the trades that do not reach it, because they are duplicates for a deduplicator
    /// before it.
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

    /// A run without room. While a packet is taken, the machine's own run is swapped for it, so
    /// that the run in use is not copied when it changes.
    static let none = TradeRun(max: 0)

    var isEmpty: Bool { trades.isEmpty }
    var isFull: Bool { trades.count >= max }

    /// Appends a trade. Call it only when the run is not full.
    @inline(__always)
    mutating func append(_ trade: Trade, _ ordinal: UInt64, isJudged: Bool) {
        if !isJudged { unjudged.insert(trades.count) }
        trades.append(trade)
        ordinals.append(ordinal)
    }

    /// Puts all judged trades at the point `root`, where the ticks of the tape come in, and at no
    /// other point.
    mutating func begin(at root: UInt64) {
        for point in passed.indices {
            passed[point] = TickPlaces()
            lost[point] = TickPlaces()
        }
        passed[root.trailingZeroBitCount] =
            TickPlaces(first: trades.count).subtracting(unjudged)
    }

    /// Returns the trades that reached a point, given as its bit.
    @inline(__always)
    func passed(_ point: UInt64) -> TickPlaces { passed[point.trailingZeroBitCount] }

    /// Returns the trades that do not reach it as duplicates.
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

    /// Removes a flag of all trades, after the stages have judged them.
    mutating func removeFlag(_ flag: TickFlags) {
        for place in trades.indices { trades[place].header.flags.remove(flag) }
    }

    mutating func removeAll() {
        trades.removeAll(keepingCapacity: true)
        ordinals.removeAll(keepingCapacity: true)
        unjudged = TickPlaces()
    }
}
