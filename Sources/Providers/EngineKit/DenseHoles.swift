internal import MarketModel
internal import Primitives

/// Trades of a feed whose ids did not come, and the gap about them.
struct DenseHole: Sendable {
    /// A part of the gap that nothing fills.
    struct Part: Sendable {
        var from: Timestamp
        var to: Timestamp
        var reason: GapReason
        var detail: String
    }

    /// Its feed.
    let place: Int
    /// The ids that did not come, and the first one that has not been given since.
    let ids: ClosedRange<UInt64>
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
    var parts: [Part] = []

    init(
        place: Int, ids: ClosedRange<UInt64>, _ span: (from: Timestamp, to: Timestamp),
        _ reason: GapReason, reached: Timestamp
    ) {
        self.place = place
        self.ids = ids
        next = ids.lowerBound
        (from, to) = span
        self.reason = reason
        self.reached = reached
    }

    /// How many ids it still lacks.
    var rest: UInt64 { ids.upperBound &+ 1 &- next }
    /// The first id that is asked for: those before it are too many.
    var firstAsked: UInt64 {
        rest > DenseLimits.holeTradesMax
            ? ids.upperBound - (DenseLimits.holeTradesMax - 1) : next
    }

    /// Notes a part that stays. Beyond the limit the last one grows.
    mutating func keep(_ part: Part) {
        guard parts.count >= DenseLimits.gapPartsMax else { return parts.append(part) }
        parts[parts.count - 1].to = part.to
        parts[parts.count - 1].detail = "these and more: \(parts[parts.count - 1].detail)"
    }
}

/// The holes that wait, of which the shortest is asked for first. One request is under way at a
/// time, also of those that a venue makes itself.
package struct DenseHoles: Sendable {
    /// The first one is that of the request that is under way.
    var waiting: [DenseHole] = []
    /// The number of the request that is under way; `nil`: there is none.
    package private(set) var asked: UInt64?
    private var lastNumber: UInt64 = 0
    /// Whether the request that is under way is for the first hole.
    var isFetch = false
    package var pace: RequestPace

    init(_ merge: MergeRules?, seed: UInt64) {
        let limits =
            merge?.requests ?? RequestLimits(service: "", failedWait: 1_000_000_000)
        pace = RequestPace(limits, seed: seed)
    }

    /// How many wait.
    package var count: Int { waiting.count }

    /// A request is made. Returns its number.
    package mutating func ask() -> UInt64 {
        lastNumber &+= 1
        asked = lastNumber
        isFetch = false
        return lastNumber
    }

    /// Returns whether a request is the one that is under way, which it is no longer.
    package mutating func isAnswered(_ number: UInt64) -> Bool {
        guard asked == number else { return false }
        asked = nil
        return true
    }

    /// The request that is under way is not wanted any more.
    mutating func forgetAsked() { if isFetch { asked = nil } }

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

    /// Says which ids did not come.
    package static func missing(_ first: UInt64, _ last: UInt64) -> String {
        "trade ids \(first) to \(last) did not come"
    }
}
