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
