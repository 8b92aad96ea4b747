import GraphLanguage
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TestSupport
import Testing

@testable import OperatorWorker

/// The reports about calendars that end.
@Suite("Calendars that end")
struct CalendarWatchTests {
    private static let day: Int64 = 86_400_000_000_000
    private static let until = Timestamp(nanoseconds: 1_900_000_000_000_000_000)

    private func graph(until: Timestamp?) throws -> GraphDefinition {
        let open = RepairScene.start - 3_600_000_000_000
        let session = SessionCalendar.Session(
            open: open, close: RepairScene.start + 1_000_000_000, day: 20_231_114)
        let calendar = try #require(
            SessionCalendar(name: "short", sessions: [session], validUntil: until?.nanoseconds))
        let name = try #require(SeriesName("rth"))
        let series = try BarSeriesSet([BarSeries(name: name, window: .session(width: nil))])
        return GraphDefinition(
            name: "sessions",
            nodes: [
                GraphNode(
                    name: "bars", input: .ticks(.trade),
                    operation: .bars(BarRule(series: series), calendar: "short"))
            ], calendars: [calendar])
    }

    private func watch(until: Timestamp?) throws -> CalendarWatch {
        CalendarWatch(try graph(until: until), MetricRegistry())
    }

    @Test("a calendar file ends with its last day, in its own zone")
    func fromFile() throws {
        let path = "\(ServerPrograms.checkout)/services/operator-worker/graphs/calendars/nyse.yaml"
        let calendar = try CalendarFile.read(
            path, name: "nyse", GraphFiles(TickOperators(), ConfigurationFiles.read))
        // The first midnight of 2028 in New York.
        #expect(
            calendar.validUntil.map { Timestamp(nanoseconds: $0).description }
                == "2028-01-01T05:00:00.000000000Z")
    }

    @Test("nothing is said 90 days and a nanosecond before, then once a day, then as a problem")
    func times() throws {
        var watch = try watch(until: Self.until)
        func said(_ before: Int64) -> [Bool] {
            watch.update(now: Self.until.advanced(byNanoseconds: -before)).map {
                $0.level == .error
            }
        }
        #expect(said(90 * Self.day + 1) == [])
        #expect(said(90 * Self.day) == [false])
        #expect(said(89 * Self.day + 1) == [])
        #expect(said(89 * Self.day) == [false])
        #expect(said(1) == [false])
        #expect(watch.problem == nil)
        #expect(said(0) == [])
        #expect(watch.problem?.hasPrefix("short ended at \(Self.until): ") == true)
        #expect(said(1 - Self.day) == [true])
        // The host's clock was set back.
        #expect(said(50 * Self.day) == [false])
        #expect(watch.problem == nil)
        var endless = try self.watch(until: nil)
        #expect(endless.update(now: Self.until).isEmpty && endless.problem == nil)
    }

    @Test("a worker whose calendar has ended says so, and counts what is in no session")
    func worker() throws {
        var scene = try RepairScene(try TestTape(NatsServer.shared(), namespace: "cal1"))
        let end = Timestamp(nanoseconds: RepairScene.start)
        let worker = try TestWorker(scene.tape, takes: [0], graph: graph(until: end))
        let running = try worker.start()
        // Ten trades in the session, and five after its end.
        scene.trades(0..<15)
        try scene.source.publish(watermark: RepairScene.time(100))
        func metric(_ name: String) -> Double? { running.service.metric(name) }
        let outside = #"mds_operator_ticks_excluded_total{reason="outside_session"}"#
        #expect(eventually { metric(outside) == 5 })
        #expect(metric(#"mds_operator_ticks_excluded_total{reason="filter"}"#) == 0)
        #expect(
            metric(#"mds_operator_calendar_valid_until_timestamp_seconds{calendar="short"}"#)
                == Double(RepairScene.start) / 1e9)
        #expect(eventually { running.log.count(of: "operator.calendar.ends") == 1 })
        let health = worker.service.context.readiness.health
        #expect(health.ready, "\(health.reasons)")
        #expect(health.degraded.contains { $0.hasPrefix("calendar: short ended at ") })
        var json = JSONWriter()
        json.object { worker.report.write(into: &$0) }
        let told = try JSONValue.parse(json.text)
        #expect(told["partitions"]?.array?.first?["excluded"]?["outside_session"]?.int == 5)
        #expect(told["calendars"]?.array?.first?["has_ended"]?.bool == true)
        #expect(try running.stop() == .success)
    }
}
