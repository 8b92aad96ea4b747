internal import EngineKit
internal import Primitives

/// A stretch of time to compute again.
struct AlpacaRepair: Sendable {
    /// Undefined: nothing is to be computed again.
    var from = Timestamp.undefined
    var to = Timestamp.undefined
    /// When the next request may leave.
    var at = MonotonicTime.distantPast

    mutating func add(_ from: Timestamp, _ to: Timestamp) {
        self.from = self.from.isDefined ? min(self.from, from) : from
        self.to = self.to.isDefined ? max(self.to, to) : to
    }
}

/// A connection that is kept up.
struct AlpacaLink: Sendable {
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

    let endpoint: AlpacaEndpoint
    /// Whether a feed comes on it that is wanted.
    var isWanted = false
    var state = State.closed
    var number: AlpacaConnection = 0
    var retry: ReconnectWait
    /// When it became ready.
    var readyAt = MonotonicTime.never
    /// Of all connections in turn: a new one may be stopped from its beginning.
    var heard = LastHeard()
    /// Until when an answer has to come.
    var due = MonotonicTime.never
    var asking = AlpacaAsking()
    /// The requests of the last minute.
    var sent = MinuteWindow()
    /// What the service said when the account had no more symbols; empty: it did not.
    var symbolsRefused = ""
    /// Why the service takes neither key nor subscription; empty: it does, as far as known.
    var refusal = ""
    /// Whether another session was there at the last attempt.
    var isOccupied = false
    /// What ended the last connection or attempt; empty: nothing did since one was ready.
    var reason = ""

    init(_ endpoint: AlpacaEndpoint, _ settings: AlpacaSettings) {
        self.endpoint = endpoint
        retry = ReconnectWait(
            first: settings.reconnectFirst, max: settings.reconnectMax,
            seed: settings.seed &+ UInt64(endpoint.rawValue) &* 1_000_003)
    }
}

/// What a connection is asked for.
struct AlpacaAsking: Sendable {
    /// The request without an answer; `nil`: there is none.
    var request: AlpacaRequest?
    /// When the next request may leave.
    var sendAt = MonotonicTime.distantPast
    /// How many symbols the next request names at most.
    var symbolsMax = AlpacaLimits.symbolsPerRequest
    /// Whether a request names one channel alone, because another one was refused.
    var isByChannel = false
    /// Whether a request may be missing that the service should have been sent.
    var isBehind = true
}

/// A request that waits for its answer.
struct AlpacaRequest: Sendable {
    enum Kind: Sendable {
        case subscribe, unsubscribe
    }

    var kind: Kind
    var feeds: [Int]
}
