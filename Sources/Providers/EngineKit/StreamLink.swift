package import Primitives

/// A connection that is kept up.
package struct StreamLink: Sendable {
    package enum State: Sendable {
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

    /// By how much its events are reported later than they happen; `nil`: their times say nothing
    /// of that.
    let lag: ClosedRange<Int64>?
    package internal(set) var renewal: LinkRenewal
    /// Whether a feed comes on it that is wanted.
    package internal(set) var isWanted = false
    package internal(set) var state = State.closed
    package internal(set) var number: UInt32 = 0
    var retry: ReconnectWait
    /// When it became ready.
    var readyAt = MonotonicTime.never
    /// Of all connections in turn: a new one may be stopped from its beginning.
    var heard = LastHeard()
    /// Until when an answer has to come.
    package var due = MonotonicTime.never
    package var asking: StreamAsking
    /// The requests of the last minute.
    var sent = MinuteWindow()
    /// Why the service takes neither key nor plan; empty: it does, as far as known.
    package internal(set) var refusal = ""
    /// Whether another session was there at the last attempt, and may still be.
    package internal(set) var isOccupied = false
    /// What the service has said of the connection's end; empty: nothing.
    package var lastSaid = ""
    /// What ended the last connection or attempt; empty: nothing did since one was ready.
    package internal(set) var reason = ""

    init(
        _ number: Int, _ lag: ClosedRange<Int64>?, _ settings: StreamSettings,
        _ rules: StreamRules
    ) {
        self.lag = lag
        renewal = LinkRenewal(number, legs: rules.merge?.legs)
        asking = StreamAsking(perRequest: rules.perRequest)
        retry = ReconnectWait(
            first: settings.reconnectFirst, max: settings.reconnectMax,
            seed: settings.seed &+ UInt64(number) &* 1_000_003)
    }
}

/// How a link is one of two of a leg, where connections are merged. One of them has the present
/// connection, and the other one for a while that which follows.
package struct LinkRenewal: Sendable {
    package let leg: Int
    package internal(set) var isSuccessor = false
    /// Whether the next connection gets its successor earlier, so that two legs are not renewed at
    /// the same time.
    var isEarly = false
    /// The age at which the connection gets its successor, and when that is, or since when the
    /// service has said that it will end it.
    var age: Int64 = 0
    var at = MonotonicTime.never
    /// When the service had answered for all that is wanted; `nil`: not yet.
    var completeAt: MonotonicTime?

    /// `legs`: how many there are; `nil`: connections are not merged.
    init(_ number: Int, legs: Int?) {
        leg = legs.map { number % $0 } ?? 0
        isSuccessor = legs.map { number >= $0 } ?? false
        isEarly = leg > 0 && !isSuccessor
    }
}

/// What a connection is asked for.
package struct StreamAsking: Sendable {
    /// The request without an answer; `nil`: there is none.
    package var request: StreamRequest?
    /// When the next request may leave.
    var sendAt = MonotonicTime.distantPast
    /// How many feeds the next request names at most.
    package var feedsMax: Int
    /// Whether a request names one channel alone, because another one was refused.
    package var isByChannel = false
    /// What the service said when the account had no more symbols; empty: it did not.
    package var roomRefused = ""
    /// Whether a silent connection has been asked for an answer.
    var isProbing = false
    /// Whether a request may be missing that the service should have been sent.
    package var isBehind = true

    init(perRequest: Int) { feedsMax = perRequest }
}

/// A request that waits for its answers.
package struct StreamRequest: Sendable {
    package let number: UInt64
    package let isSubscribing: Bool
    /// The feeds without an answer.
    package var feeds: [Int]
    /// Whether anything was heard since it was sent.
    package internal(set) var isHeard = false
    /// Why the service refuses what it does not confirm; empty: it said nothing.
    package var refusal = ""

    init(_ number: UInt64, _ feeds: [Int], isSubscribing: Bool) {
        self.number = number
        self.feeds = feeds
        self.isSubscribing = isSubscribing
    }
}
