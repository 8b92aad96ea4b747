/// The bounds of one partition's machine. What happens at each is said at the limit itself.
public enum StreamLimits {
    /// Symbols of one partition. At the limit a new symbol is not interned: its ticks are refused
    /// and counted as `BarCounters.unknownSymbol`.
    public static let symbolsMax = 65_536

    /// Sources of one partition. At the limit a new source gets no index; its ticks are refused
    /// and counted as those of unknown symbols are.
    public static let sourcesMax = 1_024

    /// Provider names that are told apart. All further ones count as one provider, so that a bar
    /// that mixes two of these is not flagged.
    public static let providersMax = 256

    /// The length of a provider's name. Longer ones are taken for one provider, too.
    public static let providerBytesMax = 64

    /// Bar series made in one pass. More are a configuration error.
    public static let seriesMax = 16

    /// How long behind its end a window takes ticks. More is a configuration error.
    public static let latenessMax: Int64 = 7 * dayNanoseconds

    /// Closed windows of one symbol and series that wait for late ticks. A longer lateness is a
    /// configuration error, so that there is always room for open ones.
    public static let keptWindowsMax: Int64 = 2_048

    /// Windows that a tick may be in at once, of sliding ones. More are a configuration error.
    public static let overlapMax: Int64 = 60

    /// Windows that are filled behind one with ticks: of a longer pause the rest stays empty. More
    /// are a configuration error.
    public static let fillMax = 100_000

    /// Windows of one symbol and series, open or kept for late ticks. A packet holds fewer ticks
    /// than this, so only a watermark that stands still, or ticks far in the future, come here. At
    /// the limit a tick that needs one more window is refused, counted and listed
    /// (`LateTick.Reason.windowLimit`).
    public static let openWindowsPerKeyMax = 4_096

    /// Those of one partition, all symbols and series together. Same behaviour. A repair that
    /// comes here publishes nothing for windows for which there was no room (`repairsRefused`).
    public static let openWindowsMax = 524_288

    /// Gaps of one symbol and kind of data that are remembered for windows that open behind them.
    /// Beyond, the two oldest are taken for one with all that is between them: more windows are
    /// partial, and none less.
    public static let missingStretchesMax = 64

    /// The same for a repair, which has those of all of the time that it reads.
    public static let repairStretchesMax = 4_096

    /// A gap that ends so long before the watermark is forgotten: no window over it opens any more,
    /// and a repair finds its record on the tape.
    public static let missingKept: Int64 = latenessMax + 32 * dayNanoseconds

    /// Late ticks that wait to be taken. Beyond it they are counted (`lateUnlisted`), not listed.
    public static let lateTicksMax = 65_536

    /// Ticks of one partition that wait for the watermark in a machine of number windows. Beyond,
    /// a tick is refused, counted and listed (`LateTick.Reason.windowLimit`).
    public static let waitingTicksMax = 1_048_576

    /// Ticks that a repair of number windows reads. Beyond, the symbols whose ticks were refused
    /// are not repaired: `BarCounters.Series.repairsRefused`.
    public static let repairTicksMax = 4_194_304

    /// Bars of the present session that a machine of number windows remembers, so that a repair
    /// can withdraw them: of one symbol and series, and of a partition. Beyond, a repair of that
    /// key withdraws none, and says so: `NumberMachine.unwithdrawn`.
    public static let rememberedBarsPerKeyMax = 65_536
    public static let rememberedBarsMax = 1_048_576

    /// Bars that resampling may still have to exchange, of one partition. Beyond, the oldest of
    /// their symbol is settled: a later version of it is refused and counted.
    public static let unsettledBarsMax = 262_144

    /// Windows of breadth that are closed and may still be revised. Beyond, the oldest is settled.
    public static let breadthWindowsMax = 256

    /// Days of all symbols of a partition that a provider told of, for one breadth node. Beyond, a
    /// day that is not known yet is refused and counted (`DailyHistory.refused`).
    public static let historyDaysMax = 1_048_576

    /// Bars that wait in the share over all partitions since these together moved last. Beyond,
    /// the partitions that are farthest behind are waited for no more until they have come up, and
    /// what is told without them is flagged partial: what they still have to tell stands behind the
    /// others' bars in the stream, so that no longer wait would let them in.
    public static let waitingBarsMax: UInt64 = 1_048_576

    /// Event times count in (−106,000 days ..< 106,000 days) around 1970 (until the year 2260), a
    /// whole number of every window, so that no arithmetic on window borders can overflow. A
    /// trade outside has no usable time and is excluded as undefined.
    public static let eventTimeNanosecondsMax: Int64 = 106_000 * dayNanoseconds

    @usableFromInline
    static let dayNanoseconds: Int64 = 86_400_000_000_000

    /// The least and greatest of the times that there are windows for, so that what a person asks
    /// for cannot leave them.
    static func usable(_ time: Int64) -> Int64 {
        min(max(time, -eventTimeNanosecondsMax), eventTimeNanosecondsMax)
    }
}
