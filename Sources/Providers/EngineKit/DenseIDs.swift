package import MarketModel
package import Primitives

/// A trade whose id is one more than that of the trade before, as it was read.
package struct DenseTrade: Sendable {
    package var feed: Int
    package var trade: Trade
    /// What does not fit; empty: everything does.
    package var misfit: String

    package init(feed: Int, _ trade: Trade, misfit: String = "") {
        self.feed = feed
        self.trade = trade
        self.misfit = misfit
    }

    package var id: UInt64 { trade.header.providerID }
    package var time: Timestamp { trade.header.providerTime }

    package func record(of instrument: UInt32, flags: TickFlags = []) -> ProviderRecord {
        var trade = trade
        trade.header.symbol = instrument
        trade.header.flags = flags
        return .tape(.trade(trade))
    }

    /// Says why the tape cannot hold it.
    package var misfitText: String { "trade id \(id) does not fit the tape: \(misfit)" }
}

/// What is known of the ids of a feed.
struct DenseIDs: Sendable {
    /// A trade that waits for those before it.
    struct Ahead: Sendable {
        let trade: DenseTrade
        let since: MonotonicTime
    }

    /// Ids in a row that are below the last one although their trades are younger: the last of
    /// them, and the connection that brought them.
    struct Lower: Sendable {
        var count = 0
        /// How many of them, up to the last, follow each other without a hole.
        var inRow = 0
        var id: UInt64 = 0
        var connection: UInt32 = 0
    }

    /// What a trade was, to compare it with another one of the same id.
    private struct Content: Equatable, Sendable {
        var id: UInt64 = 0
        private var mix: UInt64 = 0

        init() {}

        init(_ trade: DenseTrade) {
            id = trade.id
            let (price, size) = (trade.trade.price.raw, trade.trade.size.raw)
            for value in [price, size, trade.time.nanoseconds] {
                mix = (mix ^ UInt64(bitPattern: value)) &* 0x9e37_79b9_7f4a_7c15
                mix ^= mix >> 29
            }
        }
    }

    /// Trades ahead of a missing one, by their ids.
    var ahead: [Ahead] = []
    var lower = Lower()
    /// Whether a trade with the id 0 is on record.
    var isFirstLeftOut = false
    /// What the last trades were, by the end of their ids.
    private var recent: [Content] = []

    /// Keeps what the last trade was.
    mutating func keep(_ trade: DenseTrade) {
        if recent.isEmpty {
            recent = [Content](repeating: Content(), count: DenseLimits.comparedMax)
        }
        recent[Self.place(trade.id)] = Content(trade)
    }

    /// Whether the trade with the same id was another one, as far as that is known.
    func differs(_ trade: DenseTrade) -> Bool {
        guard !recent.isEmpty else { return false }
        let known = recent[Self.place(trade.id)]
        return known.id == trade.id && known != Content(trade)
    }

    private static func place(_ id: UInt64) -> Int {
        Int(truncatingIfNeeded: id % UInt64(DenseLimits.comparedMax))
    }

    /// Notes an id that is not above the last one, of a younger trade. Returns whether so many came
    /// that the service began again to count.
    mutating func isCountedAnew(_ id: UInt64, on connection: UInt32) -> Bool {
        let follows = id > lower.id && lower.count > 0 && lower.connection == connection
        let isNext = follows && id == lower.id + 1
        lower = Lower(
            count: follows ? lower.count + 1 : 1, inRow: isNext ? lower.inRow + 1 : 1, id: id,
            connection: connection)
        return lower.count >= DenseLimits.lowerMax || lower.inRow >= DenseLimits.lowerInRow
    }
}

/// Bounds of feeds whose ids follow each other.
package enum DenseLimits {
    /// Trades of a feed, and of all, that wait for a missing one. Beyond it the first does not wait
    /// longer.
    package static let aheadMax = 1_024
    package static let aheadTotalMax = 65_536
    /// The last trades of a feed with which another one of the same id is compared.
    package static let comparedMax = 256
    /// So many ids in a row that are not above the last one, of younger trades, mean that the
    /// service began again to count.
    package static let lowerMax = 64
    /// So many suffice if each is the one after the id before it: a quiet symbol has few trades.
    package static let lowerInRow = 3
    /// Gaps that wait to be filled. Beyond it a gap stays.
    package static let holesMax = 1_024
    /// The trades that are asked for of one gap, the newest. Of a gap that lacks more the older end
    /// stays.
    package static let holeTradesMax: UInt64 = 20_000_000
    /// How long a gap is asked for without an answer that has trades of it. Then the rest of it
    /// stays.
    package static let holeAgeMax: Int64 = 3_600_000_000_000
    /// Answers in a row that give no trade of a gap. Then the rest of it stays.
    package static let uselessAnswersMax = 8
    /// Parts of one gap that stay and have a record each. Beyond it the last one grows.
    package static let gapPartsMax = 64
}
