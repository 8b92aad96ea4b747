public import MarketModel
public import Primitives

/// A trade that is in no window of one series, with what a person needs to judge it.
public struct LateTick: Hashable, Sendable {
    public enum Reason: UInt8, Sendable {
        /// The watermark had passed the window's end.
        case windowClosed = 0
        /// One of the limits on open windows was reached.
        case windowLimit = 1
    }

    /// Its symbol is the interned one.
    public var trade: Trade
    public var source: Int
    public var ordinal: UInt64
    public var series: UInt16
    /// The window into which it would have gone.
    public var openTime: Timestamp
    public var closeTime: Timestamp
    public var reason: Reason
}
