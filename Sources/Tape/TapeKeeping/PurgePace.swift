/// How much of the time a purge may hold publishers of a stream up. Pure.
enum PurgePace {
    /// A step holds publishers up for about as long as it takes. At the goal they have the stream
    /// so much longer for themselves; the fuller it is, the shorter, so that a purge finds the
    /// pace at which it keeps up by itself.
    static let restPerStepMax: Int64 = 4
    /// A step that took this long says nothing of the next one.
    static let pauseNanosecondsMax: Int64 = 50_000_000

    /// Nanoseconds. None when the stream is so full that publishers would soon be refused.
    static func pause(after nanoseconds: Int64, bytes: UInt64, marks: PurgeMarks) -> Int64 {
        guard bytes < marks.urgentBytes else { return 0 }
        let step = max(0, min(nanoseconds, pauseNanosecondsMax))
        let room = marks.urgentBytes - max(bytes, marks.goalBytes)
        let share = Double(room) / Double(max(1, marks.urgentBytes - marks.goalBytes))
        return min(pauseNanosecondsMax, Int64(Double(step * restPerStepMax) * share))
    }
}
