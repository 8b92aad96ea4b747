package import EngineKit
internal import MarketModel
internal import Primitives

/// A request for past trades of a symbol, by their ids.
package struct BinanceFetch: Hashable, Sendable {
    /// The exchange gives no more at a time.
    package static let countMax = 1_000

    package let number: UInt64
    package let symbol: String
    /// The first id.
    package let from: UInt64
    package let count: Int

    package init(number: UInt64, symbol: String, from: UInt64, count: Int) {
        self.number = number
        self.symbol = symbol
        self.from = from
        self.count = count
    }
}

/// What became of a request for past trades: the exchange's list of them.
package typealias BinanceFetchOutcome = FetchOutcome<[UInt8]>

/// Trades of a symbol whose ids did not come, and the gap about them.
struct BinanceHole: Sendable {
    /// Its feed.
    let place: Int
    /// The ids that did not come, and the first one that has not been given since.
    let first: UInt64
    let last: UInt64
    var next: UInt64
    /// The gap on record.
    var from: Timestamp
    var to: Timestamp
    let reason: GapReason
    /// When it was asked for without an answer that has trades of it; `nil`: it was not.
    var triedSince: MonotonicTime?
    /// Answers in a row that gave no trade of it.
    var failures = 0
    var hasBegun = false
    /// Trades that came.
    var added: UInt64 = 0
    /// The time of the last trade before `next`.
    var reached: Timestamp
    /// Parts of the gap that stay.
    var parts: [BinanceGapPart] = []

    var isComplete: Bool { next > last }
    /// How many ids it still lacks.
    var rest: UInt64 { last &+ 1 &- next }
    /// The first id that is asked for: those before it are too many.
    var firstAsked: UInt64 {
        rest > BinanceLimits.holeTradesMax ? last - (BinanceLimits.holeTradesMax - 1) : next
    }

    /// Notes a part that stays. Beyond the limit the last one grows.
    mutating func keep(_ part: BinanceGapPart) {
        guard parts.count >= BinanceLimits.gapPartsMax else { return parts.append(part) }
        parts[parts.count - 1].to = part.to
        parts[parts.count - 1].detail = "these and more: \(parts[parts.count - 1].detail)"
    }
}

/// A part of a gap that nothing fills.
struct BinanceGapPart: Sendable {
    var from: Timestamp
    var to: Timestamp
    var reason: GapReason
    var detail: String
}

/// What is asked of the exchange: first which symbols it has, then the trades of the holes that
/// wait, the shortest first. One request is under way at a time.
struct BinanceHoles: Sendable {
    /// The first one is that of the request that is under way.
    var waiting: [BinanceHole] = []
    /// Groups of feeds whose symbols are asked about.
    var lookUps: [[Int]] = []
    var lookUpFailures = 0
    /// Whether the request that is under way is about symbols.
    var isLookUp = false
    /// The number of the request that is under way; `nil`: there is none.
    var asked: UInt64?
    var lastNumber: UInt64 = 0
    var pace: RequestPace

    init(seed: UInt64) { pace = RequestPace(BinanceLimits.requests, seed: seed) }

    /// Moves the hole that lacks the fewest trades to the front: what a symbol missed a minute ago
    /// does not wait for the weekend of another one. Those of one feed keep their order, because
    /// they share the trade between them, and the last record about a moment counts.
    mutating func moveShortestToFront() {
        var feeds: Set<Int> = []
        let oldest = waiting.indices.filter { feeds.insert(waiting[$0].place).inserted }
        guard let place = oldest.min(by: { waiting[$0].rest < waiting[$1].rest }) else { return }
        guard place > 0 else { return }
        // Nobody asks for the one that waits, so its hour begins again.
        waiting[0].triedSince = nil
        waiting.insert(waiting.remove(at: place), at: 0)
    }
}

/// Reads the exchange's list of past trades.
enum BinancePage {
    /// Returns the trades of a list; `nil`: it is none.
    static func read(_ bytes: [UInt8], place: Int, received: Timestamp) -> [BinanceTrade]? {
        guard let list = parsed(bytes)?.array else { return nil }
        var trades: [BinanceTrade] = []
        for item in list.prefix(BinanceFetch.countMax) {
            guard let id = item["id"]?.uint64, let price = item["price"]?.string,
                let size = item["qty"]?.string, let stamp = item["time"]?.uint64,
                let time = BinanceReader.time(stamp)
            else { return nil }
            var trade = BinanceTrade()
            guard trade.take(price: price, size: size) else { return nil }
            trade.feed = place
            trade.id = id
            (trade.time, trade.resolution) = time
            trade.received = received
            trades.append(trade)
        }
        return trades
    }

    static func parsed(_ bytes: [UInt8]) -> JSONValue? {
        do throws(JSONError) {
            return try JSONValue.parse(bytes)
        } catch {
            return nil
        }
    }
}
