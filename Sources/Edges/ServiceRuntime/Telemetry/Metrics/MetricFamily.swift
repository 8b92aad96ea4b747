/// One metric name with its kind, help and series. It is not thread-safe: the registry's lock
/// protects it.
struct MetricFamily {
    enum Kind: String { case counter, gauge, histogram }

    enum Instrument: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
        /// Read when the page is made; `nil`: absent now.
        case reading(@Sendable () -> Double?)
    }

    struct Series: Sendable {
        let labels: String
        let instrument: Instrument
        /// The text before each sample's value, made once. A histogram has one per bucket, then sum
        /// and count; all others have one.
        let prefixes: [[UInt8]]
    }

    let name: String
    let kind: Kind
    let bounds: [Double]
    private let header: [UInt8]
    private let openHeader: [UInt8]
    /// The series, sorted by their labels' text.
    private(set) var series: [Series] = []

    init(name: String, kind: Kind, help: String, bounds: [Double]) {
        self.name = name
        self.kind = kind
        self.bounds = bounds
        let text = MetricText.escaped(help, quotes: false)
        header = Array("# HELP \(name) \(text)\n# TYPE \(name) \(kind.rawValue)\n".utf8)
        openHeader = Array(Self.openHeader(name, kind, help).utf8)
    }

    /// Returns OpenMetrics' header. A counter whose name does not end in `_total` is no counter
    /// there, so its type is `unknown`.
    private static func openHeader(_ name: String, _ kind: Kind, _ help: String) -> String {
        let isNoCounter = kind == .counter && !name.hasSuffix(MetricText.totalSuffix)
        let family = openName(name, kind)
        var lines = "# TYPE \(family) \(isNoCounter ? "unknown" : kind.rawValue)\n"
        // The family's name must end with the unit.
        if let unit = ["seconds", "bytes"].first(where: { family.hasSuffix("_\($0)") }) {
            lines += "# UNIT \(family) \(unit)\n"
        }
        return lines + "# HELP \(family) \(MetricText.escaped(help, quotes: true))\n"
    }

    private static func openName(_ name: String, _ kind: Kind) -> String {
        guard kind == .counter, name.hasSuffix(MetricText.totalSuffix) else { return name }
        return String(name.dropLast(MetricText.totalSuffix.count))
    }

    /// Returns the names that no other family may have or write, in either format. OpenMetrics
    /// reserves `_created`.
    static func names(_ name: String, _ kind: Kind) -> Set<String> {
        let open = openName(name, kind)
        switch kind {
        case .gauge: return [name]
        case .counter: return [name, open, "\(open)_created"]
        case .histogram:
            return [name, "\(name)_bucket", "\(name)_sum", "\(name)_count", "\(name)_created"]
        }
    }

    func instrument(labels: String) -> Instrument? {
        let place = position(of: labels)
        guard place < series.count, series[place].labels == labels else { return nil }
        return series[place].instrument
    }

    mutating func insert(_ instrument: Instrument, labels: String) {
        let new = Series(
            labels: labels, instrument: instrument, prefixes: prefixes(labels, instrument))
        let place = position(of: labels)
        if place < series.count, series[place].labels == labels {
            series[place] = new
        } else {
            series.insert(new, at: place)
        }
    }

    /// Appends the family; nothing if none of its series has a value.
    func append(to page: inout [UInt8], as format: MetricFormat) {
        let header = format == .openMetrics ? openHeader : header
        var hasHeader = false
        for one in series {
            let values = one.values(as: format)
            guard !values.isEmpty else { continue }
            if !hasHeader { page.append(contentsOf: header) }
            hasHeader = true
            for (prefix, value) in zip(one.prefixes, values) {
                page.append(contentsOf: prefix)
                page.append(contentsOf: value.utf8)
                page.append(UInt8(ascii: "\n"))
            }
        }
    }

    private func position(of labels: String) -> Int {
        var low = 0
        var high = series.count
        while low < high {
            let middle = (low + high) / 2
            if series[middle].labels < labels { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func prefixes(_ labels: String, _ instrument: Instrument) -> [[UInt8]] {
        guard case .histogram = instrument else { return [Array("\(name)\(labels) ".utf8)] }
        // The label `le` follows the others, in the same braces.
        let open = labels.isEmpty ? "{" : labels.dropLast() + ","
        let texts = bounds.map(MetricText.bound) + ["+Inf"]
        let buckets = texts.map { "\(name)_bucket\(open)le=\"\($0)\"} " }
        return (buckets + ["\(name)_sum\(labels) ", "\(name)_count\(labels) "]).map {
            Array($0.utf8)
        }
    }
}

extension MetricFamily.Series {
    /// One text per prefix; none while the series is absent. Only OpenMetrics has exemplars.
    fileprivate func values(as format: MetricFormat) -> [String] {
        switch instrument {
        case .counter(let counter): return [String(counter.value)]
        case .gauge(let gauge): return gauge.value.map { [MetricText.number($0)] } ?? []
        case .reading(let read): return read().map { [MetricText.number($0)] } ?? []
        case .histogram(let histogram):
            let now = histogram.snapshot()
            var running: UInt64 = 0
            var texts = now.counts.enumerated().map { bucket, count in
                running &+= count
                guard format == .openMetrics, let exemplar = now.exemplars[bucket] else {
                    return String(running)
                }
                return String(running) + exemplar.text
            }
            texts.append(MetricText.number(now.sum))
            texts.append(String(running))
            return texts
        }
    }
}
