/// The state of a window, as flags.
@frozen
@usableFromInline
struct WindowPhase: OptionSet, Sendable, BitwiseCopyable {
    @usableFromInline let rawValue: UInt8

    @inlinable @inline(__always)
    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The watermark has passed its end: a change makes a new version.
    static let closed = WindowPhase(rawValue: 1 << 0)
    /// A version of its bar has been published.
    static let published = WindowPhase(rawValue: 1 << 1)
    /// Closed, and changed since.
    static let touched = WindowPhase(rawValue: 1 << 2)
    /// Open and close come from trades that may set only high and low. The first trade that may set
    /// open and close replaces them.
    static let rangeOnly = WindowPhase(rawValue: 1 << 3)

    /// In a repair: a trade of it was cancelled or corrected.
    static let changed = WindowPhase(rawValue: 1 << 4)

    /// The flags that the stored state of a machine may have.
    static let all: WindowPhase = [.closed, .published, .touched, .rangeOnly]
}
