package import EngineKit
internal import ProviderKit
internal import ServiceRuntime

/// The counters and gauges of one source. A symbol is never a label.
package struct StreamMetrics<Status: StreamStatus>: Sendable {
    /// The names, the helps and the values.
    package struct Names: Sendable {
        package typealias Count = (String, String, @Sendable (Status.Counters) -> UInt64)
        package typealias Level = (String, String, @Sendable (Status) -> Double)

        /// Bytes of frames, and turns in which the gateway had no room.
        let bytes: String
        let waits: String
        /// A gauge for each state, and a counter for each reason to leave a message out.
        let state: String
        let skipped: String
        let counts: [Count]
        let levels: [Level]

        package init(
            received: (bytes: String, waits: String), state: String, skipped: String,
            _ counts: [Count], _ levels: [Level]
        ) {
            (bytes, waits) = received
            self.state = state
            self.skipped = skipped
            self.counts = counts
            self.levels = levels
        }
    }

    let bytes: Counter
    /// How often the gateway had no room.
    let waits: Counter
    private let gauges: [(Gauge, @Sendable (Status) -> Double)]
    private let counts: [(Counter, @Sendable (Status.Counters) -> UInt64)]
    private let shown = ShownCounts(Status.Counters())

    init(_ names: Names, _ metrics: MetricRegistry, labels: [(String, String)]) {
        func counter(_ name: String, _ help: String, _ more: (String, String)...) -> Counter {
            metrics.counter(name, help, labels: labels + more)
        }
        func gauge(_ name: String, _ help: String, _ more: (String, String)...) -> Gauge {
            metrics.gauge(name, help, labels: labels + more)
        }
        bytes = counter(names.bytes, "Bytes of the service's frames.")
        waits = counter(names.waits, "Turns in which nothing was read.")
        var gauges = names.levels.map { (gauge($0, $1), $2) }
        for state in StreamState.allCases {
            let one = gauge(names.state, "1 at the present state.", ("state", state.rawValue))
            gauges.append((one, { $0.state == state ? 1 : 0 }))
        }
        self.gauges = gauges
        var counts = names.counts.map { (counter($0, $1), $2) }
        for reason in Status.Counters.Skip.allCases {
            let one = counter(
                names.skipped, "Messages left out, by reason.", ("reason", reason.rawValue))
            counts.append((one, { $0.skipped(reason) }))
        }
        self.counts = counts
    }

    func show(_ status: Status) {
        for (gauge, value) in gauges { gauge.set(value(status)) }
        shown.add(status.counters, to: counts)
    }

    /// Removes the gauges: the connections' thread has ended. The next engine counts from 0.
    func remove() {
        for (gauge, _) in gauges { gauge.remove() }
        shown.reset(to: Status.Counters())
    }
}
