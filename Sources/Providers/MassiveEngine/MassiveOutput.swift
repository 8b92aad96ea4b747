package import EngineKit
package import Primitives

package typealias MassiveOutput = StreamOutput<MassiveWish, MassiveNote>

/// A connection, by its number.
package typealias MassiveConnection = UInt32

package enum MassiveWish: Hashable, Sendable {
    case open(MassiveConnection)
    /// Sends the key, which the engine does not know.
    case authenticate(MassiveConnection)
    case send(MassiveConnection, String)
    /// No event of the connection is wanted any more.
    case close(MassiveConnection)
    /// Asks for past trades.
    case fetch(MassiveFetch)
}

/// A request for past trades of a symbol, by the times of their reports.
package struct MassiveFetch: Hashable, Sendable {
    package let number: UInt64
    /// The path of its address, and its query, encoded.
    package let target: String
    let symbol: String
    /// The first time, and the one after the last.
    let span: Range<Timestamp>
}

/// Something for the log.
package enum MassiveNote: Hashable, Sendable {
    case state(StreamState)
    /// An attempt failed, or a connection ended.
    case lost(failures: Int, reason: String)
    /// The service takes neither the key nor the plan that this needs.
    case refusedAccount(reason: String)
    /// The service refused a request.
    case refusedRequest(reason: String)
    case refused(instrument: UInt32, reason: String)
    /// Something does not fit the tape, or lacks a field.
    case misfit(instrument: UInt32, text: String)
    /// A status of the service that is not known here.
    case said(String)
    /// Past trades cannot be read; it is tried again.
    case notReread(reason: String)
    /// Past trades were never read again: whether they were cancelled is not known.
    case leftOut(instrument: UInt32, from: Timestamp, to: Timestamp, reason: String)
    case skipped(MassiveSkip)
}

/// Counts since the engine began.
package struct MassiveCounters: StreamCounters, Hashable {
    package var messages: UInt64 = 0
    package var trades: UInt64 = 0
    package var quotes: UInt64 = 0
    package var bars: UInt64 = 0
    /// Bars of a window that had one already: they replace it.
    package var revisions: UInt64 = 0
    /// Trades and quotes whose number is below that of an earlier one of the symbol.
    package var unordered: UInt64 = 0
    package var misfits: UInt64 = 0
    /// Trades below the floor: they were reported late.
    package var late: UInt64 = 0
    /// Frames that cannot be read.
    package var broken: UInt64 = 0
    package var links = MassiveLinkCounters()
    package var past = MassivePastCounters()
    /// By the place of the reason in `MassiveSkip.allCases`.
    private var skipped = [UInt64](repeating: 0, count: MassiveSkip.allCases.count)

    package init() {}

    package func skipped(_ reason: MassiveSkip) -> UInt64 {
        MassiveSkip.allCases.firstIndex(of: reason).map { skipped[$0] } ?? 0
    }

    mutating func skip(_ reason: MassiveSkip) {
        if let place = MassiveSkip.allCases.firstIndex(of: reason) { skipped[place] &+= 1 }
    }
}

/// Counts of the second reading of trades.
package struct MassivePastCounters: Hashable, Sendable {
    package var requests: UInt64 = 0
    /// Requests without an answer that can be used.
    package var failures: UInt64 = 0
    /// Trades that were read.
    package var read: UInt64 = 0
    package var cancels: UInt64 = 0
    package var corrections: UInt64 = 0
    /// Changes that the tape cannot say.
    package var unreadable: UInt64 = 0
    /// Spans that were left out.
    package var leftOut: UInt64 = 0
}

/// How far the second reading of trades is.
package struct MassiveRereadStatus: Hashable, Sendable {
    /// Until which report all trades were read once more; undefined: none is to be read.
    package var reached = Timestamp.undefined
    /// How much later than planned it is, in nanoseconds.
    package var behind: Int64 = 0
}

/// Counts of connections.
package struct MassiveLinkCounters: Hashable, Sendable {
    package var opened: UInt64 = 0
    package var failures: UInt64 = 0
    /// Attempts that ended because another session is there, or was.
    package var occupied: UInt64 = 0
    package var refusedRequests: UInt64 = 0
    /// Channels of symbols that were refused, or that have no answer.
    package var refusedFeeds: UInt64 = 0
}

/// The present state, for metrics and pages.
package struct MassiveStatus: StreamStatus {
    package var state: StreamState
    package var failures: Int
    package var reason: String
    /// Whether a connection is to be ready.
    package var isWanted: Bool
    package var reread: MassiveRereadStatus
    package var feeds: [ShownFeed]
    package var counters: MassiveCounters
}
