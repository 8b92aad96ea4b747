package import MarketModel
package import Primitives

/// How far a server's clock seems to be from ours. A message is as old as it was under way, so the
/// freshest one counts.
package struct ServerClock: Sendable {
    /// How long an estimate counts.
    private static let window: Int64 = 60_000_000_000
    private static let dayNanoseconds: Int64 = 86_400_000_000_000
    /// How far the server's clock is believed to be ahead, and how many messages have to say so.
    private static let aheadMax: Int64 = 60_000_000_000
    private static let aheadMessages = 3
    /// The messages that have a say in how far it is ahead, and how often that is reported.
    private static let leadsMax = 63
    private static let reportAfter: Int64 = 1_000_000_000
    /// What is assumed of the server's clock before it is known.
    private let unknownBehind: Int64

    private var best = Int64.min
    private var before = Int64.min
    private var since = MonotonicTime.distantPast
    /// How far each of the last messages was ahead, and when it came, in a ring.
    private var leads = [(ahead: Int64, at: MonotonicTime)](
        repeating: (0, .distantPast), count: ServerClock.leadsMax)
    private var leadsCount = 0
    private var leadPlace = 0
    private var notedAt = MonotonicTime.distantPast
    private var reportedAt = MonotonicTime.distantPast
    /// No later record has an earlier event time; undefined: not known yet.
    package private(set) var floor = Timestamp.undefined

    /// `behind`: how far the times of the server's messages may be behind before they are known, in
    /// nanoseconds.
    package init(behind: Int64 = 5_000_000_000) { unknownBehind = -behind }

    /// `time`: the server's time in a message.
    package mutating func note(_ time: Timestamp, _ now: Moment) {
        let ahead = time.nanoseconds(since: now.wall)
        if now.monotonic - since >= Self.window {
            before = best
            best = Int64.min
            since = now.monotonic
        }
        best = max(best, ahead)
        leads[leadPlace] = (ahead, now.monotonic)
        leadPlace = leadPlace + 1 == Self.leadsMax ? 0 : leadPlace + 1
        leadsCount = min(leadsCount + 1, Self.leadsMax)
        notedAt = now.monotonic
    }

    /// The server's clock less ours, if it is behind or unknown, else 0.
    private var behind: Int64 {
        let ahead = max(best, before)
        return ahead == Int64.min ? unknownBehind : min(0, max(ahead, -Self.dayNanoseconds))
    }

    /// How far the server's clock is ahead of ours by the freshest messages, in nanoseconds, 0 when
    /// it is behind; `nil`: it is not known. One or two wrong stamps change nothing.
    package var ahead: Int64? {
        let leads = sortedLeads
        guard !leads.isEmpty else { return nil }
        return max(0, min(leads[max(0, leads.count - Self.aheadMessages)], Self.aheadMax))
    }

    /// Those of the last two windows before the last message: a clock may have been set earlier.
    private var sortedLeads: [Int64] {
        leads[..<leadsCount].filter { notedAt - $0.at < 2 * Self.window }.map(\.ahead).sorted()
    }

    /// Returns the present by the slower of both clocks.
    package func present(_ now: Moment) -> Timestamp { now.wall.advanced(byNanoseconds: behind) }

    /// What had arrived was handed in. `oldest`: the earliest time of what may still come, or waits
    /// in the engine; `nil`: nothing does.
    package mutating func drained(_ now: Moment, oldest: Timestamp?, delayMax: Int64) {
        var present = present(now)
        if let oldest { present = min(present, oldest) }
        present = present.advanced(byNanoseconds: -delayMax)
        floor = floor.isDefined ? max(floor, present) : present
    }

    /// Returns how far it is certainly ahead, at most once a second: 0 when both may agree, `nil`
    /// when nothing came, or when messages are older than they may be under way. Half of the last
    /// messages have to agree: what admits stamps of the future must not follow one of them.
    package mutating func take(_ delayMax: Int64) -> Int64? {
        guard leadsCount > 0, notedAt - reportedAt >= Self.reportAfter else { return nil }
        reportedAt = notedAt
        let leads = sortedLeads
        let middle = leads[(leads.count - 1) / 2]
        return middle >= -delayMax ? max(0, middle) : nil
    }
}
