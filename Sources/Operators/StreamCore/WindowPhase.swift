/// What has become of a window so far.
@frozen
@usableFromInline
struct WindowPhase: OptionSet, Sendable, BitwiseCopyable {
    @usableFromInline let rawValue: UInt8

    @inlinable @inline(__always)
    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The watermark has passed its end: what changes it makes a new version.
    static let closed = WindowPhase(rawValue: 1 << 0)
    /// A version of its bar stands.
    static let published = WindowPhase(rawValue: 1 << 1)
    /// Closed, and changed since.
    static let touched = WindowPhase(rawValue: 1 << 2)
    /// Open and close are those of trades that may set high and low alone: the first one that may
    /// set open and close takes their place.
    static let rangeOnly = WindowPhase(rawValue: 1 << 3)

    /// Of a repair: a trade of it was cancelled or corrected.
    static let changed = WindowPhase(rawValue: 1 << 4)

    /// What the state of a machine may hold.
    static let all: WindowPhase = [.closed, .published, .touched, .rangeOnly]
}
