import Foundation
import Primitives
import TestSupport
import Testing

/// Another project's client reads the simulated FRED. What it decodes must be what the log has.
@Suite("The simulated FRED, read by fredapi")
struct ForeignClientTests {
    private static let script = "Tests/PolledSimulatorServerTests/read_fred.py"
    private static let packages = "vendor-clients"
    private static let series = ["DGS10", "CPIAUCSL", "UNRATE"]

    @Test("it reads every vintage as it became known, first releases and the latest values")
    func read() throws {
        if let obstacle = PythonServer.obstacle(of: Self.packages) { return print(obstacle) }
        let folder = try TemporaryFolder("values")
        // A day in ten seconds.
        let simulator = try SimulatorProcess(
            [
                "--start", "2026-03-11T12:00:00Z", "--speed", "8640", "--market-log",
                folder.file("values"),
            ], program: "polled-simulator")
        let key = "abcdefghijklmnopqrstuvwxyz012345"
        let said = try PythonServer.output(
            of: Self.script, ["\(simulator.port)", key] + Self.series, packages: Self.packages)
        simulator.stop()
        let lines = try Self.lines(said)
        let known = try Self.lines(String(contentsOfFile: folder.file("values"), encoding: .utf8))
            .filter { $0["source"]?.string == "fred" }
        let asked = try #require(lines.first { $0["from"]?.string == "asked" }?["time"]?.int)
        for series in Self.series {
            let own = known.filter { $0["series"]?.string == series }
            let all = Set(own.map { Self.text($0, ["date", "realtime_start", "value"]) })
            let due = Set(
                own.filter { ($0["time"]?.int ?? 0) < asked }
                    .map { Self.text($0, ["date", "realtime_start", "value"]) })
            let seen = Self.texts(lines, "releases", series, ["date", "realtime_start", "value"])
            #expect(due.isSubset(of: seen) && seen.isSubset(of: all) && seen.count > 70)
            let byDate = Dictionary(grouping: own) { $0["date"]?.string ?? "" }
            let ordered = byDate.mapValues {
                $0.sorted { Self.text($0, ["realtime_start"]) < Self.text($1, ["realtime_start"]) }
            }
            let first = Set(
                ordered.values.compactMap(\.first).map { Self.text($0, ["date", "value"]) })
            #expect(Self.texts(lines, "first", series, ["date", "value"]).isSubset(of: first))
            let values = Set(own.map { Self.text($0, ["date", "value"]) })
            #expect(Self.texts(lines, "latest", series, ["date", "value"]).isSubset(of: values))
            let dates = Set(own.map { Self.text($0, ["realtime_start"]) })
            #expect(Self.texts(lines, "vintages", series, ["date"]).isSubset(of: dates))
        }
        let info = lines.filter { $0["from"]?.string == "info" }
        #expect(info.compactMap { $0["frequency"]?.string } == ["D", "M", "M"])
        let refused = lines.last?["text"]?.string
        #expect(refused?.contains("api_key is not registered") == true)
    }

    private static func texts(
        _ lines: [JSONValue], _ origin: String, _ series: String, _ names: [String]
    ) -> Set<String> {
        Set(
            lines.filter {
                $0["from"]?.string == origin && $0["series"]?.string == series
            }.map { text($0, names) })
    }

    private static func text(_ line: JSONValue, _ names: [String]) -> String {
        names.map { line[$0]?.string ?? "" }.joined(separator: " ")
    }

    private static func lines(_ text: String) throws -> [JSONValue] {
        try text.split(separator: "\n").map { try JSONValue.parse(String($0)) }
    }
}
