import Foundation
import Primitives
import TestSupport
import Testing

@testable import ServiceRuntime

/// Reads the OpenMetrics page with the reference parser from the Python package index.
@Suite struct OpenMetricsTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let root = folder.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    /// The status by which `engines.sh` reports that the package is not available.
    private static let absent: Int32 = 3

    /// Returns what the reference parser read. `nil` if the index is not reachable.
    private func read(_ page: [UInt8]) throws -> [String]? {
        let folder = try TemporaryFolder()
        let path = folder.file("page")
        try Data(page).write(to: URL(fileURLWithPath: path))
        let engines = Self.root.appendingPathComponent("deploy/local/engines.sh").path
        let script = Self.folder.appendingPathComponent("read_openmetrics.py").path
        do {
            let text = try run(
                "/bin/bash", [engines, "--of", "metric-readers", script, path],
                environment: ["PYTHONDONTWRITEBYTECODE": "1"])
            return text.split(separator: "\n").map(String.init)
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            print("nothing was read by prometheus_client: \(failure.message)")
            return nil
        }
    }

    @Test("the page as OpenMetrics: families without _total, units where they are, and its end")
    func wholePage() {
        let registry = MetricRegistry()
        let latency = registry.histogram("mds_b_seconds", "Waits.", buckets: [0.5, 1, 2_500_000])
        for value in [0.1, 0.7, 9] { latency.observe(value) }
        registry.counter("mds_c_bytes_total", "Of \"c\".", labels: [("p", "1")]).add(7)
        registry.gauge("mds_a", "A gauge.").set(-1.5)
        registry.gauge("mds_absent", "Not there.").remove()
        #expect(
            String(decoding: registry.render(.openMetrics), as: UTF8.self) == #"""
                # TYPE mds_a gauge
                # HELP mds_a A gauge.
                mds_a -1.5
                # TYPE mds_b_seconds histogram
                # UNIT mds_b_seconds seconds
                # HELP mds_b_seconds Waits.
                mds_b_seconds_bucket{le="0.5"} 1
                mds_b_seconds_bucket{le="1.0"} 2
                mds_b_seconds_bucket{le="2.5e+06"} 3
                mds_b_seconds_bucket{le="+Inf"} 3
                mds_b_seconds_sum 9.8
                mds_b_seconds_count 3
                # TYPE mds_c_bytes counter
                # UNIT mds_c_bytes bytes
                # HELP mds_c_bytes Of \"c\".
                mds_c_bytes_total{p="1"} 7
                # EOF

                """#)
    }

    @Test("a page without a metric is one that has ended")
    func emptyPage() throws {
        let page = MetricRegistry().render(.openMetrics)
        #expect(String(decoding: page, as: UTF8.self) == "# EOF\n")
        if let seen = try read(page) { #expect(seen.isEmpty) }
    }

    @Test("the reference reader sees every sample that the older format has, with its value")
    func referenceReader() throws {
        let registry = PrometheusFormatTests.registry()
        registry.histogram(
            "mds_sizes_bytes", "Sizes.", buckets: [1, 64, 1_000_000, 12_345_678, 1e9]
        ).observe(70)
        registry.counter("odd", "A counter that does not say so in its name.").add(3)
        let older = registry.render()
        guard let seen = try read(registry.render(.openMetrics)) else { return }
        let families = seen.filter { $0.hasPrefix("family ") }
        #expect(families.contains("family mds_ticks counter "))
        #expect(families.contains("family mds_wait_seconds histogram seconds"))
        #expect(families.contains("family process_cpu_seconds counter seconds"))
        #expect(families.contains("family process_resident_memory_bytes gauge bytes"))
        #expect(families.contains("family odd unknown "))
        let samples = seen.filter { $0.hasPrefix("sample ") }
        var reader = PageReader()
        try reader.read(String(decoding: older, as: UTF8.self))
        #expect(samples.count == reader.values.count)
        #expect(
            samples.contains(#"sample 1.8446744073709552e+19 mds_ticks_total {"kind":"trade"}"#))
        #expect(samples.contains(#"sample nan mds_odd {"l":"a\"b\\c\nd \u00e9"}"#))
        #expect(samples.contains(#"sample -inf mds_odd {"l":"inf"}"#))
        #expect(samples.contains(#"sample 1.0 mds_sizes_bytes_bucket {"le":"1e+09"}"#))
    }

    @Test("a bucket shows the trace of its last observation, in OpenMetrics alone")
    func exemplars() throws {
        let registry = MetricRegistry()
        let waits = registry.histogram("mds_b_seconds", "Waits.", buckets: [0.5, 1])
        let time = Timestamp(nanoseconds: 1_750_000_000_250_000_000)
        waits.observe(0.1, trace: "aa", at: time)
        waits.observe(0.7, trace: "bb", at: time)
        waits.observe(0.8, trace: "cc", at: time)
        waits.observe(0.9)
        let page = registry.render(.openMetrics)
        #expect(
            String(decoding: page, as: UTF8.self).contains(
                #"mds_b_seconds_bucket{le="1.0"} 4 # {trace_id="cc"} 0.8 1750000000.25"# + "\n"))
        #expect(!String(decoding: registry.render(), as: UTF8.self).contains("trace_id"))
        guard let seen = try read(page) else { return }
        #expect(
            seen.filter { $0.hasPrefix("exemplar ") } == [
                "exemplar aa 0.1 1750000000.250000000", "exemplar cc 0.8 1750000000.250000000",
            ])
    }

    @Test("the reference reader refuses a page that was cut off")
    func cutOff() throws {
        let page = PrometheusFormatTests.registry().render(.openMetrics).dropLast(
            "# EOF\n".utf8.count)
        do {
            let seen = try read(Array(page))
            #expect(seen == nil)
        } catch let failure as ProgramFailure {
            #expect(failure.message.contains("EOF"))
        }
    }
}
