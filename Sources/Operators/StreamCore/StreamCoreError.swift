/// An error in a definition. Input data never throws: it is counted.
public enum StreamCoreError: Error, Hashable, Sendable, CustomStringConvertible {
    case seriesText(String)
    case seriesWidth(String)
    case seriesTwice(String, String)
    case seriesCount(Int)
    case seriesName(String)
    case seriesLateness(String)
    case seriesFill(String)

    public var description: String {
        switch self {
        case .seriesText(let text):
            "series \"\(text)\" is no number with a unit: write it like 1s, 5s, 1m, 15m, 1h or 1d"
        case .seriesWidth(let text):
            "series \(text) does not divide a day evenly, so its bars would begin at other times"
                + " every day: choose a width from 1s to 1d that does"
        case .seriesTwice(let first, let second):
            "series \(first) and \(second) have the same width: remove one of them"
        case .seriesCount(let count):
            "\(count) series are configured: give 1 to \(StreamLimits.seriesMax)"
        case .seriesName(let name): "two series are called \(name): give each a name of its own"
        case .seriesLateness(let name):
            "series \(name) cannot wait so long for late ticks: give 0s to 7d, at most"
                + " \(StreamLimits.keptWindowsMax) times its width, and 0s for bars of ticks,"
                + " volume or dollars"
        case .seriesFill(let name):
            "series \(name) cannot be filled so: give 1 to \(StreamLimits.fillMax) windows, of a"
                + " series with a width whose windows do not overlap"
        }
    }
}
