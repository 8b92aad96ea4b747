internal import EngineKit
internal import MarketModel
internal import Primitives

/// The connection that is kept up. The service allows one.
struct MassiveLink: Sendable {
    enum State: Sendable {
        /// There is none.
        case closed
        /// An attempt is under way.
        case opening
        /// The service has not said yet that it is connected.
        case greeting
        case authenticating
        /// Requests can be sent.
        case ready
    }

    /// Whether a feed is wanted.
    var isWanted = false
    var state = State.closed
    var number: MassiveConnection = 0
    var retry: ReconnectWait
    /// When it became ready.
    var readyAt = MonotonicTime.never
    /// Of all connections in turn: a new one may be stopped from its beginning.
    var heard = LastHeard()
    /// Until when an answer has to come.
    var due = MonotonicTime.never
    var asking = MassiveAsking()
    /// The requests of the last minute.
    var sent = MinuteWindow()
    /// Why the service takes neither key nor plan; empty: it does, as far as known.
    var refusal = ""
    /// Whether another session was there at the last attempt, and may still be.
    var isOccupied = false
    /// What the service has said of the connection's end; empty: nothing.
    var lastSaid = ""
    /// What ended the last connection or attempt; empty: nothing did since one was ready.
    var reason = ""

    init(_ settings: MassiveSettings) {
        retry = ReconnectWait(
            first: settings.reconnectFirst, max: settings.reconnectMax, seed: settings.seed)
    }
}

/// What the connection is asked for.
struct MassiveAsking: Sendable {
    /// The request without an answer; `nil`: there is none.
    var request: MassiveRequest?
    /// When the next request may leave.
    var sendAt = MonotonicTime.distantPast
    /// Whether a request may be missing that the service should have been sent.
    var isBehind = true
}

/// A request that waits for its answers: one for each word.
struct MassiveRequest: Sendable {
    var isSubscribing: Bool
    /// The feeds without an answer.
    var feeds: [Int]
    /// Whether anything was heard since it was sent.
    var isHeard = false
    /// Why the service refuses what it does not confirm; empty: it said nothing.
    var refusal = ""
}
