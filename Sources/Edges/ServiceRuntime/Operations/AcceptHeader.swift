/// The formats that a scraper's `Accept` header requests.
///
/// A scraper gets OpenMetrics if it names it and does not prefer the older text. All others get the
/// older text, even with a malformed header: a page in another format is more useful than none.
struct AcceptHeader {
    /// The most ranges that are read; the rest of a longer header is ignored.
    static let rangesMax = 32

    private struct Range {
        var type: Substring
        var version: Substring?
        /// 0 to 1; 0 excludes the format.
        var quality = 1.0
    }

    private let ranges: [Range]

    init(_ text: String?) {
        ranges = (text ?? "").split(separator: ",", maxSplits: Self.rangesMax)
            .prefix(Self.rangesMax).compactMap(Self.range)
    }

    var metricFormat: MetricFormat {
        guard let open = quality("application/openmetrics-text", version: "1.0.0", range: nil),
            open > 0
        else { return .prometheus }
        let text = quality("text/plain", version: "0.0.4", range: "text/*")
        return open >= text ?? 0 ? .openMetrics : .prometheus
    }

    /// Returns the highest quality of the ranges that name the type, in this version or in any. If
    /// there are none, it returns that of the ranges that name a `range` containing it; `nil` when
    /// there are none either.
    private func quality(_ type: String, version: String, range: String?) -> Double? {
        let named = ranges.filter {
            $0.type == type && ($0.version == nil || $0.version.map { $0 == version } == true)
        }
        let meant = named.isEmpty ? ranges.filter { $0.type == range ?? "" } : named
        return meant.map(\.quality).max()
    }

    /// Reads `type/subtype;parameter=value;q=0.5`, in any case and with blanks anywhere.
    private static func range(_ text: Substring) -> Range? {
        let parts = text.lowercased().split(separator: ";").map { trimmed($0[...]) }
        guard let type = parts.first, type.contains("/") else { return nil }
        var range = Range(type: type)
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1).map { trimmed($0) }
            guard pair.count == 2 else { continue }
            let value = pair[1].hasPrefix("\"") ? pair[1].dropFirst().dropLast() : pair[1]
            switch pair[0] {
            case "q": range.quality = Double(value).map { $0.isNaN ? 0 : min(max($0, 0), 1) } ?? 0
            case "version": range.version = value
            default: continue
            }
        }
        return range
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
