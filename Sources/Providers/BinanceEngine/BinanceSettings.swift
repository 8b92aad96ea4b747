internal import Primitives

/// The engine's settings. Spans are nanoseconds.
package struct BinanceSettings: Sendable {
    /// The provider's name, for records about subscriptions.
    package var provider = "binance"
    /// For the random part of waits.
    package var seed: UInt64
    /// The exchange's limit of streams of one connection; further instruments are refused.
    package var streamsMax = 1_024
    /// The first wait after a failure, which doubles up to the longest one.
    package var reconnectFirst: Int64 = 1_000_000_000
    package var reconnectMax: Int64 = 60_000_000_000
    /// The age at which a connection gets its successor. The exchange ends it after 24 hours.
    package var renewAfter: Int64 = 85_800_000_000_000
    /// How long both connections deliver, from the successor's subscription on.
    package var overlap: Int64 = 2_000_000_000
    /// A connection on which nothing came for so long is given up; after half of it the engine
    /// asks for an answer.
    package var silentAfter: Int64 = 30_000_000_000
    /// How long a trade may be under way. The watermark stays so much before the present.
    package var delayMax: Int64 = 2_000_000_000

    package init(seed: UInt64) { self.seed = seed }
}

/// Bounds that are no settings.
package enum BinanceLimits {
    /// The streams that one request names. It keeps requests below 4 KiB.
    package static let streamsPerRequest = 100
    /// The exchange takes five messages a second, its own pings' answers included.
    package static let requestInterval: Int64 = 400_000_000
    /// How long a request may be without an answer; then the connection is given up.
    package static let answerAfter: Int64 = 10_000_000_000
    /// Trades of a successor that wait for the end of the overlap. At the limit it takes over.
    package static let heldTradesMax = 65_536
    /// So many ids in a row that are not above the last one, of younger trades, mean that the
    /// exchange began again to count.
    package static let lowerIDsMax = 64
    /// The longest symbol in bytes.
    package static let symbolBytesMax = 32
    /// The length of a refusal that is shown.
    package static let refusalCharactersMax = 200
    /// Notes that wait for a report. Beyond it they are only counted.
    package static let notesMax = 256
}
