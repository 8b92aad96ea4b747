/// The lengths, in seconds, of the bars that a provider fetches to fill gaps. The length
/// distinguishes the two kinds from each other, and from bars that were requested for another
/// purpose.
public enum FetchedBars {
    /// Bars that replace ticks that are not available.
    public static let standInSeconds: Int64 = 1
    /// The missing bars of a feed of bars.
    public static let liveSeconds: Int64 = 5
}
