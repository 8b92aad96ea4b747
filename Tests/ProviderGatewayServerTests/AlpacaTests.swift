import AlpacaEngine
import AlpacaProvider
import EngineKit
import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import ProviderGateway

/// A gateway between `alpaca-simulator` and a real nats-server, through faults of every kind.
@Suite("The records of a simulated Alpaca on the tape")
struct AlpacaTests {
    private static let symbols = ["AAPL", "SPY"]

    private struct Stage {
        let folder: TemporaryFolder
        let alpaca: SimulatorProcess
        let server: NatsServer
        let tape: TestTape
        let feeds: Instrument.Feeds

        /// `hold`: how long the service keeps a session that was cut, in seconds.
        init(_ feeds: Instrument.Feeds, hold: Int = 1) throws {
            self.feeds = feeds
            folder = try TemporaryFolder("alpaca")
            alpaca = try SimulatorProcess(
                [
                    "--rate", "200", "--symbols", AlpacaTests.symbols.joined(separator: ","),
                    "--market-log", folder.file("market"), "--hold", "\(hold)", "--cancels", "40",
                    "--corrections", "40", "--news", "1",
                ], program: "alpaca-simulator")
            server = try NatsServer()
            tape = try TestTape(server, namespace: "alpaca")
        }

        var market: String { folder.file("market") }

        func gateway(_ more: [String: String] = [:]) throws -> TestGateway {
            let instruments = try AlpacaTests.symbols.map {
                Instrument(
                    symbol: try #require(Symbol($0)), contract: Instrument.Contract(.stock),
                    feeds: feeds)
            }
            let environment = [
                "GATEWAY_PROVIDER": "alpaca", "GATEWAY_SOURCE": "stocks", "GATEWAY_LIVE": "false",
                "ALPACA_URL": "ws://127.0.0.1:\(alpaca.port)", "ALPACA_FEED": "sip",
                "ALPACA_API_KEY": "test-key", "ALPACA_API_SECRET": "test-secret",
                "ALPACA_RECONNECT_FIRST": "100ms", "ALPACA_RECONNECT_MAX": "1s",
                "ALPACA_SILENT_AFTER": "2s",
            ]
            return try TestGateway(
                tape, environment.merging(more) { $1 }, providers: [.alpaca],
                instruments: instruments)
        }

        func wait(_ why: String) throws {
            let before = try FoundOfAlpaca(tape).trades.count
            #expect(try eventually { try FoundOfAlpaca(tape).trades.count > before + 20 }, "\(why)")
        }
    }

    @Test("each trade of the market log is on the tape once, or in a gap; changes name theirs")
    func faults() throws {
        let stage = try Stage(.level1)
        let running = try stage.gateway().start()
        try stage.wait("start")
        for command in [
            "cut", "truncate", "garbage 64", "bad-json", "oversized 2000000", "close 1008",
            "half-open", "error 500", "down 1",
        ] {
            #expect(try stage.alpaca.command(command) == "ok")
            try stage.wait(command)
        }
        #expect(try eventually { try FoundOfAlpaca(stage.tape).changes.count > 10 })
        #expect(try running.stop() == .success)
        stage.alpaca.stop()
        let found = try FoundOfAlpaca(stage.tape)
        let problems = try found.problems(in: stage.market)
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
        #expect(found.gapCount > 5 && found.quotes > 100)
    }

    @Test("a gateway that ended in order leaves no session behind for the next one")
    func order() throws {
        let stage = try Stage(.trades, hold: 600)
        for _ in 0..<3 {
            let gateway = try stage.gateway()
            let running = try gateway.start()
            try stage.wait("start")
            #expect(try running.stop() == .success)
            #expect(!gateway.service.log.text.contains("another session"))
        }
    }

