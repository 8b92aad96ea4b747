package import Primitives

/// How densely messages come on a connection. It can answer pings while the service has stopped its
/// stream, which looks like a quiet market. After messages that came densely it is none.
///
/// Messages are counted in windows of several lengths. So many dense windows in a row make a
/// silence stand out that is as long for its windows as `silentAfter` for those of ten seconds.
/// Those of a second count at the beginning alone, while longer ones are not known yet: a burst of
/// a few seconds is no pace.
package struct StreamPace: Sendable {
    private static let second: Int64 = 1_000_000_000
    private static let seconds: InlineArray<4, Int64> = [1, 10, 100, 1000]
    /// The windows after which `silentAfter` is long.
    private static let plain = 1
    /// A window with fewer messages is not dense. `silentAfter` is some windows of a second.
    private static let messagesMin: InlineArray<4, Int> = [10, 50, 50, 50]
    /// So many dense windows in a row make a stop stand out.
    private static let windowsMin = 3

    private struct Window {
        var begun = MonotonicTime.distantPast
        var messages = 0
        /// Dense ones in a row, and all of them; both no further than they matter.
        var dense = 0
        var over = 0

        /// Adds messages, and ends the window when its length has passed.
        @inline(__always)
        mutating func note(
            _ count: Int, _ now: MonotonicTime, length: Int64, messagesMin: Int
        ) {
            if begun == .distantPast { begun = now }
            let since = now - begun
            if since >= length {
                let isDense = messages >= messagesMin && since < 2 * length
                dense = isDense ? min(dense + 1, StreamPace.windowsMin) : 0
                // A longer silence is as many windows without messages.
                let ended =
                    since < Int64(StreamPace.windowsMin) * length ? 1 : StreamPace.windowsMin
                over = min(over + ended, StreamPace.windowsMin)
                begun = now
                messages = 0
            }
            messages += count
        }
    }

    private var windows = InlineArray<4, Window>(repeating: Window())
    /// The last message, or the beginning of the connection.
    private var last = MonotonicTime.distantPast
    /// Since when there is no connection; `nil`: there is one.
    private var pausedAt: MonotonicTime?

    package init() {}

    /// A connection is lost: until the next one is ready, no silence says anything.
    package mutating func pause(_ now: MonotonicTime) {
        if pausedAt == nil { pausedAt = now }
    }

    /// The stream has stopped: how densely it came says nothing any more. Windows of a second do
    /// not count once more.
    package mutating func forget() {
        self = StreamPace()
        windows[Self.plain].over = Self.windowsMin
    }

    /// There is a connection again: the windows continue without the pause.
    package mutating func resume(_ now: MonotonicTime) {
        if let pausedAt {
            for place in windows.indices where windows[place].begun != .distantPast {
                windows[place].begun += now - pausedAt
            }
        }
        pausedAt = nil
        last = now
    }

    /// Notes messages of the market.
    package mutating func note(_ count: Int, _ now: MonotonicTime) {
        guard count > 0, pausedAt == nil else { return }
        last = now
        for place in windows.indices {
            windows[place].note(
                count, now, length: Self.seconds[place] * Self.second,
                messagesMin: Self.messagesMin[place])
        }
    }

    /// The shortest windows of which so many in a row were dense that their end stands out.
    private var dense: Int? {
        let first = windows[Self.plain].over < Self.windowsMin ? 0 : Self.plain
        for place in first..<windows.count where windows[place].dense >= Self.windowsMin {
            return place
        }
        return nil
    }

    /// Whether messages came so densely that their end stands out.
    package var isDense: Bool { dense != nil }

    /// Returns when it stands out that nothing comes any more.
    package func stopsAt(silentAfter: Int64) -> MonotonicTime {
        guard pausedAt == nil, let dense else { return .never }
        return last + (dense <= Self.plain ? 1 : Self.seconds[dense] / Self.seconds[Self.plain])
            * silentAfter
    }
}
