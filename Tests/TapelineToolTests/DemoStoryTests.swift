import Primitives
import TestSupport
import Testing

@testable import DeploymentWatch
@testable import TapelineTool

@Suite("What a demo tells of its broker")
struct DemoStoryTests {
    private func broker(
        _ state: String, reason: String = "", next: String? = nil, open: UInt64 = 0,
        waiting: UInt64 = 0, feed: String = "live"
    ) -> ProviderView {
        var view = ProviderView("ibkr", .null)
        view.state = state
        view.reason = reason
        view.nextAttempt = next
        view.openOutages = open
        view.waitingBackfills = waiting
        view.feeds = [
            ProviderView.Feed(symbol: "SPY", feed: "level1", state: feed, reason: "", until: nil)
        ]
        return view
    }

    @Test("an absence has a beginning, an end, and what is mended, each told once")
    func wholeStory() {
        var story = DemoStory()
        var told: [String] = []
        for view in [
            broker("connecting", feed: "waiting"), broker("ready", feed: "asked"), nil,
            broker("ready"),
            broker(
                "closed", reason: "TWS ended the connection",
                next: "2026-11-21T03:48:34.196355227Z", open: 12, feed: "waiting"),
            nil, broker("closed", open: 12, feed: "waiting"),
            broker("connecting", open: 12, feed: "waiting"),
            broker("ready", open: 12, feed: "asked"), broker("ready", waiting: 8),
            broker("ready", waiting: 2),
        ] {
            told += story.report(view)
        }
        #expect(!story.isSteady)
        told += story.report(broker("ready"))
        told += story.report(broker("ready"))
        #expect(story.isSteady)
        #expect(
            told == [
                "TWS is away (TWS ended the connection); 12 gaps are open on the tape; "
                    + "the gateway tries again at 03:48:34Z",
                "TWS is back; every feed is asked for again",
                "the feeds deliver again; 8 gaps are to be filled in from its history",
                "what history has of the gaps is filled in, and the bars are repaired",
            ])
    }

    @Test("a demo has its own market, and says so")
    func plan() throws {
        let wished = try testSettings(["SIMULATOR_RATE=200", "LOG_LEVEL=debug"])
        let plan = try DemoPlan(seconds: 30, settings: wished, truth: "/t")
        #expect(plan.rate == 200 && plan.seed == 1 && plan.faultSecond == 10)
        #expect(plan.settings["SIMULATOR_TRUTH"] == "/t")
        #expect(plan.settings["LOG_LEVEL"] == "debug")
        for text in [
            "SIMULATOR_RATE=1", "SIMULATOR_TRUTH=/x", "GATEWAY_SOURCE=x", "SIMULATOR_SEED=x",
            "SYNTHETIC_RATE=200", "GATEWAY_PROVIDER=synthetic",
        ] {
            #expect(throws: ToolError.self) {
                try DemoPlan(seconds: 30, settings: testSettings([text]), truth: "/t")
            }
        }
    }
}

@Suite("A broker's trades against the stored ones")
struct BrokerAuditTests {
    private func print(_ second: Int64, _ price: String = "1", symbol: String = "A") -> BrokerPrint
    {
        BrokerPrint(symbol: symbol, second: second, price: price, size: "100")
    }

    private func figures(
        sent: BrokerPrint.Counts, market: BrokerPrint.Counts, stored: BrokerPrint.Counts,
        snapshots: BrokerPrint.Counts = [:], gaps: [BrokerAudit.Gap] = []
    ) -> [String] {
        var report = AuditReport()
        BrokerAudit(
            seconds: 10..<20, sent: sent, market: market, stored: stored, snapshots: snapshots,
            gaps: gaps
        ).add(to: &report)
        return report.lines.map { "\($0.name) \($0.found)/\($0.expected)" }
    }

