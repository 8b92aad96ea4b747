import BinanceProvider
import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

/// A gateway between `binance-simulator` and a real nats-server, through faults of every kind.
@Suite("The simulated exchange's trades on the tape")
struct SimulatedExchangeTests {
    private static let symbols = ["BTCUSDT", "ETHUSDT"]

    private struct Stage {
        let folder: TemporaryFolder
        let exchange: SimulatorProcess
        let server: NatsServer
        let tape: TestTape
        let instruments: [Instrument]
        let environment: [String: String]

        var market: String { folder.file("market") }

        func gateway() throws -> TestGateway {
            try TestGateway(tape, environment, providers: [.binance], instruments: instruments)
        }

        func waitForTrades(_ why: String) throws {
            let before = try ExchangeTrades(tape).count
            #expect(try eventually { try ExchangeTrades(tape).count > before + 20 }, "\(why)")
        }

        func fail() throws {
            for command in [
                "lose 5", "cut", "truncate", "garbage 64", "bad-json", "oversized 2000000",
                "close 1008", "half-open", "mute 30", "shutdown 1", "down 1",
            ] {
                #expect(try exchange.command(command) == "ok")
                try waitForTrades(command)
            }
        }
    }

    private func stage(fills: Bool, isHotHot: Bool = false) throws -> Stage {
        let folder = try TemporaryFolder("market")
        let exchange = try SimulatorProcess(
            [
                "--rate", "200", "--symbols", Self.symbols.joined(separator: ","),
                "--market-log", folder.file("market"),
            ], program: "binance-simulator")
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "sim")
        let instruments = try Self.symbols.map {
            Instrument(
                symbol: try #require(Symbol($0)), contract: Instrument.Contract(.crypto),
                feeds: .trades)
        }
        // The first address does not have the trades.
        let rest = "http://127.0.0.1:\(exchange.port)"
        let environment = [
            "GATEWAY_PROVIDER": "binance", "GATEWAY_SOURCE": "exchange",
            "GATEWAY_LIVE": "false",
            "BINANCE_URL": "ws://127.0.0.1:\(exchange.port)/stream",
            "BINANCE_REST_URL": fills ? "\(rest)/market-data,\(rest)" : "",
            "BINANCE_HOT_HOT": "\(isHotHot)",
            "BINANCE_RECONNECT_FIRST": "100ms", "BINANCE_RECONNECT_MAX": "1s",
            "BINANCE_OVERLAP": "300ms", "BINANCE_SILENT_AFTER": "2s",
        ]
        return Stage(
            folder: folder, exchange: exchange, server: server, tape: tape,
            instruments: instruments, environment: environment)
    }

    @Test("each trade of the market log is on the tape once, or in a gap; nothing is invented")
    func faults() throws {
        let stage = try stage(fills: false)
        let running = try stage.gateway().start()
        try stage.waitForTrades("start")
        try stage.fail()
        #expect(try running.stop() == .success)
        stage.exchange.stop()
        let found = try ExchangeTrades(stage.tape)
        let problems = try found.problems(in: stage.market)
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
        #expect(found.gapCount > 5)
    }

    @Test("with the exchange's past every trade is there once, also those of the gateway's absence")
    func filled() throws {
        let stage = try stage(fills: true)
        let first = try stage.gateway().start()
        try stage.waitForTrades("start")
        try stage.fail()
        #expect(try first.stop() == .success)
        let second = try stage.gateway().start()
        try stage.waitForTrades("second gateway")
        let isFilled = try eventually { try ExchangeTrades(stage.tape).isComplete }
        let holes = try ExchangeTrades(stage.tape).holes
        #expect(isFilled, "\(holes)")
        #expect(try second.stop() == .success)
        stage.exchange.stop()
        let found = try ExchangeTrades(stage.tape)
        let problems = try found.problems(in: stage.market)
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
        #expect(found.isComplete && found.gapCount == 0)
    }

    @Test("with two connections, what fails on one of them leaves no gap and no trade out")
    func hotHot() throws {
        let stage = try stage(fills: false, isHotHot: true)
        let running = try stage.gateway().start()
        try stage.waitForTrades("start")
        for command in [
            "cut", "truncate", "garbage 64", "bad-json", "oversized 2000000", "close 1008",
            "half-open", "mute 30", "shutdown 1", "cut",
        ] {
            #expect(
                try eventually {
                    try stage.exchange.command("status").hasPrefix("ok: 2 connections, 4")
                })
            try stage.waitForTrades("before \(command)")
            #expect(try stage.exchange.command("one \(command)") == "ok")
            try stage.waitForTrades(command)
        }
        let before = try ExchangeTrades(stage.tape)
        #expect(before.recordCount == 0 && before.isComplete)
        #expect(try running.stop() == .success)
        stage.exchange.stop()
        let problems = try ExchangeTrades(stage.tape).problems(in: stage.market)
        #expect(problems.isEmpty, "\(problems.prefix(10).joined(separator: "\n"))")
    }
}

