import EngineKit
import Foundation
import MarketModel
import MassiveEngine
import MassiveProvider
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import ProviderGateway

/// A gateway between `massive-simulator` and a real nats-server, through faults of every kind.
@Suite("The records of a simulated Massive on the tape")
struct MassiveTests {
    private static let symbols = ["AAPL", "SPY"]

    private struct Stage {
        let folder: TemporaryFolder
        let massive: SimulatorProcess
        let server: NatsServer
        let tape: TestTape
        let feeds: Instrument.Feeds

        init(_ feeds: Instrument.Feeds, _ more: [String] = []) throws {
            self.feeds = feeds
            folder = try TemporaryFolder("massive")
            massive = try SimulatorProcess(
                [
                    "--rate", "200", "--symbols", MassiveTests.symbols.joined(separator: ","),
                    "--market-log", folder.file("market"), "--late", "0",
                ] + more, program: "massive-simulator")
            server = try NatsServer()
            tape = try TestTape(server, namespace: "massive")
        }

        var market: String { folder.file("market") }

        func gateway(_ more: [String: String] = [:]) throws -> TestGateway {
            let instruments = try MassiveTests.symbols.map {
                Instrument(
                    symbol: try #require(Symbol($0)), contract: Instrument.Contract(.stock),
                    feeds: feeds)
            }
            let environment = [
                "GATEWAY_PROVIDER": "massive", "GATEWAY_SOURCE": "stocks", "GATEWAY_LIVE": "false",
                "MASSIVE_URL": "ws://127.0.0.1:\(massive.port)", "MASSIVE_API_KEY": "test-key",
                "MASSIVE_RECONNECT_FIRST": "100ms", "MASSIVE_RECONNECT_MAX": "1s",
                "MASSIVE_SILENT_AFTER": "2s", "MASSIVE_BARS": "second",
            ]
            return try TestGateway(
                tape, environment.merging(more) { $1 }, providers: [.massive],
                instruments: instruments)
        }

        func wait(_ why: String) throws {
            let before = try FoundOfMassive(tape).trades.count
            #expect(
                try eventually { try FoundOfMassive(tape).trades.count > before + 20 }, "\(why)")
        }
    }

    @Test("each trade of the market log is on the tape once, with its fraction, or in a gap")
    func faults() throws {
        let stage = try Stage(.level1)
        let running = try stage.gateway().start()
        try stage.wait("start")
        for command in [
            "cut", "truncate", "garbage 64", "bad-json", "oversized 2000000", "close 1008",
            "half-open", "slow-consumer", "down 1",
        ] {
            #expect(try stage.massive.command(command) == "ok")
            try stage.wait(command)
        }
        #expect(try running.stop() == .success)
        stage.massive.stop()
        let found = try FoundOfMassive(stage.tape)
        let problems = try found.problems(in: stage.market)
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
        #expect(found.gapCount > 5 && found.quotes > 100 && found.fractions > 0)
    }

    @Test("bars come beside trades; a key that expires refuses, and says so")
    func others() throws {
        let stage = try Stage([.trades, .bars])
        let gateway = try stage.gateway()
        let running = try gateway.start()
        try stage.wait("start")
        #expect(try eventually { try FoundOfMassive(stage.tape).bars > 2 })
        let page = try "\(gateway.status)"
        #expect(page.contains("instruments_total") && !page.contains("test-key"))
        #expect(try stage.massive.command("expire") == "ok")
        #expect(try stage.massive.command("cut") == "ok")
        #expect(try eventually { try "\(gateway.status)".contains("authentication failed") })
        #expect(try running.stop() == .success)
        #expect(gateway.service.log.text.contains("MASSIVE_API_KEY_FILE"))
        #expect(!gateway.service.log.text.contains("test-key"))
    }

    @Test("trades that are cancelled later are found by requests, each once")
    func cancels() throws {
        let stage = try Stage(.trades, ["--busts", "8"])
        let age: Int64 = 3
        let gateway = try stage.gateway([
            "MASSIVE_REST_URL": "http://127.0.0.1:\(stage.massive.port)/",
            "MASSIVE_REREAD_FIRST": "1s", "MASSIVE_REREAD_LAST": "\(age)s",
        ])
        let running = try gateway.start()
        try stage.wait("start")
        #expect(try eventually { try FoundOfMassive(stage.tape).changes.count > 10 })
        // A key that expires is told, and nothing is missing when it is there again.
        #expect(try stage.massive.command("expire") == "ok")
        #expect(eventually { gateway.service.log.text.contains("nothing is known of cancels") })
        #expect(try stage.massive.command("renew") == "ok")
        let page = try "\(gateway.status)"
        #expect(page.contains("reread_to") && !page.contains("test-key"))
        #expect(try running.stop() == .success)
        stage.massive.stop()
        #expect(!gateway.service.log.text.contains("test-key"))
        let found = try FoundOfMassive(stage.tape)
        let problems = try found.wrongCancels(in: stage.market, age: age * 1_000_000_000)
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
    }

    @Test("another session of the account is told, and does not count as a failure")
    func displaced() throws {
        let stage = try Stage(.trades)
        let gateway = try stage.gateway()
        let running = try gateway.start()
        try stage.wait("start")
        #expect(try stage.massive.command("displace") == "ok")
        #expect(try eventually { try "\(gateway.status)".contains("occupied") })
        #expect(gateway.service.log.text.contains("another session is connected"))
        #expect(try running.stop() == .success)
    }

    @Test("what a plan lacks is refused by its channel, and the trades come")
    func noQuotes() throws {
        let stage = try Stage(.level1, ["--no-quotes"])
        let gateway = try stage.gateway()
        let running = try gateway.start()
        try stage.wait("start")
        #expect(try eventually { try "\(gateway.status)".contains("not authorized") })
        #expect(try running.stop() == .success)
        #expect(try FoundOfMassive(stage.tape).quotes == 0)
    }
}