    @Test("what was sent, and what was filled in, is counted apart")
    func whole() {
        #expect(
            figures(
                sent: [print(10): 2], market: [print(10): 2, print(11): 3],
                stored: [print(10): 2, print(11): 3])
                == ["sent 2/2", "filled_in 3/3", "strangers 0/0"])
    }

    @Test("what is missing, there too often, or never was, is found")
    func wrong() {
        #expect(
            figures(
                sent: [print(10): 2, print(12): 1], market: [print(10): 2, print(12): 1],
                stored: [print(10): 3, print(13): 1])
                == ["sent 2/3", "filled_in 0/0", "strangers 2/0"])
        #expect(
            figures(sent: [:], market: [print(11): 3], stored: [print(11): 1])
                == ["sent 0/0", "filled_in 1/3", "strangers 0/0"])
    }

    @Test("the first trade of a subscription is a snapshot, and stored as such")
    func snapshots() {
        #expect(
            figures(
                sent: [print(9): 1], market: [:], stored: [:], snapshots: [print(9): 1])
                == ["sent 1/1", "filled_in 0/0", "strangers 0/0"])
    }

    @Test(
        "a gap on record excuses what is missing in it, unless that part was filled",
        arguments: [
            (["open"], "A", "filled_in 3/3"), (["open", "filling"], "A", "filled_in 3/3"),
            (["open", "filled"], "A", "filled_in 0/3"),
            (["open", "abandoned"], "A", "filled_in 3/3"),
            (["filled"], "A", "filled_in 0/3"), (["open"], "B", "filled_in 0/3"),
            (["open"], "", "filled_in 3/3"), ([], "A", "filled_in 0/3"),
        ])
    func gaps(_ states: [String], _ symbol: String, _ expected: String) {
        let gaps = states.map {
            BrokerAudit.Gap(symbol: symbol.isEmpty ? nil : symbol, seconds: 11..<12, state: $0)
        }
        #expect(figures(sent: [:], market: [print(11): 3], stored: [:], gaps: gaps)[1] == expected)
    }

    @Test("a truth log of any length has each trade that was sent, and a torn line is left out")
    func log() throws {
        let lines = [
            #"{"kind":"tickString","symbol":"A","fields":["48","1.50;100;12345;7;1.5;true"]}"#,
            #"{"kind":"tickString","symbol":"A","fields":["48","1.5;100.0;12999;7;1.5;true"]}"#,
            #"{"kind":"tickString","symbol":"A","fields":["48",";0;12999;7;1.5;false"]}"#,
            #"{"kind":"tickString","symbol":"A","fields":["84","V"]}"#,
            #"{"kind":"tickPrice","symbol":"A","fields":["48","1;100;12345;7;1.5;true"]}"#,
            #"{"kind":"tickString","symbol":"A","fields":["48","2;100"]}"#,
            #"{"kind":"tickString","symbol":"A","fields":["48","9;100;123"#,
        ]
        // Longer than the largest file that is read completely.
        let note = #"{"kind":"note","text":""# + String(repeating: "x", count: 1_000) + "\"}\n"
        let notes = String(repeating: note, count: FileSystem.bytesMax / 1_000 + 1)
        let folder = try TemporaryFolder("truth")
        let path = folder.file("truth.ndjson")
        #expect(try !FileSystem.eachLine(of: path) { _ in })
        try FileSystem.write(Array((notes + lines.joined(separator: "\n")).utf8), to: path)
        var sent: BrokerPrint.Counts = [:]
        let isThere = try FileSystem.eachLine(of: path) { line in
            if let print = BrokerPrint.sent(line) { sent[print, default: 0] += 1 }
        }
        #expect(isThere && sent == [print(12, "1.5"): 2])
    }

    @Test("a made-up market has the same trades each time, and none outside of what is asked")
    func market() throws {
        let plan = try DemoPlan(seconds: 30, settings: StackSettings(), truth: "/t")
        let first = BrokerPrint.market(plan, in: 1_000..<1_003)
        #expect(first == BrokerPrint.market(plan, in: 1_000..<1_003))
        #expect(Set(first.keys.map(\.symbol)) == Set(DemoPlan.symbols))
        #expect(first.keys.allSatisfy { (1_000..<1_003).contains($0.second) })
    }
}
