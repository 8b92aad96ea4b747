package import EngineKit
internal import ProviderKit
internal import ServiceRuntime

/// The counters and gauges of one source. A symbol is never a label.
package struct ProviderMetrics<Status: StreamStatus>: Sendable {
    /// The names, the texts and the values.
    package struct Names: Sendable {
        /// A name, what it means, what to do when it moves, and its labels beside the source.
        package typealias Text = (String, String, String, by: String)
        package typealias Count = (String, String, String, @Sendable (Status.Counters) -> UInt64)
        /// Without a value there is no gauge.
        package typealias Level = (String, String, String, @Sendable (Status) -> Double?)
        /// A count with a label of its own.
        package typealias Labelled = (count: Count, label: (String, String))

        /// Bytes of frames; `nil`: none are counted. Turns in which the gateway had no room.
        let bytes: Text?
        let waits: Text
        /// A gauge for each state that the text names.
        let state: Text
        let counts: [Count]
        let levels: [Level]
        let labelled: [Labelled]

        package init(
            received: (bytes: Text?, waits: Text), state: Text, _ counts: [Count],
            _ levels: [Level], _ labelled: [Labelled] = []
        ) {
            (bytes, waits) = received
            self.state = state
            self.counts = counts
            self.levels = levels
            self.labelled = labelled
        }

        /// The values of a label that its text names after a colon.
        static func values(_ text: Text) -> [String] {
            (text.by.split(separator: ": ").last ?? "").split(separator: ", ").map(String.init)
        }

        /// A counter for each reason to leave a message out that the text names.
        package static func skipped<Reason: RawRepresentable<String> & CaseIterable & Sendable>(
            _ text: Text, _ reasons: Reason.Type,
            _ value: @escaping @Sendable (Status.Counters, Reason) -> UInt64
        ) -> [Labelled] {
            Reason.allCases.filter { values(text).contains($0.rawValue) }.map { reason in
                (
                    (text.0, text.1, text.2, { value($0, reason) }),
                    ("reason", reason.rawValue)
                )
            }
        }
    }

    let bytes: Counter?
    /// How often the gateway had no room.
    let waits: Counter
    private let gauges: [(Gauge, @Sendable (Status) -> Double?)]
    private let counts: [(Counter, @Sendable (Status.Counters) -> UInt64)]
    private let shown = ShownCounts(Status.Counters())

    init(_ names: Names, _ metrics: MetricRegistry, labels: [(String, String)]) {
        func counter(_ name: String, _ help: String, _ more: (String, String)...) -> Counter {
            metrics.counter(name, help, labels: labels + more)
        }
        func gauge(_ name: String, _ help: String, _ more: (String, String)...) -> Gauge {
            metrics.gauge(name, help, labels: labels + more)
        }
        bytes = names.bytes.map { counter($0.0, $0.1) }
        waits = counter(names.waits.0, names.waits.1)
        var gauges: [(Gauge, @Sendable (Status) -> Double?)] = names.levels.map {
            (gauge($0, $1), $3)
        }
        for name in Names.values(names.state) {
            let one = gauge(names.state.0, names.state.1, ("state", name))
            gauges.append((one, { $0.state.rawValue == name ? 1 : 0 }))
        }
        self.gauges = gauges
        var counts = names.counts.map { (counter($0, $1), $3) }
        for (count, label) in names.labelled {
            counts.append((counter(count.0, count.1, label), count.3))
        }
        self.counts = counts
    }

    /// Sets the gauges, and adds to the counters what is new.
    func show(_ status: Status) {
        for (gauge, value) in gauges {
            if let value = value(status) { gauge.set(value) } else { gauge.remove() }
        }
        shown.add(status.counters, to: counts)
    }

    /// Removes the gauges: the provider's thread has ended. The next engine counts from 0.
    func remove() {
        for (gauge, _) in gauges { gauge.remove() }
        shown.reset(to: Status.Counters())
    }
}
