import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

/// A gateway between `massive-simulator` and a real nats-server, through faults of every kind.
@Suite("The records of a simulated Massive on the tape")
struct MassiveTests {
    @Test("each trade of the market log is on the tape once, with its fraction, or in a gap")
    func faults() throws {
        let stage = try VenueStage(.massive, .level1)
        let running = try stage.gateway().start()
        try stage.expectMoreTrades("start")
        try stage.order([
            "cut", "truncate", "garbage 64", "bad-json", "oversized 2000000", "close 1008",
            "half-open", "slow-consumer", "down 1",
        ])
        #expect(try running.stop() == .success)
        stage.simulator.stop()
        let found = try stage.found
        let problems = found.problems(try stage.happened)
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
        #expect(found.gapCount > 5 && found.quotes > 100 && found.fractions > 0)
    }

    @Test("bars come beside trades; a key that expires refuses, and says so")
    func others() throws {
        let stage = try VenueStage(.massive, [.trades, .bars])
        let gateway = try stage.gateway()
        let running = try gateway.start()
        try stage.expectMoreTrades("start")
        #expect(try eventually { try stage.found.bars > 2 })
        let page = try "\(gateway.status)"
        #expect(page.contains("instruments_total") && !page.contains("test-key"))
        #expect(try stage.simulator.command("expire") == "ok")
        #expect(try stage.simulator.command("cut") == "ok")
        #expect(try eventually { try "\(gateway.status)".contains("authentication failed") })
        #expect(try running.stop() == .success)
        #expect(gateway.service.log.text.contains("MASSIVE_API_KEY_FILE"))
        #expect(!gateway.service.log.text.contains("test-key"))
    }

    @Test("trades that are cancelled later are found by requests, each once")
    func cancels() throws {
        let stage = try VenueStage(.massive, .trades, ["--busts", "8"])
        let age: Int64 = 3
        let gateway = try stage.gateway([
            "MASSIVE_REST_URL": "http://127.0.0.1:\(stage.simulator.port)/",
            "MASSIVE_REREAD_FIRST": "1s", "MASSIVE_REREAD_LAST": "\(age)s",
        ])
        let running = try gateway.start()
        try stage.expectMoreTrades("start")
        #expect(try eventually { try stage.found.changes.count > 10 })
        // A key that expires is told, and nothing is missing when it is there again.
        #expect(try stage.simulator.command("expire") == "ok")
        #expect(eventually { gateway.service.log.text.contains("nothing is known of cancels") })
        #expect(try stage.simulator.command("renew") == "ok")
        let page = try "\(gateway.status)"
        #expect(page.contains("reread_to") && !page.contains("test-key"))
        #expect(try running.stop() == .success)
        stage.simulator.stop()
        #expect(!gateway.service.log.text.contains("test-key"))
        let problems = try Self.wrongCancels(stage, age: age * 1_000_000_000)
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
    }

    @Test("another session of the account is told, and does not count as a failure")
    func displaced() throws {
        let stage = try VenueStage(.massive, .trades)
        let gateway = try stage.gateway()
        let running = try gateway.start()
        try stage.expectMoreTrades("start")
        #expect(try stage.simulator.command("displace") == "ok")
        #expect(try eventually { try "\(gateway.status)".contains("occupied") })
        #expect(gateway.service.log.text.contains("another session is connected"))
        #expect(try running.stop() == .success)
    }

    @Test("what a plan lacks is refused by its channel, and the trades come")
    func noQuotes() throws {
        let stage = try VenueStage(.massive, .level1, ["--no-quotes"])
        let gateway = try stage.gateway()
        let running = try gateway.start()
        try stage.expectMoreTrades("start")
        #expect(try eventually { try "\(gateway.status)".contains("not authorized") })
        #expect(try running.stop() == .success)
        #expect(try stage.found.quotes == 0)
    }

    /// Returns what is wrong with the cancels, in sentences, when trades are read again at an age
    /// and after a span of the same length.
    private static func wrongCancels(_ stage: VenueStage, age: Int64) throws -> [String] {
        typealias Key = FoundTrades.Key
        let (found, happened) = (try stage.found, try stage.happened)
        // Two symbols may have one number.
        func whole(_ found: (symbol: String, trade: Trade)) -> Key {
            Key(symbol: found.symbol, number: found.trade.header.providerID)
        }
        let known = Dictionary(found.trades.map { (whole($0), $0.trade) }) { $1 }
        // Trades are read again from the start on, and the stream begins a little later.
        let began = Dictionary(
            found.trades.map { ($0.symbol, $0.trade.header.providerTime) }, uniquingKeysWith: min)
        var problems: [String] = []
        var there: Set<Key> = []
        for item in found.changes {
            let (key, change) = (found.key(item), item.trade)
            if !there.insert(key).inserted { problems.append("\(key) is cancelled twice") }
            let trade = known[whole(item)]
            if trade == nil, let began = began[item.symbol], change.header.providerTime < began {
                continue
            }
            guard change.header.action == TradeAction.cancel.rawValue, let trade,
                trade.header.providerTime == change.header.providerTime,
                trade.price == change.price, trade.size == change.size
            else {
                problems.append("\(key) is no cancel of a trade: \(change), not of \(trade as Any)")
                continue
            }
        }
        let last = found.trades.map(\.trade.header.receiveTime).max() ?? .undefined
        let cancelled = try cancelled(stage)
        for key in there where cancelled[key] == nil {
            problems.append("\(key) was not cancelled")
        }
        // A second is for the answer of a slow machine.
        let end = last.advanced(byNanoseconds: -2 * age - 1_000_000_000)
        let numbers = Set(found.trades.map(found.key))
        for (key, time) in cancelled where numbers.contains(key) && !there.contains(key) {
            guard let real = happened[key], real.reported < end,
                time.nanoseconds(since: real.reported) < age
            else { continue }
            problems.append("the cancel of \(key) is missing")
        }
        return problems
    }

    /// When trades were cancelled.
    private static func cancelled(_ stage: VenueStage) throws -> [FoundTrades.Key: Timestamp] {
        var cancelled: [FoundTrades.Key: Timestamp] = [:]
        for entry in try stage.entries("bust") {
            guard let message = entry["message"] else { continue }
            let key = FoundTrades.Key(
                symbol: message["sym"]?.string ?? "", number: try #require(message["q"]?.uint64))
            cancelled[key] = Timestamp(nanoseconds: Int64(entry["time"]?.int ?? 0))
        }
        return cancelled
    }
}
