package import Primitives

/// How much was used in the last minute, exact to a second, in fixed memory.
package struct MinuteWindow: Sendable {
    private static let second: Int64 = 1_000_000_000
    private static let seconds = 60

    /// What was used in each second, by the second's number modulo 60.
    private var used: InlineArray<60, Int> = .init(repeating: 0)
    /// The number of the latest second.
    private var latest = Int64.min

    package init() {}

    /// Notes what was used now.
    package mutating func add(_ count: Int, _ now: MonotonicTime) {
        let second = now.nanoseconds / Self.second
        if latest == .min || second - latest >= Self.seconds {
            used = .init(repeating: 0)
        } else if second > latest {
            for past in (latest + 1)...second { used[Self.place(past)] = 0 }
        }
        latest = max(latest, second)
        used[Self.place(second)] += count
    }

    /// Returns what was used in the minute up to now.
    package func sum(_ now: MonotonicTime) -> Int {
        guard latest != .min else { return 0 }
        let first = max(now.nanoseconds / Self.second, latest) - Int64(Self.seconds) + 1
        guard first <= latest else { return 0 }
        return (first...latest).reduce(0) { $0 + used[Self.place($1)] }
    }

    private static func place(_ second: Int64) -> Int {
        Int(((second % Int64(seconds)) + Int64(seconds)) % Int64(seconds))
    }
}
