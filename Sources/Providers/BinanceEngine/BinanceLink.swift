internal import EngineKit
internal import Primitives

/// A connection that is kept up: when it fails, or is old, another one takes its place. With
/// `isHotHot` there are two links, which deliver the same trades.
struct BinanceLink: Sendable {
    var retry: ReconnectWait
    /// How densely messages came on the last connection: the next one may be stopped from its
    /// beginning.
    var pace = StreamPace()
    /// Whether its first connection gets its successor earlier, so that both links are not renewed
    /// at the same time.
    var isEarly: Bool

    init(_ settings: BinanceSettings, number: Int) {
        retry = ReconnectWait(
            first: settings.reconnectFirst, max: settings.reconnectMax,
            seed: settings.seed &+ UInt64(number) &* 1_000_003)
        isEarly = number > 0
    }
}

/// The last numbers that were given out.
struct BinanceNumbers: Sendable {
    var leg: BinanceLegNumber = 0
    var request: UInt64 = 0
    /// The requests of the last minute, of all connections.
    var sent = MinuteWindow()
}
