package import Primitives

/// Counts since the engine began. Those that a service does not have stay 0.
package struct StreamCounts: StreamCounters, Hashable {
    package var messages: UInt64 = 0
    package var trades: UInt64 = 0
    package var quotes: UInt64 = 0
    package var bars: UInt64 = 0
    /// Bars of a window that had one already: they replace it.
    package var revisions: UInt64 = 0
    package var beside = StreamBesideCounts()
    package var changes = StreamChangeCounts()
    package var ids = StreamIDCounts()
    package var misfits: UInt64 = 0
    /// Trades below the floor: they were reported late.
    package var late: UInt64 = 0
    /// Frames that cannot be read.
    package var broken: UInt64 = 0
    package var links = StreamLinkCounts()
    package var past = StreamPastCounts()
    package var fills = StreamFillCounts()
    /// By the place of the reason in `StreamSkip.allCases`.
    private var skipped = [UInt64](repeating: 0, count: StreamSkip.allCases.count)

    package init() {}

    /// Returns how many messages were left out for this reason.
    package func skipped(_ reason: StreamSkip) -> UInt64 {
        StreamSkip.allCases.firstIndex(of: reason).map { skipped[$0] } ?? 0
    }

    /// Counts a message that is left out.
    package mutating func skip(_ reason: StreamSkip) {
        if let place = StreamSkip.allCases.firstIndex(of: reason) { skipped[place] &+= 1 }
    }
}

/// Counts of what comes beside trades, quotes and bars.
package struct StreamBesideCounts: Hashable, Sendable {
    /// Changes of rows of books.
    package var rows: UInt64 = 0
    package var statuses: UInt64 = 0
    package var articles: UInt64 = 0
}

/// Counts of what the records' numbers tell.
package struct StreamIDCounts: Hashable, Sendable {
    /// Trades and quotes whose number is below that of an earlier one of the symbol.
    package var unordered: UInt64 = 0
    /// Trades, and other records, that another connection had brought already.
    package var doubles: UInt64 = 0
    package var doubleUpdates: UInt64 = 0
    /// Those with a number that is not above the one before, on one connection.
    package var lower: UInt64 = 0
    /// The same id with another price, size or time.
    package var differing: UInt64 = 0
    /// Ids that did not come when their turn was. Some of them came on request, and some never.
    package var missing: UInt64 = 0
    package var filled: UInt64 = 0
    package var lost: UInt64 = 0
}

/// Counts of changes of trades that a stream tells.
package struct StreamChangeCounts: Hashable, Sendable {
    package var corrections: UInt64 = 0
    package var cancels: UInt64 = 0
    /// Those of trades of which no time is known.
    package var unknown: UInt64 = 0
    /// Requests to compute a session again because of them.
    package var repairs: UInt64 = 0
}

/// Counts of connections.
package struct StreamLinkCounts: Hashable, Sendable {
    package var opened: UInt64 = 0
    package var failures: UInt64 = 0
    /// Attempts that ended because another session is there, or was.
    package var occupied: UInt64 = 0
    package var refusedRequests: UInt64 = 0
    /// Channels of symbols that were refused, or that have no answer.
    package var refusedFeeds: UInt64 = 0
    /// Connections that took over from another one, and ends that the service announced.
    package var renewals: UInt64 = 0
    package var shutdowns: UInt64 = 0
    /// Trades by the leg that brought them, and those that it brought first.
    package var seen = StreamLegCount()
    package var won = StreamLegCount()
    /// Waits for a missing trade that ended without it although a connection might have brought it.
    package var waitsEnded: UInt64 = 0
}

/// A count by leg, without an array on the hot path.
package struct StreamLegCount: Hashable, Sendable {
    private var first: UInt64 = 0
    private var second: UInt64 = 0

    package subscript(leg: Int) -> UInt64 {
        get { leg == 0 ? first : second }
        set { if leg == 0 { first = newValue } else { second = newValue } }
    }
}

/// Counts of requests for the past: for what is missing, and the second reading of trades.
package struct StreamPastCounts: Hashable, Sendable {
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

    package init() {}
}

/// Counts of the gaps that the past fills.
package struct StreamFillCounts: Hashable, Sendable {
    package var requests: UInt64 = 0
    /// Requests without an answer that can be used.
    package var failures: UInt64 = 0
    /// Trades that did not come, and were fetched.
    package var trades: UInt64 = 0
    /// Gaps of which a part stays.
    package var left: UInt64 = 0
}

/// How far the second reading of trades is.
package struct StreamPastStatus: Hashable, Sendable {
    /// Until which report all trades were read once more; undefined: none is to be read.
    package var reached: Timestamp
    /// How much later than planned it is, in nanoseconds.
    package var behind: Int64

    package init(reached: Timestamp = .undefined, behind: Int64 = 0) {
        self.reached = reached
        self.behind = behind
    }
}

/// The present state, for metrics and pages.
package struct StreamShown: StreamStatus {
    package var state: StreamState
    package var failures: Int
    package var reason: String
    /// How many connections are authenticated, and how many are to be.
    package var connections: Int
    package var links: Int
    package var feeds: [ShownFeed]
    package var counters: StreamCounts
    /// Gaps that wait for the past.
    package var fills = 0
    package var reread = StreamPastStatus()
    /// Gaps whose trades are being asked for.
    package var holes = 0
}
