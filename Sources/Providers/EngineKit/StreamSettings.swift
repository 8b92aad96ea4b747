/// What engines of services that stream have as settings. Spans are nanoseconds.
package struct StreamSettings: Sendable {
    /// The provider's name, for records about subscriptions.
    package var provider: String
    /// For the random part of waits.
    package var seed: UInt64
    /// The first wait after a failure, which doubles up to the longest one.
    package var reconnectFirst: Int64 = 1_000_000_000
    package var reconnectMax: Int64 = 60_000_000_000
    /// The connection's own pings give it up when it answers none for so long.
    package var silentAfter: Int64 = 10_000_000_000
    /// How long a record may be under way. The watermark stays so much before the present.
    package var delayMax: Int64 = 2_000_000_000
    /// The last trades that are known again.
    package var tradesKept = 524_288
    /// Whether the service's past fills gaps of trades.
    package var fills = false
    /// What no reason may show, as the service can send back what it was given.
    package var hidden = HiddenTexts()

    package init(_ provider: String, seed: UInt64) {
        self.provider = provider
        self.seed = seed
    }
}

/// What is known of a service. Spans are nanoseconds.
package struct StreamRules: Sendable {
    package let hours: MarketHours
    /// The feeds that one request names.
    package let perRequest: Int
    /// The wait while another session is there.
    package let occupiedWait: Int64
    /// So long a connection is doubted after another session was there; 0: not at all.
    package let provenAfter: Int64
    /// How much longer than trades bars may be under way: a bar is sent after its end.
    package let barDelay: Int64
    /// Whether the service greets a connection, and wants a key.
    package var greets = true
    /// Whether a silent connection is asked for an answer.
    package var probes = false
    /// The time between two requests on a connection.
    package var requestInterval = StreamLimits.requestInterval
    /// How connections are merged of which each delivers all; `nil`: a feed has one of its own.
    package var merge: MergeRules?

    package init(
        _ hours: MarketHours, perRequest: Int, occupiedWait: Int64, provenAfter: Int64 = 0,
        barDelay: Int64 = 0
    ) {
        self.hours = hours
        self.perRequest = perRequest
        self.occupiedWait = occupiedWait
        self.provenAfter = provenAfter
        self.barDelay = barDelay
    }
}

/// What is known of a service each of whose connections delivers all feeds, so that their records
/// are merged by numbers. Spans are nanoseconds.
package struct MergeRules: Sendable {
    /// Connections that deliver the same all the time: each is a leg.
    package var legs = 1
    /// The streams of one connection.
    package var streamsMax: Int
    /// The age at which a connection gets its successor, and how long both deliver.
    package var renewAfter: Int64
    package var overlap: Int64
    /// How long a trade ahead of a missing one waits for another connection to bring that one.
    package var wait: Int64
    /// What the service says of requests for its past, the time that one for trades takes, and how
    /// many trades it gives.
    package var requests: RequestLimits
    package var fetchInterval: Int64
    package var tradesPerFetch: Int
    /// Whether trades that did not come are asked for.
    package var fills = false

    package init(
        streamsMax: Int, renewing: (after: Int64, overlap: Int64), wait: Int64,
        past: (RequestLimits, interval: Int64, trades: Int)
    ) {
        self.streamsMax = streamsMax
        (renewAfter, overlap) = renewing
        self.wait = wait
        (requests, fetchInterval, tradesPerFetch) = past
    }
}

/// Bounds that are no settings, and that are the same for all services.
package enum StreamLimits {
    /// The time between two requests.
    package static let requestInterval: Int64 = 250_000_000
    /// How long a request may be without an answer.
    package static let answerAfter: Int64 = 10_000_000_000
    /// The longest symbol in bytes.
    package static let symbolBytesMax = 24
    /// The length of a text of a service that is shown.
    package static let textCharactersMax = 200
    /// The wait after a refusal that only the account's owner can end.
    package static let refusedWait: Int64 = 60_000_000_000
}
