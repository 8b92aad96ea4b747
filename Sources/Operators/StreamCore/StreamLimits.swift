/// The bounds of one partition's machines. Each limit states what happens when it is reached. Spans
/// and times are in nanoseconds.
public enum StreamLimits {
    /// Symbols of one partition, counted once for each of their sources (or groups). At the limit
    /// a new one gets no index: its ticks are in no bar, and are counted as
    /// `BarCounters.unknownSymbol`.
    public static let symbolsMax = 65_536

    /// Sources of one partition that are not retired. At the limit a new source gets no index, and
    /// `GraphMachine.take` refuses its packets. The worker then stops the partition, and says why:
    /// bars without these ticks would be wrong and nobody would know. A retired source that returns
    /// is taken also beyond the limit, because its index is given out already.
    public static let sourcesMax = 1_024

    /// Sources of one partition, with the retired ones, whose numbers and ordinals stay known. At
    /// the limit the same happens to a new source.
    public static let sourcesKnownMax = 4_096

    /// Provider names that are told apart. All further ones are treated as one provider, so a bar
    /// that mixes two of these is not flagged.
    public static let providersMax = 256

    /// The length of a provider's name in bytes. All longer names are treated as one provider, too.
    public static let providerBytesMax = 64

    /// Series of one node of a graph. More are a configuration error.
    public static let seriesMax = 16

    /// How long after its end a window takes ticks. More is a configuration error.
    public static let latenessMax: Int64 = 7 * dayNanoseconds

    /// Closed windows of one symbol and series that wait for late ticks. A lateness for which more
    /// would wait is a configuration error. So half of `openWindowsPerKeyMax` is left for open
    /// windows.
    public static let keptWindowsMax: Int64 = 2_048

    /// Sliding windows that may hold the same tick. More are a configuration error.
    public static let overlapMax: Int64 = 60

    /// Windows that one bar's close fills at most. The rest of a longer pause has no bars. A series
    /// with more is a configuration error.
    public static let fillMax = 100_000

    /// Windows of one symbol and series, open or kept for late ticks. The limit is reached only
    /// when a watermark does not move, or ticks are far in the future. At the limit a tick that
    /// needs one more window is refused, counted and listed (`LateTick.Reason.windowLimit`).
    public static let openWindowsPerKeyMax = 4_096

    /// Windows of one machine, all symbols and series together. At the limit the same happens. A
    /// repair that reaches it publishes nothing for windows without room (`repairsRefused`).
    public static let openWindowsMax = 524_288

    /// Gaps of one symbol and kind of data that are remembered for windows that open later. Beyond,
    /// the two oldest are joined, with the time between them: more windows are partial, never
    /// fewer.
    public static let missingStretchesMax = 64

    /// The same for a repair, which holds the gaps of all the time that it reads.
    public static let repairStretchesMax = 4_096

    /// How long before the watermark a gap has to end to be forgotten. No window over it opens any
    /// more, and a repair finds its record on the tape.
    public static let missingKept: Int64 = latenessMax + 32 * dayNanoseconds

    /// Late ticks of one machine that wait for `takeLateTicks`. Beyond it they are counted
    /// (`lateUnlisted`), and not listed.
    public static let lateTicksMax = 65_536

    /// Ticks that wait for the watermark in one `NumberMachine`. Beyond, a tick is refused, counted
    /// and listed (`LateTick.Reason.windowLimit`).
    public static let waitingTicksMax = 1_048_576

    /// Ticks that the repair machine of one `NumberMachine` keeps. Beyond, the symbols whose ticks
    /// were refused are not repaired: `BarCounters.Series.repairsRefused`.
    public static let repairTicksMax = 4_194_304

    /// Bars of the present session that a `NumberMachine` remembers, so that a repair can withdraw
    /// them: per symbol and series, and in all. Beyond, a repair cannot withdraw the bars that are
    /// not remembered, and counts that in `NumberMachine.unwithdrawn`.
    public static let rememberedBarsPerKeyMax = 65_536
    public static let rememberedBarsMax = 1_048_576

    /// Finer bars in one `ResampleMachine` that a later version may still replace. Beyond, the
    /// oldest one of the same symbol is settled: a later version of it is counted as late.
    public static let unsettledBarsMax = 262_144

    /// Closed windows of one `BreadthMachine` or `ScanMachine` that may still be revised. Beyond,
    /// the oldest is settled: its values do not change any more.
    public static let breadthWindowsMax = 256

    /// Days that a provider gave, for all symbols of a partition and one breadth node. Beyond, a
    /// day that is not known yet is refused and counted (`DailyHistory.refused`).
    public static let historyDaysMax = 1_048_576

    /// Bars that wait in the share over all partitions since the common watermark last moved.
    /// Beyond, the share stops waiting for the slowest partitions until they have caught up, and
    /// values without them are flagged partial. Waiting longer would not help: the slow partitions'
    /// bars come after the waiting bars in the stream.
    public static let waitingBarsMax: UInt64 = 1_048_576

    /// Event times are usable in (−106,000 days ..< 106,000 days) around 1970 (until the year
    /// 2260). This is a multiple of every window's width, so arithmetic on window borders cannot
    /// overflow. A trade outside has no usable time and is excluded as undefined.
    public static let eventTimeNanosecondsMax: Int64 = 106_000 * dayNanoseconds

    @usableFromInline
    static let dayNanoseconds: Int64 = 86_400_000_000_000

    /// Returns the time, clamped to the usable event times: a person may request a repair of any
    /// range.
    static func usable(_ time: Int64) -> Int64 {
        min(max(time, -eventTimeNanosecondsMax), eventTimeNanosecondsMax)
    }
}
