import Foundation
import HTTPClient
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import Cockpit
@testable import CockpitTests

@Suite("The alerts") struct AlertTests {
    private static let answer = #"""
        {"status":"success","data":{"alerts":[
        {"labels":{"alertname":"TableBlocked","severity":"warning","instance":"w:1"},
        "annotations":{"summary":"ticks take 12s","runbook_url":"javascript:/TableBlocked.md"},
        "state":"firing","activeAt":"2026-11-27T00:40:00.5Z","value":"1e+00"},
        {"labels":{"alertname":"BreakerOpen","severity":"critical"},
        "annotations":{"summary":"away","runbook_url":"https://books/BreakerOpen.md"},
        "state":"pending","activeAt":"2026-11-27T00:41:00Z"},
        {"labels":{"alertname":"Ours","severity":"critical"},"annotations":{},
        "state":"firing","activeAt":"2026-11-27T00:42:00Z"},
        {"labels":{"severity":"critical"},"state":"firing"},
        {"labels":{"alertname":"Watchdog","severity":"none"},"state":"firing",
        "activeAt":"2026-11-27T00:00:00Z"}]}}
        """#

    private static func list(_ text: String = answer) throws -> AlertList {
        try AlertList(try JSONValue.parse(text))
    }

    @Test("those that fire come first, the worst of them at the top, and the watchdog is none")
    func order() throws {
        let list = try Self.list()
        #expect(list.alerts.map(\.name) == ["Ours", "TableBlocked", "BreakerOpen"])
        #expect(list.alerts.map(\.isFiring) == [true, true, false])
        #expect(list.total == 3 && list.hasWatchdog)
        #expect(list.alerts[1].labels == ["instance=w:1"])
        #expect(list.alerts[1].summary == "ticks take 12s")
        // Only an address of the web becomes a link.
        #expect(
            list.alerts.map(\.runbookURL) == [nil, nil, "https://books/BreakerOpen.md"])
    }

    @Test("a refusal is no empty list, and of many alerts the worst are kept and all are counted")
    func limits() throws {
        #expect(throws: AlertList.NoAlerts.self) {
            try Self.list(#"{"status":"error","error":"down"}"#)
        }
        #expect(throws: AlertList.NoAlerts.self) { try Self.list("{}") }
        let one = #"{"labels":{"alertname":"A"},"state":"firing"}"#
        let many = Array(repeating: one, count: 300).joined(separator: ",")
        let list = try Self.list(#"{"status":"success","data":{"alerts":[\#(many)]}}"#)
        #expect(list.alerts.count == AlertList.alertsMax && list.total == 300)
        #expect(!list.hasWatchdog)
    }

    @Test("each shipped runbook has the page of its subject, and no other one has")
    func shipped() throws {
        let files = try FileManager.default.contentsOfDirectory(
            atPath: "\(ServerPrograms.checkout)/docs/runbooks")
        let names = files.filter { $0 != "README.md" }.map { String($0.dropLast(3)) }
        #expect(ShippedRunbooks.byPage.values.flatMap { $0 }.sorted() == names.sorted())
        #expect(
            Set(WebFiles.runbooks.keys) == Set(names.map { "/runbook-\($0)" } + ["/runbooks"]))
        for page in ShippedRunbooks.byPage.keys {
            #expect(page == "./" || WebFiles.pages["/\(page)"] != nil)
        }
        #expect(ShippedRunbooks.page("Ours") == nil)
    }

    @Test("the document has the alerts with their time, or says that no Prometheus is named")
    func document() throws {
        let troubles = [
            Overview.Line(.bad, "NATS AWAY", "Nats"),
            Overview.Line(.unknown, "LOOKING"),
        ]
        func json(_ prometheus: String?, _ known: Known<AlertList>) throws -> JSONValue {
            try JSONValue.parse(
                AlertsDocument(
                    prometheus: prometheus, known: known, verdict: troubles,
                    now: MadeSighting.time(10)
                ).json)
        }
        let none = try json(nil, Known())
        #expect(none["prometheus"] == nil && none["at"]?.double == 1_010)
        #expect(none["troubles"]?.array?.map { $0["page"]?.string } == ["./"])
        let asked = try json("http://a", MadeSighting.known(try Self.list(), at: 9.5))
        #expect(asked.at("prometheus", "at")?.double == 1_009.5)
        #expect(asked.at("prometheus", "absence") == nil)
        let items = try #require(asked.at("prometheus", "items")?.array)
        #expect(items.map { $0["page"]?.string } == [nil, "store", "store"])
        #expect(items.map { $0["runbook"]?.string } == [nil, "TableBlocked", "BreakerOpen"])
        let old = try json("http://a", MadeSighting.known(try Self.list(), at: 7))
        #expect(old.at("prometheus", "absence")?.string == "the last answer is 3 s old")
    }

    @Test("a real Prometheus with the shipped rules says what fires")
    func prometheus() throws {
        // Its only target is not there, so that ServiceDown and others begin to wait.
        let server = try PrometheusServer(targets: [(job: "store-writer", port: freePort())])
        let asker = try PrometheusAlerts(
            try #require(PrometheusAlerts.url(server.url)), SystemClock())
        var list = AlertList()
        let isThere = eventually {
            list = (try? asker.ask()) ?? AlertList()
            return list.hasWatchdog && list.alerts.contains { $0.name == "ServiceDown" }
        }
        #expect(isThere, "\(list) \(server.log)")
        let down = try #require(list.alerts.first { $0.name == "ServiceDown" })
        #expect(!down.isFiring && !down.since.isEmpty && !down.summary.isEmpty)
        #expect(down.runbook == "Services")
    }

    @Test("a Prometheus that refuses or is not there is said, and the next question works again")
    func refused() throws {
        let refusing = try PageServer([:])
        let url = try #require(PrometheusAlerts.url("http://127.0.0.1:\(refusing.port)"))
        let asker = try PrometheusAlerts(url, SystemClock())
        for _ in 0..<3 {
            let error = #expect(throws: AlertList.NoAlerts.self) { try asker.ask() }
            #expect(error?.description == "Prometheus: its answer has status 404")
        }
        let nobody = try #require(PrometheusAlerts.url("http://127.0.0.1:\(freePort())/"))
        #expect(throws: HTTPError.self) { try PrometheusAlerts(nobody, SystemClock()).ask() }
        let other = try PageServer(["/api/v1/alerts": Self.answer])
        let path = try #require(PrometheusAlerts.url("http://127.0.0.1:\(other.port)/"))
        #expect(try PrometheusAlerts(path, SystemClock()).ask() == (try Self.list()))
    }
}
