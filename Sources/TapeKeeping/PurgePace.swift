/// How much of the time a purge may hold publishers up. Pure.
enum PurgePace {
    /// A step holds publishers up for about as long as it takes; so much longer they have the
    /// stream for themselves. Measured, see Benchmarks.
    static let restPerStep: Int64 = 3
    /// A step that took this long says nothing of the next one.
    static let pauseNanosecondsMax: Int64 = 50_000_000

    /// Nanoseconds. None when the stream is so full that publishers would soon be refused.
    static func pause(after nanoseconds: Int64, bytes: UInt64, marks: PurgeMarks) -> Int64 {
        guard bytes < marks.urgentBytes else { return 0 }
        let step = max(0, min(nanoseconds, pauseNanosecondsMax))
        return min(pauseNanosecondsMax, step * restPerStep)
    }
}
