package import EngineKit

package typealias AlpacaOutput = StreamOutput<AlpacaWish, AlpacaNote>

/// A connection, by its number.
package typealias AlpacaConnection = UInt32

package enum AlpacaWish: Hashable, Sendable {
    case open(AlpacaConnection, AlpacaEndpoint)
    /// Sends the key, which the engine does not know.
    case authenticate(AlpacaConnection)
    case send(AlpacaConnection, String)
    /// No event of the connection is wanted any more.
    case close(AlpacaConnection)
}

/// Something for the log.
package enum AlpacaNote: Hashable, Sendable {
    case state(StreamState)
    /// An attempt failed, or a connection ended.
    case lost(AlpacaEndpoint, failures: Int, reason: String)
    /// The service takes neither the key nor the subscription that this needs.
    case refusedAccount(reason: String)
    /// The service refused a request.
    case refusedRequest(reason: String)
    case refused(instrument: UInt32, reason: String)
    /// Something does not fit the tape, or lacks a field.
    case misfit(instrument: UInt32, text: String)
    /// A trade was changed of which no time is known.
    case unknownTrade(instrument: UInt32, id: UInt64)
    case skipped(AlpacaSkip)
}

/// Counts since the engine began.
package struct AlpacaCounters: StreamCounters, Hashable {
    package var messages: UInt64 = 0
    package var trades: UInt64 = 0
    package var quotes: UInt64 = 0
    package var bars = AlpacaBarCounters()
    package var statuses: UInt64 = 0
    package var articles: UInt64 = 0
    package var corrections: UInt64 = 0
    package var cancels: UInt64 = 0
    /// Changes of trades of which no time is known.
    package var unknownTrades: UInt64 = 0
    /// Requests to compute a session again because of them.
    package var repairs: UInt64 = 0
    package var misfits: UInt64 = 0
    /// Trades below the floor: they were reported late.
    package var late: UInt64 = 0
    /// Frames that cannot be read.
    package var broken: UInt64 = 0
    package var links = AlpacaLinkCounters()
    /// By the place of the reason in `AlpacaSkip.allCases`.
    private var skipped = [UInt64](repeating: 0, count: AlpacaSkip.allCases.count)

    package init() {}

    package func skipped(_ reason: AlpacaSkip) -> UInt64 {
        AlpacaSkip.allCases.firstIndex(of: reason).map { skipped[$0] } ?? 0
    }

    mutating func skip(_ reason: AlpacaSkip) {
        if let place = AlpacaSkip.allCases.firstIndex(of: reason) { skipped[place] &+= 1 }
    }
}

package struct AlpacaBarCounters: Hashable, Sendable {
    package var all: UInt64 = 0
    /// Those of them that came again.
    package var revised: UInt64 = 0
}

/// Counts of connections.
package struct AlpacaLinkCounters: Hashable, Sendable {
    package var opened: UInt64 = 0
    package var failures: UInt64 = 0
    /// Attempts that ended because another session is there, or was.
    package var occupied: UInt64 = 0
    package var refusedRequests: UInt64 = 0
}

/// The present state, for metrics and pages.
package struct AlpacaStatus: StreamStatus {
    package var state: StreamState
    package var failures: Int
    package var reason: String
    /// How many connections are authenticated, and how many are to be.
    package var connections: Int
    package var links: Int
    package var feeds: [ShownFeed]
    package var counters: AlpacaCounters
}
