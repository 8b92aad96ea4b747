package import IBProtocol
package import Primitives

/// The state of one feed, for people.
package struct FeedStatus: Hashable, Sendable {
    package enum State: String, Hashable, Sendable, CaseIterable {
        /// It waits to be requested.
        case waiting
        /// It was requested, and nothing has come yet.
        case asked
        /// It delivers, as far as is known.
        case live
        /// It was live, and an outage lasts.
        case interrupted
        /// All lines of the account are in use.
        case waitingForLines = "waiting-for-lines"
        /// It failed, and is tried again later.
        case down
        /// It is refused until a person changes something. It is still tried again from time to
        /// time.
        case refused
        /// It came completely, and is requested again on another day.
        case done
    }

    package var feed: FeedKind
    package var state: State
    /// Its data come delayed, and go into the source of delayed data.
    package var isDelayed = false
    /// Empty when there is no reason.
    package var reason: String
    /// When it is tried again, monotonic; `never`: no time is set.
    package var until: MonotonicTime
}

/// The state of one instrument's feeds, for people.
package struct InstrumentStatus: Hashable, Sendable {
    package var instrument: UInt32
    package var symbol: String
    /// The unit of the sizes of its trades.
    package var sizes: SizeUnit
    package var feeds: [FeedStatus]
}

/// Counts since the start.
package struct EngineCounters: Hashable, Sendable {
    /// Messages that were read completely.
    package var messages: UInt64 = 0
    /// Messages of types that are not known.
    package var unknownMessages: UInt64 = 0
    /// Counts per fault.
    private var skipped: [FieldFault: UInt64] = [:]
    /// Numbers that the tape's scale cannot hold: rounded, or undefined when they were too large.
    package var lostNumbers: UInt64 = 0
    /// Exchanges, conditions and market makers that were cut to the length a tick holds.
    package var cutTexts: UInt64 = 0
    /// Messages of subscriptions that had already ended.
    package var strayMessages: UInt64 = 0
    /// Live records below the floor, which came later than any delay allows for.
    package var lateRecords: UInt64 = 0
    /// Connections that became ready.
    package var connections: UInt64 = 0
    /// Subscriptions that the engine ended to request them again.
    package var resubscriptions: UInt64 = 0
    /// Gaps that began and ended, one per instrument and kind of data.
    package var outagesBegun: UInt64 = 0
    package var outagesEnded: UInt64 = 0

    /// Messages that were skipped because a field has a fault.
    package var skippedMessages: UInt64 { skipped.values.reduce(0, &+) }

    package func skipped(_ fault: FieldFault) -> UInt64 { skipped[fault] ?? 0 }

    mutating func skip(_ fault: FieldFault) { skipped[fault, default: 0] &+= 1 }

    /// Adds what the decoder of one connection has counted. The decoder ends with its connection.
    mutating func add(_ decoder: DecodeCounters?) {
        guard let decoder else { return }
        lostNumbers &+= decoder.lostNumbers
        cutTexts &+= decoder.cutTexts
    }
}

/// The present state of the engine.
package struct IBStatus: Sendable {
    package var state: SessionState
    /// Why the last connection or attempt ended; empty: none has.
    package var reason: String
    /// When the state began, monotonic.
    package var since: MonotonicTime
    /// When the next attempt is, monotonic; `nil` when none is planned.
    package var nextAttempt: MonotonicTime?
    /// The number of failed attempts in a row.
    package var failures: Int
    /// The version of the server's protocol; `nil`: it has not greeted on this connection.
    package var serverVersion: Int?
    package var instruments: [InstrumentStatus]
    /// The lines for market data that are in use.
    package var linesUsed: Int
    /// The number of open gaps.
    package var openOutages: Int
    /// The number of ended gaps that are not filled yet.
    package var waitingBackfills: Int
    /// The first requests that wait to be sent.
    package var pacing: [PacingMachine.Waiting]
    /// How far the provider's clock is certainly ahead of ours, in nanoseconds.
    package var clockDifference: Int64
    /// No later live record has an earlier time; undefined: nothing is known yet.
    package var floor: Timestamp
    package var counters: EngineCounters
}
