/// How long the bars are that a provider fetches to fill gaps in, in seconds: by that they are told
/// from each other, and from bars that were asked for on their own account.
public enum FetchedBars {
    /// They stand in for ticks that are not to be had.
    public static let standInSeconds: Int64 = 1
    /// Those that are missing of a feed of bars.
    public static let liveSeconds: Int64 = 5
}
