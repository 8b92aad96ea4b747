package import Primitives

/// How densely messages come on a connection. It can answer pings while the service has stopped its
/// stream, which looks like a quiet market. After messages that came densely it is none.
///
/// Messages are counted in windows of three lengths. So many dense windows in a row make a silence
/// stand out that is as long for its windows as `silentAfter` for the shortest.
package struct StreamPace: Sendable {
    private static let shortest: Int64 = 10_000_000_000
    private static let factors: InlineArray<3, Int64> = [1, 10, 100]
    /// A window with fewer messages is not dense.
    private static let messagesMin = 50
    /// So many dense windows in a row make a stop stand out.
    private static let windowsMin = 3

    private struct Window {
        var begun = MonotonicTime.distantPast
        var messages = 0
        /// Dense ones in a row.
        var dense = 0

        @inline(__always)
        mutating func note(_ count: Int, _ now: MonotonicTime, length: Int64) {
            let since = now - begun
            if since >= length {
                let isDense = messages >= StreamPace.messagesMin && since < 2 * length
                dense = isDense ? min(dense + 1, StreamPace.windowsMin) : 0
                begun = now
                messages = 0
            }
            messages += count
        }
    }

    private var windows = InlineArray<3, Window>(repeating: Window())
    /// The last message, or the beginning of the connection.
    private var last = MonotonicTime.distantPast
    /// Since when there is no connection; `nil`: there is one.
    private var pausedAt: MonotonicTime?

    package init() {}

    /// A connection is lost: until the next one is ready, no silence says anything.
    package mutating func pause(_ now: MonotonicTime) {
        if pausedAt == nil { pausedAt = now }
    }

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
            windows[place].note(count, now, length: Self.factors[place] * Self.shortest)
        }
    }

    /// Whether messages came so densely that their end stands out.
    package var isDense: Bool { densest != nil }

    /// The shortest of the windows in which messages came densely; `nil`: there is none.
    private var densest: Int? {
        windows.indices.first { windows[$0].dense >= Self.windowsMin }
    }

    /// Returns when it stands out that nothing comes any more.
    package func stopsAt(silentAfter: Int64) -> MonotonicTime {
        guard pausedAt == nil, let place = densest else { return .never }
        return last + Self.factors[place] * silentAfter
    }
}
