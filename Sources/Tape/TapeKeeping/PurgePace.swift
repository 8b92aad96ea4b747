/// Decides how much of the time a purge may delay a stream's publishers. Pure.
enum PurgePace {
    /// A step delays publishers for about as long as it takes. At the goal, the pause after a step
    /// is this many times longer than the step. The fuller the stream, the shorter the pause, so
    /// that a purge finds by itself the pace at which it keeps up.
    static let restPerStepMax: Int64 = 4
    /// The longest time of a step that is used for its pause: a longer step does not predict the
    /// next one. It also bounds the pause.
    static let pauseNanosecondsMax: Int64 = 50_000_000

    /// Returns the pause after a step in nanoseconds: 0 when the stream is so full that publishers
    /// would soon be refused.
    static func pause(after nanoseconds: Int64, bytes: UInt64, marks: PurgeMarks) -> Int64 {
        guard bytes < marks.urgentBytes else { return 0 }
        let step = max(0, min(nanoseconds, pauseNanosecondsMax))
        let room = marks.urgentBytes - max(bytes, marks.goalBytes)
        let share = Double(room) / Double(max(1, marks.urgentBytes - marks.goalBytes))
        return min(pauseNanosecondsMax, Int64(Double(step * restPerStepMax) * share))
    }
}