/// What a source of Massive has on the tape.
private struct FoundOfMassive {
    private(set) var trades: [(symbol: String, trade: Trade)] = []
    /// Cancels and corrections.
    private(set) var changes: [(symbol: String, trade: Trade)] = []
    private(set) var quotes = 0
    private(set) var bars = 0
    private var gaps: [String: [(from: Timestamp, to: Timestamp)]] = [:]

    var gapCount: Int { gaps.values.reduce(0) { $0 + $1.count } }
    /// Trades of a part of a share.
    var fractions: Int { trades.count { $0.trade.size.raw % 100_000_000 != 0 } }

    init(_ tape: TestTape) throws {
        let source = try #require(SourceName("stocks"))
        for payload in try tape.tickPayloads(of: source) {
            payload.withRawSpan { read($0) }
        }
    }

    private mutating func read(_ packet: borrowing RawSpan) {
        var names: [UInt32: String] = [:]
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade):
                let symbol = names[trade.header.symbol] ?? "?"
                if trade.header.action == TradeAction.new.rawValue {
                    trades.append((symbol, trade))
                } else {
                    changes.append((symbol, trade))
                }
            case .quote: quotes += 1
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    names[index] = definition.symbol.text
                } else if message.providerBar(in: packet) != nil {
                    bars += 1
                } else if let gap = message.gapRecord(in: packet),
                    gap.kind == DataKind.trade.rawValue
                {
                    let end = gap.to.isDefined ? gap.to : Timestamp(nanoseconds: .max - 1)
                    gaps[names[gap.header.symbol] ?? "?", default: []].append((gap.from, end))
                }
            case .bar: continue
            case .malformed: Issue.record("malformed")
            }
        }
    }

    private struct Key: Hashable {
        var symbol: String
        /// The service's number.
        var number: UInt64
    }

    private struct Real {
        var time: Timestamp
        var reported: Timestamp
        var price: Double?
        var size: String
    }

    /// Returns what is wrong, in sentences, beside the service's log of its market.
    func problems(in log: String) throws -> [String] {
        let happened = try Self.happened(log)
        var problems: [String] = []
        var there: Set<Key> = []
        for (symbol, trade) in trades {
            let key = Key(symbol: symbol, number: trade.header.providerID & (1 << 38 - 1))
            if !there.insert(key).inserted { problems.append("\(key) is there twice") }
            guard let real = happened[key] else {
                problems.append("\(key) never happened")
                continue
            }
            let size = try FixedPoint.parse(real.size, decimals: Quantity.decimals)
            if real.time != trade.header.providerTime || size != trade.size.raw
                || real.price != Double(trade.price.description)
            {
                problems.append("\(key) is another trade")
            }
        }
        let received = trades.map(\.trade.header.receiveTime)
        guard let first = received.min(), let last = received.max() else { return ["no trade"] }
        for (key, real) in happened
        where !there.contains(key) && real.reported > first
            && real.reported.advanced(byNanoseconds: 1_000_000_000) < last
        {
            let isNamed = (gaps[key.symbol] ?? []).contains {
                $0.from <= real.time && real.time < $0.to
            }
            if !isNamed { problems.append("\(key) at \(real.time) is lost and in no gap") }
        }
        return problems
    }

    /// Returns what is wrong with the cancels, in sentences, when trades are read again at an age
    /// and after a span of the same length.
    func wrongCancels(in log: String, age: Int64) throws -> [String] {
        // Two symbols may have one number.
        let known = Dictionary(
            trades.map {
                (Key(symbol: $0.symbol, number: $0.trade.header.providerID), $0.trade)
            }
        ) { $1 }
        var problems: [String] = []
        var there: Set<Key> = []
        for (symbol, change) in changes {
            let number = change.header.providerID
            let key = Key(symbol: symbol, number: number & (1 << 38 - 1))
            if !there.insert(key).inserted { problems.append("\(key) is cancelled twice") }
            let trade = known[Key(symbol: symbol, number: number)]
            guard change.header.action == TradeAction.cancel.rawValue, let trade,
                trade.header.providerTime == change.header.providerTime,
                trade.price == change.price, trade.size == change.size
            else {
                problems.append("\(key) is no cancel of a trade: \(change), not of \(trade as Any)")
                continue
            }
        }
        let last = trades.map(\.trade.header.receiveTime).max() ?? .undefined
        let happened = try Self.happened(log)
        let cancelled = try Self.cancelled(log)
        for key in there where cancelled[key] == nil {
            problems.append("\(key) was not cancelled")
        }
        // A second is for the answer of a slow machine.
        let end = last.advanced(byNanoseconds: -2 * age - 1_000_000_000)
        let numbers = Set(
            trades.map {
                Key(symbol: $0.symbol, number: $0.trade.header.providerID & (1 << 38 - 1))
            })
        for (key, time) in cancelled where numbers.contains(key) && !there.contains(key) {
            guard let real = happened[key], real.reported < end,
                time.nanoseconds(since: real.reported) < age
            else { continue }
            problems.append("the cancel of \(key) is missing")
        }
        return problems
    }

    /// When trades were cancelled.
    private static func cancelled(_ log: String) throws -> [Key: Timestamp] {
        var cancelled: [Key: Timestamp] = [:]
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            let entry = try JSONValue.parse(String(line))
            guard entry["kind"]?.string == "bust", let message = entry["message"] else { continue }
            let key = Key(
                symbol: message["sym"]?.string ?? "", number: try #require(message["q"]?.uint64))
            cancelled[key] = Timestamp(nanoseconds: Int64(entry["time"]?.int ?? 0))
        }
        return cancelled
    }

    private static func happened(_ log: String) throws -> [Key: Real] {
        var happened: [Key: Real] = [:]
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            let entry = try JSONValue.parse(String(line))
            guard entry["kind"]?.string == "trade", let message = entry["message"] else { continue }
            let key = Key(
                symbol: message["sym"]?.string ?? "", number: try #require(message["q"]?.uint64))
            happened[key] = Real(
                time: Timestamp(nanoseconds: Int64(message["t"]?.int ?? 0) * 1_000_000),
                reported: Timestamp(nanoseconds: Int64(entry["time"]?.int ?? 0)),
                price: message["p"]?.double,
                size: message["ds"]?.string ?? "\(message["s"]?.int ?? 0)")
        }
        return happened
    }
}
