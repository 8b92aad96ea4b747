public import MarketModel
internal import Primitives

/// A series of time bars: windows of one width, aligned to 1970-01-01 UTC.
public struct BarSeries: Hashable, Sendable {
    public let name: SeriesName
    /// A whole number of seconds that divides a day.
    public let widthNanoseconds: Int64

    /// Reads `1s`, `5s`, `1m`, `15m`, `1h`, `1d`: a number and one of s, m, h, d.
    public init(_ text: String) throws(StreamCoreError) {
        guard let name = SeriesName(text), let unit = text.utf8.last,
            let unitSeconds = Self.seconds(of: unit),
            text.utf8.first != UInt8(ascii: "0"),
            text.utf8.dropLast().allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(text.dropLast())
        else { throw .seriesText(text) }
        let (seconds, overflow) = count.multipliedReportingOverflow(by: unitSeconds)
        guard !overflow, (1...Self.daySeconds).contains(seconds), Self.daySeconds % seconds == 0
        else { throw .seriesWidth(text) }
        self.name = name
        widthNanoseconds = seconds * 1_000_000_000
    }

    private static let daySeconds: Int64 = 86_400

    private static func seconds(of unit: UInt8) -> Int64? {
        switch unit {
        case UInt8(ascii: "s"): 1
        case UInt8(ascii: "m"): 60
        case UInt8(ascii: "h"): 3_600
        case UInt8(ascii: "d"): daySeconds
        default: nil
        }
    }
}

/// The series that one machine makes in one pass, from finest to coarsest: the position in `all`
/// is the index that bars carry.
public struct BarSeriesSet: Hashable, Sendable {
    public let all: [BarSeries]

    public init(_ series: [BarSeries]) throws(StreamCoreError) {
        guard (1...StreamLimits.seriesMax).contains(series.count) else {
            throw .seriesCount(series.count)
        }
        let sorted = series.sorted {
            ($0.widthNanoseconds, $0.name) < ($1.widthNanoseconds, $1.name)
        }
        for (left, right) in zip(sorted, sorted.dropFirst())
        where left.widthNanoseconds == right.widthNanoseconds {
            throw .seriesTwice(left.name.text, right.name.text)
        }
        all = sorted
    }

    public init(_ texts: [String]) throws(StreamCoreError) {
        var series: [BarSeries] = []
        for text in texts { series.append(try BarSeries(text)) }
        try self.init(series)
    }
}
