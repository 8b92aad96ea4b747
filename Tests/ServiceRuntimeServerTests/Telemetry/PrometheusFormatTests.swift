import Foundation
import TestSupport
import Testing

@testable import ServiceRuntime

/// Checks the complete page of a service with the real parser, and with a strict reader of the
/// format's rules.
@Suite struct PrometheusFormatTests {
    static func page() -> [UInt8] { registry().render() }

    static func registry() -> MetricRegistry {
        let registry = MetricRegistry()
        registry.addProcessMetrics()
        registry.addBuildInformation(service: "store-writer", version: "0.1.0", revision: "abc12")
        registry.addLogMetrics(of: Logger(service: "s", level: .info, format: .json))
        registry.gauge("mds_odd", "Odd \\ \n\"texts\".", labels: [("l", "a\"b\\c\nd é")]).set(.nan)
        registry.gauge("mds_odd", "", labels: [("l", "inf")]).set(-.infinity)
        registry.gauge("mds_odd", "", labels: [("l", "small")]).set(.leastNonzeroMagnitude)
        registry.counter("mds_ticks_total", "Ticks.", labels: [("kind", "trade")]).add(.max)
        let waits = registry.histogram("mds_wait_seconds", "Waits.", labels: [("stage", "in")])
        waits.observe(0.003)
        waits.observe(1e9)
        return registry
    }

    @Test("promtool accepts the page")
    func realParser() throws {
        let folder = try TemporaryFolder()
        let page = folder.file("page")
        try Data(Self.page()).write(to: URL(fileURLWithPath: page))
        let run = try Promtool.run(
            ["check", "metrics"], input: FileHandle(forReadingFrom: URL(fileURLWithPath: page)))
        #expect(run.said == "")
        #expect(run.status == 0)
    }

    @Test("the page keeps the rules of text format 0.0.4")
    func strictReader() throws {
        var reader = PageReader()
        try reader.read(String(decoding: Self.page(), as: UTF8.self))
        #expect(reader.kinds.count >= 11)
        #expect(reader.kinds["mds_build_info"] == "gauge")
        #expect(reader.kinds["process_cpu_seconds_total"] == "counter")
        #expect(reader.values["mds_ticks_total{kind=\"trade\"}"] == 0x1p64)
    }

    @Test("process metrics say plausible things of this process")
    func processMetrics() throws {
        var reader = PageReader()
        try reader.read(String(decoding: Self.page(), as: UTF8.self))
        let resident = try #require(reader.values["process_resident_memory_bytes"])
        #expect(resident > 1_000_000)
        #expect(try #require(reader.values["process_virtual_memory_bytes"]) > resident)
        #expect(try #require(reader.values["process_cpu_seconds_total"]) > 0)
        #expect(try #require(reader.values["process_open_fds"]) >= 3)
        #expect(try #require(reader.values["process_max_fds"]) > 3)
        let start = try #require(reader.values["process_start_time_seconds"])
        let now = Date().timeIntervalSince1970
        // The kernel counts the boot time in whole seconds.
        #expect(start > now - 86_400 && start < now + 2)
    }
}

/// Reads a page and throws at the first violation of the format.
struct PageReader {
    struct Broken: Error { let line: String }

    private(set) var kinds: [String: String] = [:]
    private(set) var values: [String: Double] = [:]
    private var family = ""

    mutating func read(_ page: String) throws {
        guard page.hasSuffix("\n") else { throw Broken(line: "no newline at the end") }
        for line in page.split(separator: "\n").map(String.init) {
            if line.hasPrefix("# HELP ") {
                try help(line)
            } else if line.hasPrefix("# TYPE ") {
                try type(line)
            } else {
                try sample(line)
            }
        }
        try checkHistograms()
    }

    private mutating func help(_ line: String) throws {
        family = String(line.split(separator: " ")[2])
        // Families are contiguous: none occurs twice.
        guard kinds[family] == nil else { throw Broken(line: line) }
    }

    private mutating func type(_ line: String) throws {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 4, words[2] == family, kinds[family] == nil,
            ["counter", "gauge", "histogram"].contains(words[3])
        else { throw Broken(line: line) }
        kinds[family] = words[3]
    }

    private mutating func sample(_ line: String) throws {
        let pattern = try Regex(
            #"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*""#
                + #"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*")*\})? (\S+)$"#)
        guard let match = try pattern.wholeMatch(in: line), let kind = kinds[family],
            let name = match.output[1].substring, let text = match.output[6].substring
        else { throw Broken(line: line) }
        let suffixes = kind == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
        let spelled = ["NaN": Double.nan, "+Inf": .infinity, "-Inf": -.infinity]
        let series = String(line.dropLast(text.count + 1))
        guard suffixes.contains(where: { family + $0 == name }),
            let value = spelled[String(text)] ?? Double(text), values[series] == nil
        else { throw Broken(line: line) }
        values[series] = value
    }

    /// Checks that the bucket `+Inf` contains all observations.
    private func checkHistograms() throws {
        for (series, value) in values where series.contains("le=\"+Inf\"") {
            let count = series.replacingOccurrences(of: "_bucket", with: "_count")
                .replacingOccurrences(of: ",le=\"+Inf\"", with: "")
                .replacingOccurrences(of: "{le=\"+Inf\"}", with: "")
            guard values[count] == value else { throw Broken(line: series) }
        }
    }
}
