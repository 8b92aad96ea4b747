import BinanceProvider
import Foundation
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("A gateway that loads a past")
struct HistoryProviderTests {
    @Test(
        "a past, and nothing else, gets into a source that is named for it",
        arguments: [
            ("binance-history", "", true), ("binance-history", "coins-history-2", true),
            ("binance-history", "binance", false), ("binance", "binance-history", false),
            ("binance-history,synthetic", "a-history", false), ("binance", "", true),
            ("replay", "binance-history", true),
        ])
    func names(providers: String, source: String, isRight: Bool) throws {
        var environment = [
            "GATEWAY_PROVIDER": providers, "HISTORY_FROM": "2026-01-01T00:00:00Z",
            "HISTORY_TO": "2026-01-02T00:00:00Z",
            "GATEWAY_INSTRUMENTS":
                "\(ServerPrograms.checkout)/services/provider-gateway/instruments/coins.yaml",
        ]
        environment["GATEWAY_SOURCE"] = source.isEmpty ? nil : source
        let problems = TestService.problems(Main.description, environment).filter {
            $0.contains("GATEWAY_SOURCE:") || $0.contains("GATEWAY_PROVIDER:")
        }
        #expect(problems.isEmpty == isRight, "\(problems)")
    }

    @Test("all that is wrong with a range is said at once")
    func range() {
        let problems = TestService.problems(
            Main.description,
            [
                "GATEWAY_PROVIDER": "binance-history", "HISTORY_FROM": "yesterday",
                "BINANCE_URL": "ws://127.0.0.1:1/stream",
            ])
        for what in ["HISTORY_FROM", "BINANCE_REST_URL", "GATEWAY_INSTRUMENTS"] {
            #expect(problems.contains { $0.contains(what) }, "\(problems)")
        }
    }

    private struct Stage {
        let exchange: SimulatorProcess
        let server: NatsServer
        let tape: TestTape
        let source: SourceName
        let environment: [String: String]

        let feeds: Instrument.Feeds

        /// With `bars` the load has bars of a second, and else trades.
        init(bars: Bool = false) throws {
            feeds = bars ? .bars : .trades
            exchange = try SimulatorProcess(
                ["--rate", "300", "--symbols", "BTCUSDT,ETHUSDT"], program: "binance-simulator")
            server = try NatsServer()
            tape = try TestTape(server, namespace: "past")
            source = try #require(SourceName("coins-history"))
            let to = Int64(Date().timeIntervalSince1970) - 65
            let from = to - (bars ? 6_000 : 10)
            environment = [
                "GATEWAY_PROVIDER": "binance-history", "GATEWAY_SOURCE": source.text,
                "GATEWAY_LIVE": "false", "BINANCE_BARS": "1s",
                "BINANCE_REST_URL": "http://127.0.0.1:\(exchange.port)",
                "HISTORY_FROM": "\(Timestamp(nanoseconds: from * 1_000_000_000))",
                "HISTORY_TO": "\(Timestamp(nanoseconds: to * 1_000_000_000))",
            ]
        }

        func gateway() throws -> TestGateway {
            try TestGateway(
                tape, environment, providers: [.binance, .binanceHistory],
                instruments: try ["BTCUSDT", "ETHUSDT"].map { try .named($0, feeds, .crypto) })
        }

        func state(_ gateway: TestGateway) throws -> String {
            try page(gateway)?["state"]?.string ?? ""
        }

        func records(_ gateway: TestGateway) throws -> Int {
            try page(gateway)?["records"]?.int ?? 0
        }

        private func page(_ gateway: TestGateway) throws -> JSONValue? {
            try gateway.status.at("providers", "binance-history")
        }
    }

    @Test("while the tape is nearly full it waits, and leaves the room to the present")
    func givesWay() throws {
        let stage = try Stage()
        let gateway = try stage.gateway()
        gateway.isLow.set(true)
        let running = try gateway.start()
        // All trades are handed over, and wait for the gateway.
        #expect(try eventually { try stage.records(gateway) > 2_500 })
        // The beginnings of subscriptions may have come before the first look at the room.
        let count = try stage.tape.tickCount(source: stage.source)
        #expect(count <= 2)
        gateway.isLow.set(false)
        // The two ends of subscriptions are the last records.
        #expect(try eventually { try stage.tape.tickCount(source: stage.source) > 2_000 })
        #expect(try running.stop() == .success)
    }

    /// Stops a load in its middle, and lets two others end it. Returns what is on the tape by
    /// symbol.
    private func stopped(_ stage: Stage) throws -> [String: [RecordOnTape]] {
        let running = try stage.gateway().start()
        #expect(try eventually { try stage.tape.tickCount(source: stage.source) > 500 })
        #expect(try running.stop() == .success)
        for _ in 0..<2 {
            let gateway = try stage.gateway()
            let next = try gateway.start()
            #expect(try eventually { try stage.state(gateway) == "finished" })
            #expect(try next.stop() == .success)
        }
        let records = try stage.tape.records(of: stage.source)
        #expect(records.allSatisfy { $0.gap == nil })
        return Dictionary(grouping: records.filter { $0.record.kind != nil }, by: \.symbol)
    }

    @Test("what was stopped goes on after the last trade, and what is done stays as it is")
    func stopped() throws {
        let found = try stopped(Stage())
        #expect(found.count == 2)
        for (symbol, records) in found {
            let ids = records.map(\.id)
            #expect(ids.count > 500 && records.allSatisfy { $0.trade != nil }, "\(symbol)")
            #expect(ids == Array(ids[0]..<ids[0] + UInt64(ids.count)), "\(symbol)")
        }
    }

    @Test("bars of a past that was stopped follow each other, each once")
    func bars() throws {
        let found = try stopped(Stage(bars: true))
        #expect(found.count == 2)
        for (symbol, records) in found {
            let bars = records.compactMap(\.bar)
            #expect(bars.count == 6_000 && records.count == 6_000, "\(symbol) \(bars.count)")
            #expect(zip(bars, bars.dropFirst()).allSatisfy { $0.closeTime == $1.openTime })
            #expect(bars.allSatisfy { $0.header.eventTime == $0.closeTime && $0.trades > 0 })
        }
    }

    @Test(
        "a plan of bars says how many there are, and asks again after a refusal",
        arguments: [
            ("limit 2 1", "too many requests"),
            ("fail 1 503", "status 503: it has trouble of its own: wait"),
        ])
    func planOfBars(fault: String, reason: String) throws {
        let stage = try Stage(bars: true)
        _ = try stage.exchange.command(fault)
        let folder = try TemporaryFolder()
        var environment = stage.environment
        environment["LOG_FORMAT"] = "json"
        environment["GATEWAY_INSTRUMENTS"] = try folder.write(
            "version: 1\ndefaults: {security: crypto, exchange: BINANCE, currency: USDT, "
                + "feeds: bars}\ninstruments: [BTCUSDT, ETHUSDT]\n", to: "list.yaml")
        let profile = ProductPrograms.profile("provider-gateway")
        let log = try run(
            "/bin/sh",
            ["-c", "exec \"$0\" plan 2>&1", try ProductPrograms.path("provider-gateway")],
            environment: environment.merging(profile) { $1 })
        #expect(log.contains(#""count":12000,"requests":16,"#), "\(log)")
        #expect(log.contains("\(reason): the exchange is asked again in"), "\(log)")
    }
}