    @Test("bars and news come beside trades; a key that expires refuses, and says so")
    func others() throws {
        let stage = try Stage([.trades, .news, .bars])
        let gateway = try stage.gateway()
        let running = try gateway.start()
        try stage.wait("start")
        #expect(try eventually { try FoundOfAlpaca(stage.tape).headlines.count > 1 })
        let page = try "\(gateway.status)"
        #expect(page.contains("instruments_total") && !page.contains("test-secret"))
        #expect(try stage.alpaca.command("expire") == "ok")
        #expect(try stage.alpaca.command("cut") == "ok")
        #expect(try eventually { try "\(gateway.status)".contains("auth failed") })
        #expect(try running.stop() == .success)
        #expect(gateway.service.log.text.contains("ALPACA_API_KEY_FILE"))
        #expect(!gateway.service.log.text.contains("test-secret"))
    }
}

/// What a source of Alpaca has on the tape.
private struct FoundOfAlpaca {
    /// By symbol and number.
    private(set) var trades: [(symbol: String, trade: Trade)] = []
    private(set) var changes: [(symbol: String, trade: Trade)] = []
    private(set) var headlines: [String] = []
    private(set) var quotes = 0
    private var gaps: [String: [(from: Timestamp, to: Timestamp)]] = [:]

    var gapCount: Int { gaps.values.reduce(0) { $0 + $1.count } }

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
                if trade.header.action == 0 {
                    trades.append((symbol, trade))
                } else {
                    changes.append((symbol, trade))
                }
            case .quote: quotes += 1
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    names[index] = definition.symbol.text
                } else if let news = message.newsHeadline(in: packet) {
                    headlines.append(news.headline)
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
        var number: UInt64
    }

    /// Returns what is wrong, in sentences, beside the service's log of its market.
    func problems(in log: String) throws -> [String] {
        var problems: [String] = []
        var happened: [Key: (time: Timestamp, reported: Timestamp, price: Double?)] = [:]
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            let entry = try JSONValue.parse(String(line))
            guard entry["kind"]?.string == "trade", let message = entry["message"],
                entry["endpoints"]?.array?.contains(where: { $0.string == "/v2/sip" }) ?? false
            else { continue }
            let time = try #require(ISOTime.parse(message["t"]?.string ?? ""))
            let price = try Price("\(message["p"]?.double ?? 0)")
            let size = try Quantity("\(message["s"]?.double ?? 0)")
            let number = AlpacaNumber.number(
                exchange: try #require(message["x"]?.string?.utf8.first),
                day: TradeNumber.day(of: time), id: try #require(message["i"]?.uint64),
                content: TradeNumber.content(price, size))
            happened[Key(symbol: message["S"]?.string ?? "", number: number)] = (
                time, Timestamp(nanoseconds: Int64(entry["time"]?.int ?? 0)),
                message["p"]?.double
            )
        }
        let keys = trades.map { Key(symbol: $0.symbol, number: $0.trade.header.providerID) }
        let there = Set(keys)
        if there.count != keys.count { problems.append("a trade is there twice") }
        for (key, found) in zip(keys, trades) {
            let real = happened[key]
            if real?.time != found.trade.header.providerTime
                || real?.price != Double(found.trade.price.description)
            {
                problems.append("\(key) is another trade")
            }
        }
        let received = trades.map(\.trade.header.receiveTime)
        guard let first = received.min(), let last = received.max() else { return ["no trade"] }
        for (key, real) in happened
        where !there.contains(key) && real.reported == real.time && real.reported > first
            && real.reported.advanced(byNanoseconds: 1_000_000_000) < last
        {
            let isNamed = (gaps[key.symbol] ?? []).contains {
                $0.from <= real.time && real.time < $0.to
            }
            if !isNamed { problems.append("\(key) at \(real.time) is lost and in no gap") }
        }
        for change in changes {
            let key = Key(symbol: change.symbol, number: change.trade.header.providerID)
            if there.contains(key), change.trade.header.providerTime != happened[key]?.time {
                problems.append("the change of \(key) has another time")
            }
        }
        return problems
    }
}
