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
    /// How much of the present window had passed when the connection was lost; `nil`: it was not.
    private var passed: Int64?
    private var messages = 0
    private var windows = 0

    /// A connection is lost: until the next one is ready, no silence says anything.
    mutating func pause(_ now: MonotonicTime) {
        if begun != .distantPast { passed = now - begun }
    }

    mutating func resume(_ now: MonotonicTime) {
        if let passed { begun = now + -passed }
        passed = nil
    }

    /// Notes messages of the market.
    mutating func note(_ count: Int, _ now: MonotonicTime) {
        guard passed == nil else { return }
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
