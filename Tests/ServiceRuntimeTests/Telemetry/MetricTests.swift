import Testing

@testable import ServiceRuntime

@Suite struct MetricTests {
    let registry = MetricRegistry()

    var page: String { String(decoding: registry.render(), as: UTF8.self) }

    @Test("the page has each family once, sorted, with its series sorted and escaped")
    func wholePage() {
        let latency = registry.histogram("mds_b_seconds", "Waits.", buckets: [0.5, 1])
        for value in [0.1, 0.5, 0.7, 9] { latency.observe(value) }
        registry.counter("mds_c_total", "Back\\slash\nand newline.", labels: [("p", "2")]).add(7)
        registry.counter("mds_c_total", "Back\\slash\nand newline.", labels: [("p", "1")]).add()
        registry.counter("mds_c_total", "", labels: [("p", "a\"b\\c\nd")]).add(2)
        registry.gauge("mds_a", "A gauge.").set(-1.5)
        #expect(
            page == #"""
                # HELP mds_a A gauge.
                # TYPE mds_a gauge
                mds_a -1.5
                # HELP mds_b_seconds Waits.
                # TYPE mds_b_seconds histogram
                mds_b_seconds_bucket{le="0.5"} 2
                mds_b_seconds_bucket{le="1.0"} 3
                mds_b_seconds_bucket{le="+Inf"} 4
                mds_b_seconds_sum 10.3
                mds_b_seconds_count 4
                # HELP mds_c_total Back\\slash\nand newline.
                # TYPE mds_c_total counter
                mds_c_total{p="1"} 1
                mds_c_total{p="2"} 7
                mds_c_total{p="a\"b\\c\nd"} 2

                """#)
    }

    @Test("labels of a histogram come before le")
    func histogramLabels() {
        registry.histogram("h", "H.", buckets: [1], labels: [("z", "1"), ("a", "2")]).observe(1)
        #expect(page.contains("h_bucket{a=\"2\",z=\"1\",le=\"1.0\"} 1\n"))
        #expect(page.contains("h_sum{a=\"2\",z=\"1\"} 1\nh_count{a=\"2\",z=\"1\"} 1\n"))
    }

    @Test("the same name and labels, in any order, are the same object")
    func identity() {
        let one = registry.counter("c", "C.", labels: [("a", "1"), ("b", "2")])
        let two = registry.counter("c", "C.", labels: [("b", "2"), ("a", "1")])
        #expect(one === two)
        #expect(one !== registry.counter("c", "C.", labels: [("a", "1"), ("b", "3")]))
        #expect(registry.gauge("g", "G.") === registry.gauge("g", "G."))
        #expect(registry.histogram("h", "H.") === registry.histogram("h", "H."))
    }

    @Test("a gauge is absent until it is set, and after it is removed, and so is its family")
    func withdrawnGauge() {
        let gauge = registry.gauge("lag", "Lag.", labels: [("group", "a")])
        #expect(page.isEmpty)
        #expect(gauge.value == nil)
        gauge.set(0)
        #expect(page.hasSuffix("lag{group=\"a\"} 0\n"))
        gauge.remove()
        #expect(page.isEmpty)
        gauge.add(2)
        gauge.add(-0.5)
        #expect(gauge.value == 1.5)
    }

    @Test(
        "numbers are spelled as Prometheus reads them",
        arguments: [
            (0, "0"), (-0.0, "0"), (1e15, "1000000000000000"), (1e16, "1e+16"), (0.1, "0.1"),
            (1e-7, "1e-07"), (.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
            (9_007_199_254_740_991, "9007199254740991"), (-2.5, "-2.5"),
        ] as [(Double, String)])
    func numbers(value: Double, text: String) {
        registry.gauge("g", "G.").set(value)
        #expect(page.hasSuffix("g \(text)\n"))
    }

    @Test("adding from many threads loses nothing")
    func concurrency() async {
        let counter = registry.counter("c", "C.")
        let gauge = registry.gauge("g", "G.")
        let histogram = registry.histogram("h", "H.", buckets: [1])
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1_000 {
                        counter.add(2)
                        gauge.add(1)
                        histogram.observe(1)
                    }
                }
            }
        }
        #expect(counter.value == 16_000)
        #expect(gauge.value == 8_000)
        #expect(histogram.count == 8_000)
        #expect(histogram.sum == 8_000)
    }

    @Test("label sets beyond the limit share the overflow series")
    func overflow() {
        for number in 0..<MetricRegistry.seriesMax {
            registry.counter("c", "C.", labels: [("n", "\(number)")]).add()
        }
        registry.counter("c", "C.", labels: [("n", "one more")]).add(2)
        registry.counter("c", "C.", labels: [("n", "and more")]).add(3)
        #expect(registry.counter("c", "C.", labels: [("n", "5")]).value == 1)
        #expect(page.contains("c{overflow=\"true\"} 5\n"))
        #expect(!page.contains("more"))
    }

    @Test("readings are taken when the page is made, and may be absent or replaced")
    func readings() {
        registry.reading("depth", "Depth.") { nil }
        #expect(page.isEmpty)
        registry.reading("depth", "Depth.") { 3 }
        registry.countReading("seen_total", "Seen.", labels: [("a", "b")]) { 1.25 }
        #expect(
            page == """
                # HELP depth Depth.
                # TYPE depth gauge
                depth 3
                # HELP seen_total Seen.
                # TYPE seen_total counter
                seen_total{a="b"} 1.25

                """)
    }

    @Test("readings beyond the limit of a family are left out")
    func readingOverflow() {
        for number in 0...MetricRegistry.seriesMax {
            registry.reading("r", "R.", labels: [("n", "\(number)")]) { 1 }
        }
        #expect(page.split(separator: "\n").count == 2 + MetricRegistry.seriesMax)
    }

    @Test("a reading may use the registry it is part of")
    func readingReentrancy() {
        let registry = registry
        registry.reading("r", "R.") { Double(registry.counter("c", "C.").value) }
        registry.counter("c", "C.").add(4)
        #expect(page.contains("r 4\n"))
    }
}

@Suite struct HistogramTests {
    @Test("bounds are inclusive, NaN is no observation, infinities have a bucket")
    func buckets() {
        let histogram = Histogram(bounds: [1, 2, 4])
        for value in [1, 1.5, 2, 4, 4.1, -3, .nan, .infinity] { histogram.observe(value) }
        #expect(histogram.snapshot().counts == [2, 2, 1, 2])
        #expect(histogram.count == 7)
    }

    @Test("quantiles lie within their bucket; there is none without observations")
    func quantiles() throws {
        let histogram = Histogram(bounds: [10, 20, 30])
        #expect(histogram.quantile(0.5) == nil)
        for value in 1...10 { histogram.observe(Double(value)) }
        for value in 11...20 { histogram.observe(Double(value)) }
        #expect(histogram.quantile(0) == 0)
        #expect(histogram.quantile(0.25) == 5)
        #expect(histogram.quantile(0.5) == 10)
        #expect(histogram.quantile(0.75) == 15)
        #expect(histogram.quantile(1) == 20)
        #expect(histogram.quantile(7) == 20)
        #expect(histogram.quantile(.nan) == nil)
        histogram.observe(1_000)
        #expect(histogram.quantile(1) == 30)
    }

    @Test("from 0.5 ms to 1 s a latency's bound is at most 1.15 times the one before it")
    func fineLatencies() {
        let bounds = Histogram.latencySeconds
        let fine = bounds.filter { (0.0005...1).contains($0) }
        #expect(fine.first == 0.0005 && fine.last == 1)
        for (low, high) in zip(fine, fine.dropFirst()) { #expect(high <= 1.15 * low) }
        #expect(bounds.count <= Histogram.bucketsMax)
    }

    @Test("an observation counts in the first bucket whose bound it does not exceed")
    func everyBucket() {
        let bounds = Histogram.latencySeconds
        let histogram = Histogram(bounds: bounds)
        for bound in bounds {
            histogram.observe(bound)
            histogram.observe(bound.nextUp)
        }
        #expect(histogram.snapshot().counts == [1] + bounds.dropFirst().map { _ in 2 } + [1])
    }

    @Test("a first bound below 0 has nothing below itself to interpolate from")
    func negativeBound() {
        let histogram = Histogram(bounds: [-1, 1])
        histogram.observe(-5)
        #expect(histogram.quantile(0.5) == -1)
    }
}

/// A mistake in the code that names a metric stops the process immediately.
@Suite struct MetricMistakeTests {
    @Test("one name for two kinds")
    func trapsKinds() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.counter("c", "C.")
            _ = registry.gauge("c", "C.")
        }
    }

    @Test("one name with two sets of buckets")
    func trapsBuckets() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.histogram("h", "H.", buckets: [1])
            _ = registry.histogram("h", "H.", buckets: [2])
        }
    }

    @Test("buckets out of order")
    func trapsOrder() async {
        await #expect(processExitsWith: .failure) {
            _ = MetricRegistry().histogram("h", "H.", buckets: [2, 1])
        }
    }

    @Test("a name beside a histogram's own samples")
    func trapsCollision() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.counter("h_count", "C.")
            _ = registry.histogram("h", "H.")
        }
    }

    @Test("a name that a counter has without its `_total` in OpenMetrics")
    func trapsCounterBesideGauge() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.counter("mds_connections_total", "C.")
            _ = registry.gauge("mds_connections", "C.")
        }
    }

    @Test("a label twice")
    func trapsDoubledLabel() async {
        await #expect(processExitsWith: .failure) {
            _ = MetricRegistry().counter("c", "C.", labels: [("a", "1"), ("a", "2")])
        }
    }

    @Test("a reading and an object of the same name")
    func trapsReadingAndObject() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            registry.reading("g", "G.") { 1 }
            _ = registry.gauge("g", "G.")
        }
        await #expect(processExitsWith: .failure) {
            let registry = MetricRegistry()
            _ = registry.gauge("g", "G.")
            registry.reading("g", "G.") { 1 }
        }
    }

    @Test(
        "which names are allowed",
        arguments: [
            ("mds_a1:b", true, false), ("_x", true, true), ("1x", false, false),
            ("", false, false), ("a-b", false, false), ("é", false, false), ("__x", true, false),
            ("A9_", true, true),
        ])
    func names(name: String, isMetric: Bool, isLabel: Bool) {
        #expect(MetricText.isMetricName(name) == isMetric)
        #expect(MetricText.isLabelName(name) == isLabel)
    }

    @Test("a name that is not allowed")
    func trapsBadNames() async {
        await #expect(processExitsWith: .failure) { _ = MetricRegistry().counter("a-b", "C.") }
        await #expect(processExitsWith: .failure) {
            _ = MetricRegistry().counter("c", "C.", labels: [("le", "1")])
        }
    }
}
