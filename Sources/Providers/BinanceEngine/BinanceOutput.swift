package import EngineKit
package import Primitives

package typealias BinanceOutput = StreamOutput<BinanceWish, BinanceNote>

/// A connection, by its number.
package typealias BinanceLegNumber = UInt32

package enum BinanceWish: Hashable, Sendable {
    case open(BinanceLegNumber)
    case send(BinanceLegNumber, String)
    /// No event of the connection is wanted any more.
    case close(BinanceLegNumber)
    /// The answer goes to `fetched`.
    case fetch(BinanceFetch)
    case lookUp(BinanceLookUp)
}

/// Something for the log.
package enum BinanceNote: Hashable, Sendable {
    case state(BinanceState)
    /// An attempt failed, or the only connection ended.
    case lost(failures: Int, reason: String)
    /// One of two connections failed or ended; the other goes on.
    case oneLost(failures: Int, reason: String)
    /// Two trades had the same id.
    case differing(instrument: UInt32, id: UInt64)
    /// A successor failed or ended; its predecessor goes on.
    case successorLost(reason: String)
    /// Another connection begins beside the present one.
    case renewing(reason: String)
    /// The exchange refused a request.
    case refusedRequest(reason: String)
    case refused(instrument: UInt32, reason: String)
    /// Trades did not come, as their ids show.
    case missing(instrument: UInt32, first: UInt64, last: UInt64)
    /// A gap has ended: so many trades came, and so many ids stay missing.
    case filled(instrument: UInt32, added: UInt64, lost: UInt64)
    /// Requests for past trades are put off.
    case fetchesWait(reason: String)
    /// The exchange's limits allow numbers that do not fit the tape.
    case mayNotFit(instrument: UInt32, text: String)
    /// A number does not fit the tape.
    case misfit(instrument: UInt32, id: UInt64, text: String)
    /// The ids of a symbol began again at a lower one.
    case restarted(instrument: UInt32, id: UInt64)
    case skipped(BinanceSkip)
}

package enum BinanceState: String, CaseIterable, Sendable {
    /// Waiting for the next attempt, or nothing is wanted.
    case closed
    case connecting
    /// Connected; subscriptions are under way or confirmed.
    case ready
    /// Two connections, of which the younger takes over.
    case renewing
}

/// Why a message was left out.
package enum BinanceSkip: String, CaseIterable, Sendable {
    case malformed
    /// A trade without one of its fields, or with one that is none.
    case fields
    /// A symbol that was not asked for, or not any more.
    case stray
    /// A block trade: made outside of the book, with ids of its own.
    case block
    /// An event that is not read here.
    case unknown
    /// No text.
    case binary
}

/// Counts since the engine began.
package struct BinanceCounters: StreamCounters, Hashable {
    package var messages: UInt64 = 0
    package var trades: UInt64 = 0
    package var sides = BinanceSideCounters()
    /// Trades that came from both connections.
    package var doubles: UInt64 = 0
    /// Trades with an id that is not above the one before, on one connection.
    package var lowerIDs: UInt64 = 0
    /// The same id with another price, size or time.
    package var differing: UInt64 = 0
    /// Ids that did not come when their turn was.
    package var missing: UInt64 = 0
    package var misfits: UInt64 = 0
    /// Trades below the floor.
    package var late: UInt64 = 0
    package var fills = BinanceFillCounters()
    package var links = BinanceLinkCounters()
    /// By the place of the reason in `BinanceSkip.allCases`.
    package var skipped = [UInt64](repeating: 0, count: BinanceSkip.allCases.count)

    package init() {}

    package func skipped(_ reason: BinanceSkip) -> UInt64 {
        BinanceSkip.allCases.firstIndex(of: reason).map { skipped[$0] } ?? 0
    }

    mutating func skip(_ reason: BinanceSkip) {
        if let place = BinanceSkip.allCases.firstIndex(of: reason) { skipped[place] &+= 1 }
    }
}

/// Counts of what came beside trades.
package struct BinanceSideCounters: Hashable, Sendable {
    package var quotes: UInt64 = 0
    package var bars: UInt64 = 0
    /// Changes of rows.
    package var rows: UInt64 = 0
    /// What another connection had brought already, or what was older.
    package var doubles: UInt64 = 0
}

/// Counts of what was missing and asked for.
package struct BinanceFillCounters: Hashable, Sendable {
    /// Missing ids that came on request, and those that never came.
    package var filled: UInt64 = 0
    package var lost: UInt64 = 0
    package var requests: UInt64 = 0
    package var failures: UInt64 = 0
}

/// Counts of connections.
package struct BinanceLinkCounters: Hashable, Sendable {
    /// Trades by the link that brought them, and those that it brought first.
    package var seen = BinanceLinkCount()
    package var won = BinanceLinkCount()
    /// Waits for a missing trade that ended without it although a connection might have brought it.
    package var waitsEnded: UInt64 = 0
    package var opened: UInt64 = 0
    package var failures: UInt64 = 0
    package var renewals: UInt64 = 0
    package var shutdowns: UInt64 = 0
    package var refusedRequests: UInt64 = 0
}

/// A count by link, without an array on the hot path.
package struct BinanceLinkCount: Hashable, Sendable {
    private var first: UInt64 = 0
    private var second: UInt64 = 0

    package subscript(link: Int) -> UInt64 {
        get { link == 0 ? first : second }
        set { if link == 0 { first = newValue } else { second = newValue } }
    }
}

/// The present state, for metrics and pages.
package struct BinanceStatus: StreamStatus {
    package var state: BinanceState
    package var failures: Int
    package var reason: String
    package var nextAttempt: MonotonicTime
    /// How many are open, and how many are to be open.
    package var connections: Int
    package var links: Int
    /// Gaps that wait to be filled.
    package var holes: Int
    package var feeds: [ShownFeed]
    package var counters: BinanceCounters
}
