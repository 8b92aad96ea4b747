internal import MarketModel

/// Trades that follow each other in a packet and go through the stages together: so that the places
/// in memory which decide about them are waited for once and not for each.
struct TradeRun: Sendable {
    /// So many fit into the innermost cache with all that belongs to them.
    static let tradesMax = 64

    private(set) var trades: [Trade] = []
    private(set) var ordinals: [UInt64] = []
    /// How far they came.
    var ways: [TickStages.Way] = []

    init(room: Int) {
        trades.reserveCapacity(room)
        ordinals.reserveCapacity(room)
        ways.reserveCapacity(room)
    }

    var isEmpty: Bool { trades.isEmpty }
    var isFull: Bool { trades.count >= Self.tradesMax }

    @inline(__always)
    mutating func append(_ trade: Trade, _ ordinal: UInt64) {
        trades.append(trade)
        ordinals.append(ordinal)
    }

    @inline(__always)
    func passes(_ place: Int, _ leaf: LeafInput) -> Bool {
        ways[place].passed & leaf.input != 0
    }

    /// A duplicate is not there at all behind what listed it.
    func isGone(_ place: Int, _ leaf: LeafInput) -> Bool { ways[place].isGone & leaf.input != 0 }

    mutating func removeAll() {
        trades.removeAll(keepingCapacity: true)
        ordinals.removeAll(keepingCapacity: true)
        ways.removeAll(keepingCapacity: true)
    }
}
