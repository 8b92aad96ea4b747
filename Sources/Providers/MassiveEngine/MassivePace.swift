internal import Primitives

/// How densely messages come. A connection can answer pings while the service has stopped its
/// stream, which looks like a quiet market. After messages that came densely it is none.
struct MassivePace: Sendable {
    private static let window: Int64 = 10_000_000_000
    /// A window with fewer messages is not dense.
    private static let messagesMin = 50
    /// So many dense windows in a row make a stop stand out.
    private static let windowsMin = 3

    private var begun = MonotonicTime.distantPast
    private var messages = 0
    private var windows = 0

    /// Notes messages of the market.
    mutating func note(_ count: Int, _ now: MonotonicTime) {
        let since = now - begun
        if since >= Self.window {
            let isDense = messages >= Self.messagesMin && since < 2 * Self.window
            windows = isDense ? min(windows + 1, Self.windowsMin) : 0
            begun = now
            messages = 0
        }
        messages += count
    }

    var isDense: Bool { windows >= Self.windowsMin }
}
