import MarketModel
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

/// A gateway between `alpaca-simulator` and a real nats-server, through faults of every kind.
@Suite("The records of a simulated Alpaca on the tape")
struct AlpacaTests {
    /// `hold`: how long the service keeps a session that was cut, in seconds.
    private func stage(_ feeds: Instrument.Feeds, hold: Int = 1) throws -> VenueStage {
        try VenueStage(.alpaca, feeds, ["--hold", "\(hold)"])
    }

    @Test("each trade of the market log is on the tape once, or in a gap; changes name theirs")
    func faults() throws {
        let stage = try stage(.level1)
        let running = try stage.gateway().start()
        try stage.expectMoreTrades("start")
        try stage.order([
            "cut", "truncate", "garbage 64", "bad-json", "oversized 2000000", "close 1008",
            "half-open", "error 500", "down 1",
        ])
        #expect(try eventually { try stage.found.changes.count > 10 })
        #expect(try running.stop() == .success)
        stage.simulator.stop()
        let (found, happened) = (try stage.found, try stage.happened)
        var problems = found.problems(happened)
        let there = Set(found.trades.map(found.key))
        for change in found.changes {
            let key = found.key(change)
            if there.contains(key), change.trade.header.providerTime != happened[key]?.time {
                problems.append("the change of \(key) has another time")
            }
        }
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
        #expect(found.gapCount > 5 && found.quotes > 100)
    }

    @Test("a gateway that ended in order leaves no session behind for the next one")
    func order() throws {
        let stage = try stage(.trades, hold: 600)
        for _ in 0..<3 {
            let gateway = try stage.gateway()
            let running = try gateway.start()
            try stage.expectMoreTrades("start")
            #expect(try running.stop() == .success)
            #expect(!gateway.service.log.text.contains("another session"))
        }
    }

    @Test("bars and news come beside trades; a key that expires refuses, and says so")
    func others() throws {
        let stage = try stage([.trades, .news, .bars])
        let gateway = try stage.gateway()
        let running = try gateway.start()
        try stage.expectMoreTrades("start")
        #expect(try eventually { try stage.found.headlines.count > 1 })
        let page = try "\(gateway.status)"
        #expect(page.contains("instruments_total") && !page.contains("test-secret"))
        #expect(try stage.simulator.command("expire") == "ok")
        #expect(try stage.simulator.command("cut") == "ok")
        #expect(try eventually { try "\(gateway.status)".contains("auth failed") })
        #expect(try running.stop() == .success)
        #expect(gateway.service.log.text.contains("ALPACA_API_KEY_FILE"))
        #expect(!gateway.service.log.text.contains("test-secret"))
    }
}
