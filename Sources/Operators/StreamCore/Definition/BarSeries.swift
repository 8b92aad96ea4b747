public import MarketModel
internal import Primitives

/// The definition of one series of bars: a name, and which ticks belong to which window.
public struct BarSeries: Hashable, Sendable {
    public let name: SeriesName
    public let window: WindowRule
    /// How long after its end a window still takes ticks, in nanoseconds. They give the bar a new
    /// version at the next watermark.
    public let lateness: Int64
    public let fill: FillRule

    /// The lateness of a series that sets none, in nanoseconds.
    public static let latenessDefault: Int64 = 5_000_000_000

    public var widthNanoseconds: Int64 { window.widthNanoseconds }

    /// A `lateness` of `nil` means the default, or 0 for windows that the clock does not end.
    public init(
        name: SeriesName, window: WindowRule, lateness: Int64? = nil, fill: FillRule = .none
    ) throws(StreamCoreError) {
        try Self.check(window, name: name.text)
        let latest = window.isByTime ? Self.latenessDefault : 0
        self.name = name
        self.window = window
        self.lateness = lateness ?? latest
        self.fill = fill
        guard (0...StreamLimits.latenessMax).contains(self.lateness) else {
            throw .seriesLateness(name.text)
        }
        guard self.lateness / Self.step(of: window) <= StreamLimits.keptWindowsMax else {
            throw .seriesLateness(name.text)
        }
        if case .ticks = window, self.lateness > 0 { throw .seriesLateness(name.text) }
        if case .volume = window, self.lateness > 0 { throw .seriesLateness(name.text) }
        if case .dollars = window, self.lateness > 0 { throw .seriesLateness(name.text) }
        if case .previousClose(let max) = fill {
            guard (1...StreamLimits.fillMax).contains(max) else { throw .seriesFill(name.text) }
            switch window {
            case .tumbling, .session(width: .some): break
            default: throw .seriesFill(name.text)
            }
        }
    }

    /// Reads `1s`, `5s`, `1m`, `15m`, `1h`, `1d`: a number and one of s, m, h, d. The windows are
    /// tumbling ones of that width.
    public init(_ text: String) throws(StreamCoreError) {
        guard let name = SeriesName(text), let width = Self.width(text) else {
            throw .seriesText(text)
        }
        try self.init(name: name, window: .tumbling(width: width))
    }

    /// Returns the nanoseconds of `90s`, `15m`, `1h`, `1d`, limited to the range of `Int64`; `nil`
    /// when the text is no such number.
    public static func width(_ text: String) -> Int64? {
        guard let unit = text.utf8.last, let unitSeconds = Self.seconds(of: unit),
            text.utf8.first != UInt8(ascii: "0"),
            text.utf8.dropLast().allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(text.dropLast())
        else { return nil }
        let (nanoseconds, overflow) = count.multipliedReportingOverflow(
            by: unitSeconds * 1_000_000_000)
        return overflow ? Int64.max : nanoseconds
    }

    /// Throws unless the windows have sizes that machines can make.
    private static func check(_ window: WindowRule, name: String) throws(StreamCoreError) {
        let day = StreamLimits.dayNanoseconds
        func divides(_ part: Int64, _ whole: Int64) -> Bool {
            part > 0 && part % 1_000_000_000 == 0 && part <= whole && whole % part == 0
        }
        switch window {
        case .tumbling(let width):
            guard divides(width, day) else { throw .seriesWidth(name) }
        case .session(let width):
            guard let width else { return }
            guard width > 0, width <= day, width % 1_000_000_000 == 0 else {
                throw .seriesWidth(name)
            }
        case .sliding(let width, let hop):
            guard divides(hop, day), divides(hop, width), width <= day,
                width / hop <= StreamLimits.overlapMax
            else { throw .seriesWidth(name) }
        case .inactivity(let gap):
            guard gap > 0, gap <= day else { throw .seriesWidth(name) }
        case .ticks(let size), .volume(let size), .dollars(let size):
            guard size > 0 else { throw .seriesWidth(name) }
        }
    }

    /// Returns the least distance between the starts of windows, in nanoseconds; a day when it is
    /// not fixed.
    private static func step(of window: WindowRule) -> Int64 {
        switch window {
        case .tumbling(let width), .session(.some(let width)): width
        case .sliding(_, let hop): hop
        case .session(nil), .inactivity, .ticks, .volume, .dollars: StreamLimits.dayNanoseconds
        }
    }

    private static func seconds(of unit: UInt8) -> Int64? {
        switch unit {
        case UInt8(ascii: "s"): 1
        case UInt8(ascii: "m"): 60
        case UInt8(ascii: "h"): 3_600
        case UInt8(ascii: "d"): 86_400
        default: nil
        }
    }
}

/// The series of one node, which one machine makes: from finest to coarsest, and after them those
/// without a width. The position in `all` is the index that the machine's bars carry. No two have
/// the same name or the same windows.
public struct BarSeriesSet: Hashable, Sendable {
    public let all: [BarSeries]

    public init(_ series: [BarSeries]) throws(StreamCoreError) {
        guard (1...StreamLimits.seriesMax).contains(series.count) else {
            throw .seriesCount(series.count)
        }
        let sorted = series.sorted { Self.order($0) < Self.order($1) }
        for (left, right) in zip(sorted, sorted.dropFirst()) where left.window == right.window {
            throw .seriesTwice(left.name.text, right.name.text)
        }
        for (index, one) in sorted.enumerated()
        where sorted[..<index].contains(where: { $0.name == one.name }) {
            throw .seriesName(one.name.text)
        }
        all = sorted
    }

    public init(_ texts: [String]) throws(StreamCoreError) {
        var series: [BarSeries] = []
        for text in texts { series.append(try BarSeries(text)) }
        try self.init(series)
    }

    private static func order(_ series: BarSeries) -> (Int64, SeriesName) {
        let width = series.widthNanoseconds
        return (width == 0 ? Int64.max : width, series.name)
    }
}
