import IBEngine
import IBProtocol
import Primitives
import MarketModel
import ServiceRuntime
import Testing

@testable import IBKRProvider

@Suite("Numbers of the broker's connection")
struct IBKRMetricsTests {
    /// Returns the rows of the metric by fault, without the other labels.
    private static func values(_ metrics: MetricRegistry, _ name: String) -> [String: String] {
        let page = String(decoding: metrics.render(), as: UTF8.self)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("\(name){") }
        return rows.reduce(into: [:]) { found, row in
            let fault = row.split(separator: "fault=\"").last?.split(separator: "\"").first
            found[row.contains("fault=") ? String(fault ?? "") : ""] =
                row.split(separator: " ").last.map(String.init)
        }
    }

    /// Returns an engine that has read these messages in one batch.
    private static func engine(_ messages: [[String]]) throws -> IBEngine {
        var engine = IBEngine(IBEngineSettings(seed: 1))
        var output = IBEngine.Output()
        let now = Moment(wall: Timestamp(nanoseconds: 1_767_605_400_000_000_000), monotonic: .at(0))
        engine.follow(begun: [], ended: [], gaps: [], now, into: &output)
        engine.timePassed(now, into: &output)
        engine.connected(now, into: &output)
        var bytes: [UInt8] = []
        for fields in [["176", "20260105 09:30:00 EST"]] + messages {
            let body: [UInt8] = fields.flatMap { Array($0.utf8) + [0] }
            bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: body.count >> $0) } + body
        }
        bytes.withRawSpan { engine.received($0, now, into: &output) }
        try #require(output.eventsLost > 0)
        return engine
    }

    @Test("what was lost in reading is shown, also where not every event was told")
    func losses() throws {
        let metrics = MetricRegistry()
        let shown = IBKRMetrics(metrics, labels: [("source", "ib")], full: FullTime())
        let skipped = [[String]](repeating: ["1", "6", "7", "x", "1"], count: 2_000)
        let engine = try Self.engine(
            skipped + [
                ["1"], ["1", "6", "7", "1", "123456789012345678901", "1", "0"],
                ["99", "7", "1", "1767605400", "10", "1", "0", "AN EXCHANGE OF MANY LETTERS", "T"],
            ])
        shown.show(engine.status, inSession: 0)
        let faults = Self.values(metrics, "mds_ibkr_skipped_messages_total")
        #expect(faults["not_a_number"] == "2000" && faults["missing"] == "1")
        #expect(Self.values(metrics, "mds_ibkr_lost_numbers_total") == ["": "1"])
        #expect(Self.values(metrics, "mds_ibkr_cut_texts_total") == ["": "1"])
        shown.show(engine.status, inSession: 0)
        #expect(Self.values(metrics, "mds_ibkr_lost_numbers_total") == ["": "1"])
    }

    @Test("instruments of open markets are not counted while nobody has told any hours")
    func hours() {
        let metrics = MetricRegistry()
        let shown = IBKRMetrics(metrics, labels: [("source", "ib")], full: FullTime())
        let engine = IBEngine(IBEngineSettings(seed: 1))
        shown.show(engine.status, inSession: 7)
        #expect(Self.values(metrics, "mds_ibkr_instruments_in_session") == ["": "7"])
        shown.show(engine.status, inSession: nil)
        #expect(Self.values(metrics, "mds_ibkr_instruments_in_session").isEmpty)
        shown.show(engine.status, inSession: 0)
        #expect(Self.values(metrics, "mds_ibkr_instruments_in_session") == ["": "0"])
    }
}