/// The trades and gaps of the exchange on the tape.
private struct ExchangeTrades {
    private var trades: [String: [Trade]] = [:]
    private var gaps: [String: [(from: Timestamp, to: Timestamp)]] = [:]

    var count: Int { trades.values.reduce(0) { $0 + $1.count } }
    /// The records of gaps of any state.
    private(set) var recordCount = 0
    var gapCount: Int { gaps.values.reduce(0) { $0 + $1.count } }

    /// The number of ids that are missing between the first and the last of each symbol.
    var holes: [String: UInt64] {
        trades.mapValues { trades in
            let ids = Set(trades.map(\.header.providerID))
            return (ids.max() ?? 0) + 1 - (ids.min() ?? 0) - UInt64(ids.count)
        }
    }
    var isComplete: Bool { !trades.isEmpty && holes.values.allSatisfy { $0 == 0 } }

    init(_ tape: TestTape) throws {
        for record in try tape.records(of: try #require(SourceName("exchange"))) {
            switch record.record {
            case .trade(let trade): trades[record.symbol, default: []].append(trade)
            case .gap(let gap):
                recordCount += 1
                guard gap.state == GapState.abandoned.rawValue else { continue }
                gaps[record.symbol, default: []].append((gap.from, gap.to))
            default: continue
            }
        }
    }

    /// Returns what is wrong, in sentences, beside the exchange's log of its market.
    func problems(in log: String) throws -> [String] {
        var problems: [String] = []
        var happened: [String: [UInt64: Trade]] = [:]
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            let json = try JSONValue.parse(String(line))
            let time = try #require(json["trade_time"]?.int)
            let id = try #require(json["id"]?.uint64)
            let trade = Trade(
                header: TickHeader(
                    symbol: 0, providerTime: Timestamp(nanoseconds: Int64(time) * 1_000_000),
                    receiveTime: .undefined, providerID: id),
                price: try Price(json["price"]?.string ?? ""),
                size: try Quantity(json["quantity"]?.string ?? ""))
            happened[json["symbol"]?.string ?? "", default: [:]][id] = trade
        }
        for (symbol, found) in trades {
            let real = happened[symbol] ?? [:]
            let ids = found.filter { !$0.header.flags.contains(.backfilled) }
                .map(\.header.providerID)
            let there = Set(found.map(\.header.providerID))
            if !zip(ids, ids.dropFirst()).allSatisfy({ $0 < $1 }) || there.count != found.count {
                problems.append("\(symbol): ids go back or are there twice")
            }
            for trade in found {
                let same = real[trade.header.providerID]
                if same?.price != trade.price || same?.size != trade.size
                    || same?.header.providerTime != trade.header.providerTime
                {
                    problems.append("\(symbol): \(trade.header.providerID) is another trade")
                }
            }
            guard let first = ids.first, let last = ids.last else { continue }
            for (id, trade) in real where id > first && id < last && !there.contains(id) {
                let time = trade.header.providerTime
                let isNamed = (gaps[symbol] ?? []).contains { $0.from <= time && time < $0.to }
                if !isNamed { problems.append("\(symbol): \(id) is lost and in no gap") }
            }
        }
        return problems
    }
}
