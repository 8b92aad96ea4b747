package import MarketModel
package import Primitives

/// How far a server's clock seems to be from ours. A message is as old as it was under way, so
/// the freshest one counts.
package struct ServerClock: Sendable {
    /// How long an estimate counts.
    private static let window: Int64 = 60_000_000_000
    private static let dayNanoseconds: Int64 = 86_400_000_000_000
    /// What is assumed of the server's clock before it is known.
    private let unknownBehind: Int64

    private var best = Int64.min
    private var before = Int64.min
    private var since = MonotonicTime.distantPast
    /// The freshest since it was last reported.
    private var fresh = Int64.min
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
        fresh = max(fresh, ahead)
    }

    /// The server's clock less ours, if it is behind or unknown, else 0.
    private var behind: Int64 {
        let ahead = max(best, before)
        return ahead == Int64.min ? unknownBehind : min(0, max(ahead, -Self.dayNanoseconds))
    }

    /// What had arrived was handed in. `oldest`: the earliest time of what may still come, or waits
    /// in the engine; `nil`: nothing does.
    package mutating func drained(_ now: Moment, oldest: Timestamp?, delayMax: Int64) {
        var present = now.wall.advanced(byNanoseconds: behind)
        if let oldest { present = min(present, oldest) }
        present = present.advanced(byNanoseconds: -delayMax)
        floor = floor.isDefined ? max(floor, present) : present
    }

    /// Returns how far it is certainly ahead: 0 when both may agree, `nil` when nothing came, or
    /// when messages are older than they may be under way.
    package mutating func take(_ delayMax: Int64) -> Int64? {
        defer { fresh = Int64.min }
        guard fresh >= -delayMax else { return nil }
        return max(0, fresh)
    }
}
