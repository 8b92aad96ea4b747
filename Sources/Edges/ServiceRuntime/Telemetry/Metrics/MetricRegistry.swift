import Synchronization

/// The metrics of one process, as Prometheus reads them. Looking a metric up takes a lock and
/// builds text: do it once and keep the object.
///
/// Names, labels and buckets come from the code, so a wrong one is a bug and stops the process: an
/// invalid name, one name for two kinds, or other buckets than before.
///
/// A metric is declared where it is looked up, and only there: its name, what one unit of it means,
/// and what a person does when it moves. `by` lists its labels where the values of `labels` do not
/// say them: `group, reason: owner, stranger`. `make pages` makes docs/metrics.md from these
/// literals; a process keeps only the meaning.
public final class MetricRegistry: Sendable {
    /// The most label sets of one family. Further ones share the series `{overflow="true"}`, whose
    /// counts are right and whose gauge is the last one set.
    public static let seriesMax = 1_024

    private let families = Mutex<[MetricFamily]>([])

    public init() {}

    /// Returns the counter of that name and those labels; the same object every time.
    public func counter(
        _ name: String, _ help: String, _ advice: String = "", by: String = "",
        labels: [(String, String)] = []
    ) -> Counter {
        let made = instrument(name, help, .counter, labels) { .counter(Counter()) }
        guard case .counter(let counter) = made else { clash(name) }
        return counter
    }

    public func gauge(
        _ name: String, _ help: String, _ advice: String = "", by: String = "",
        labels: [(String, String)] = []
    ) -> Gauge {
        let made = instrument(name, help, .gauge, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = made else { clash(name) }
        return gauge
    }

    public func histogram(
        _ name: String, _ help: String, _ advice: String = "",
        buckets: [Double] = Histogram.latencySeconds, labels: [(String, String)] = []
    ) -> Histogram {
        let made = instrument(name, help, .histogram, labels, bounds: buckets) {
            .histogram(Histogram(bounds: buckets))
        }
        guard case .histogram(let histogram) = made else { clash(name) }
        return histogram
    }

    /// Adds a gauge whose value is read whenever the page is made; `nil`: absent now. `read` is
    /// called on the thread of the scrape and must not wait. A second one with the same labels
    /// replaces it.
    public func reading(
        _ name: String, _ help: String, _ advice: String = "", labels: [(String, String)] = [],
        _ read: @escaping @Sendable () -> Double?
    ) {
        insertReading(name, help, .gauge, labels, read)
    }

    /// Adds the same for a number that only grows.
    public func countReading(
        _ name: String, _ help: String, _ advice: String = "", labels: [(String, String)] = [],
        _ read: @escaping @Sendable () -> Double?
    ) {
        insertReading(name, help, .counter, labels, read)
    }

    /// Returns the page: families sorted by name, each with its HELP and TYPE, series sorted by
    /// labels.
    public func render(_ format: MetricFormat = .prometheus) -> [UInt8] {
        // A copy, so that the readings run outside the lock and may use the registry.
        let all = families.withLock { $0 }
        var page: [UInt8] = []
        page.reserveCapacity(65_536)
        for family in all { family.append(to: &page, as: format) }
        page.append(contentsOf: format.ending.utf8)
        return page
    }

    // MARK: parts

    private func instrument(
        _ name: String, _ help: String, _ kind: MetricFamily.Kind, _ labels: [(String, String)],
        bounds: [Double] = [], _ make: () -> MetricFamily.Instrument
    ) -> MetricFamily.Instrument {
        let text = Self.checked(labels, of: name)
        return families.withLock { families in
            let place = Self.family(in: &families, name, help, kind, bounds)
            if let found = families[place].instrument(labels: text) { return found }
            let isFull = families[place].series.count >= Self.seriesMax
            let slot = isFull ? Self.overflow : text
            if let found = families[place].instrument(labels: slot) { return found }
            let made = make()
            families[place].insert(made, labels: slot)
            return made
        }
    }

    private func insertReading(
        _ name: String, _ help: String, _ kind: MetricFamily.Kind, _ labels: [(String, String)],
        _ read: @escaping @Sendable () -> Double?
    ) {
        let text = Self.checked(labels, of: name)
        families.withLock { families in
            let place = Self.family(in: &families, name, help, kind, [])
            switch families[place].instrument(labels: text) {
            case .reading: break
            case .none where families[place].series.count >= Self.seriesMax: return
            case .none: break
            case .counter, .gauge, .histogram: clash(name)
            }
            families[place].insert(.reading(read), labels: text)
        }
    }

    private static let overflow = MetricText.labels([("overflow", "true")])

    private static func checked(_ labels: [(String, String)], of name: String) -> String {
        precondition(MetricText.isMetricName(name), "\(name) is no name for a metric")
        let sorted = labels.sorted { $0.0 < $1.0 }
        for (label, _) in sorted {
            precondition(
                MetricText.isLabelName(label) && label != "le",
                "\(name): \(label) is no name for a label")
        }
        for (one, next) in zip(sorted, sorted.dropFirst()) {
            precondition(one.0 != next.0, "\(name): the label \(one.0) is there twice")
        }
        return MetricText.labels(sorted)
    }

    /// Returns the index of the family, which is made if it is new.
    private static func family(
        in families: inout [MetricFamily], _ name: String, _ help: String,
        _ kind: MetricFamily.Kind, _ bounds: [Double]
    ) -> Int {
        let place = families.firstIndex { $0.name >= name } ?? families.count
        if place < families.count, families[place].name == name {
            precondition(
                families[place].kind == kind,
                "\(name) is a \(families[place].kind.rawValue), not a \(kind.rawValue)")
            precondition(
                families[place].bounds == bounds, "\(name) has other buckets than before")
            return place
        }
        let names = MetricFamily.names(name, kind)
        for family in families {
            precondition(
                names.isDisjoint(with: MetricFamily.names(family.name, family.kind)),
                "\(name) and the \(family.kind.rawValue) \(family.name) would write the same names")
        }
        families.insert(
            MetricFamily(name: name, kind: kind, help: help, bounds: bounds), at: place)
        return place
    }

    private func clash(_ name: String) -> Never {
        preconditionFailure("\(name) is read when the page is made, and cannot be set as well")
    }
}
