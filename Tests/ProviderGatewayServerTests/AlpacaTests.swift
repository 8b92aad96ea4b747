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

    @Test("the next connection has the key that the files have then, and its gap is filled")
    func newKey() throws {
        let stage = try stage(.trades, hold: 0)
        let folder = try TemporaryFolder("keys")
        func put(_ end: String) throws {
            try folder.write("test-key\(end)\n", to: "key")
            try folder.write("test-secret\(end)\n", to: "secret")
        }
        try put("")
        let gateway = try stage.gateway([
            "ALPACA_API_KEY": "", "ALPACA_API_KEY_FILE": folder.file("key"),
            "ALPACA_API_SECRET": "", "ALPACA_API_SECRET_FILE": folder.file("secret"),
            "ALPACA_REST_URL": "http://127.0.0.1:\(stage.simulator.port)",
        ])
        let running = try gateway.start()
        try stage.expectMoreTrades("start")
        func metric(_ name: String) -> Double? {
            gateway.service.metric("mds_alpaca_\(name){source=\"stocks\"}")
        }
        #expect(eventually { metric("connections_total") == 1 })
        try put("-7")
        #expect(try stage.simulator.command("renew 7") == "ok")
        // The connection that has the old key goes on.
        try stage.expectMoreTrades("a new key")
        #expect(metric("connections_total") == 1)
        try stage.order(["close"])
        #expect(eventually { metric("filled_trades_total") ?? 0 > 0 })
        #expect(eventually { metric("waiting_gaps") == 0 && metric("open_gaps") == 0 })
        #expect(metric("connections_total") == 2 && metric("unfilled_gaps_total") == 0)
        #expect(try running.stop() == .success)
        let log = gateway.service.log.text
        #expect(!log.contains("auth failed") && !log.contains("test-secret"), "\(log)")
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
