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

/// A gateway between an exchange on loopback (PyPI's websockets) and a real nats-server.
@Suite("Trades of an exchange on the tape", .enabled(if: PythonServer.obstacle == nil))
struct BinanceTests {
    private static let script =
        "\(ServerPrograms.checkout)/Tests/ProviderGatewayServerTests/binance_exchange.py"

    private struct Stage {
        let tape: TestTape
        let exchange: PythonServer
        let folder: TemporaryFolder
        let environment: [String: String]
        let instruments: [Instrument]
        let gateway: TestGateway
        var truth: String { folder.file("truth") }

        var status: JSONValue? {
            get throws { try gateway.status["providers"]?["binance"] }
        }

        var shown: String {
            JSONWriter.made(capacity: 4_096) { gateway.report.write(into: &$0) }.text
        }

        func tell(_ command: String) throws {
            #expect(try exchange.command(command) == "ok")
        }

        func hasState(_ state: String) throws -> Bool {
            try eventually { try status?["state"]?.string == state }
        }

        /// Waits until trades come that are newer than now.
        func waitForTrades() throws -> Bool {
            let before = try TradesOnTape(tape).count
            return try eventually { try TradesOnTape(tape).count > before + 20 }
        }
    }

    private func stage(
        _ namespace: String, rate: Int = 200, tls certificates: Certificates? = nil,
        _ more: [String: String] = [:]
    ) throws -> Stage {
        let symbols = ["BTCUSDT", "ETHUSDT", "XRPUSDT"]
        let folder = try TemporaryFolder("exchange")
        let files = certificates.map { [$0.certificate("exchange"), $0.key("exchange")] } ?? []
        let exchange = try PythonServer(
            Self.script,
            [folder.file("truth"), "\(rate)", symbols.joined(separator: ",")] + files)
        let tape = try TestTape(NatsServer.shared(), namespace: namespace)
        let instruments = try symbols.map {
            Instrument(
                symbol: try #require(Symbol($0)), contract: Instrument.Contract(.crypto),
                feeds: .trades)
        }
        let environment = [
            "GATEWAY_PROVIDER": "binance", "GATEWAY_SOURCE": "exchange",
            "GATEWAY_LIVE": "false",
            "BINANCE_URL":
                "\(certificates == nil ? "ws" : "wss")://127.0.0.1:\(exchange.port())/stream",
            "BINANCE_TLS_CA": certificates?.certificate("authority") ?? "",
            "BINANCE_RECONNECT_FIRST": "100ms", "BINANCE_RECONNECT_MAX": "1s",
            "BINANCE_OVERLAP": "300ms",
        ].merging(more) { $1 }
        let gateway = try Self.gateway(tape, environment, instruments)
        return Stage(
            tape: tape, exchange: exchange, folder: folder, environment: environment,
            instruments: instruments, gateway: gateway)
    }

    private static func gateway(
        _ tape: TestTape, _ environment: [String: String], _ instruments: [Instrument]
    ) throws -> TestGateway {
        try TestGateway(tape, environment, providers: [.binance], instruments: instruments)
    }

    private func audit(_ stage: Stage) throws -> TradesOnTape {
        let found = try TradesOnTape(stage.tape)
        let truth = try ExchangeTruth(stage.truth)
        let problems = found.problems(truth)
        #expect(problems.isEmpty, "\(problems.prefix(20).joined(separator: "\n"))")
        return found
    }

    @Test("faults of every kind: each trade is there once or in a gap, and each lost gap lost one")
    func faults() throws {
        try withFaults(stage("bin1"))
    }

    @Test("the same over TLS", .enabled(if: Certificates.obstacle == nil))
    func faultsOverTLS() throws {
        let certificates = try Certificates()
        try certificates.make("exchange", name: "127.0.0.1")
        try withFaults(stage("bin5", tls: certificates))
    }

    private func withFaults(_ stage: Stage) throws {
        let running = try stage.gateway.start()
        #expect(try stage.hasState("ready"), "\(stage.shown)")
        #expect(try stage.waitForTrades())
        for command in [
            "lose 5", "cut", "garbage", "block", "oversize 2", "huge", "truncated", "close", "raw",
        ] {
            try stage.tell(command)
            #expect(try stage.waitForTrades(), "\(command): \(stage.shown)")
        }
        try stage.tell("shutdown")
        #expect(try stage.waitForTrades())
        try stage.tell("down")
        #expect(try eventually { try stage.status?["state"]?.string != "ready" })
        try stage.tell("up")
        #expect(try stage.hasState("ready"))
        #expect(try stage.waitForTrades())
        #expect(try running.stop() == .success)
        let found = try audit(stage)
        #expect(found.count > 200 && found.lossy > 0)
        #expect(found.details.contains { $0.contains("does not fit the tape") })
    }

    @Test("a mute exchange is noticed, and the connection made again")
    func mute() throws {
        let stage = try stage("bin2", ["BINANCE_SILENT_AFTER": "2s"])
        let running = try stage.gateway.start()
        #expect(try stage.waitForTrades())
        try stage.tell("mute")
        #expect(
            try eventually { try stage.status?["reason"]?.string == "it is silent" },
            "\(stage.shown)")
        try stage.tell("talk")
        #expect(try stage.waitForTrades())
        #expect(try running.stop() == .success)
        #expect(try audit(stage).lossy > 0)
    }

    @Test("connections that are renewed all the time leave no gap, and no trade is there twice")
    func renewal() throws {
        let stage = try stage("bin3", ["BINANCE_RENEW_AFTER": "1s"])
        let running = try stage.gateway.start()
        let isThere = try eventually { try TradesOnTape(stage.tape).count > 800 }
        #expect(isThere, "\(stage.shown)")
        #expect(try running.stop() == .success)
        let found = try audit(stage)
        #expect(found.lossy == 0, "\(found.details)")
    }

    @Test("a gateway that is started again has its absence on record")
    func restart() throws {
        let stage = try stage("bin4")
        for _ in 0..<2 {
            let running = try Self.gateway(stage.tape, stage.environment, stage.instruments).start()
            #expect(try stage.waitForTrades())
            #expect(try running.stop() == .success)
        }
        _ = try audit(stage)
    }
}

/// What the exchange did, from its log.
private struct ExchangeTruth {
    struct Trade {
        var price: Int64
        var size: Int64?
        var time: Timestamp
    }

    private(set) var trades: [String: [UInt64: Trade]] = [:]

    init(_ path: String) throws {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for line in text.split(separator: "\n") {
            let json = try JSONValue.parse(String(line))
            let symbol = try #require(json["s"]?.string)
            let id = try #require(json["t"]?.uint64)
            let size = json["q"]?.string ?? ""
            trades[symbol, default: [:]][id] = Trade(
                price: try Price(json["p"]?.string ?? "").raw,
                size: size.hasPrefix("123456789012345") ? nil : try Quantity(size).raw,
                time: Timestamp(nanoseconds: Int64(try #require(json["T"]?.int)) * 1_000_000))
        }
    }
}

/// The trades and gaps of the exchange's source on the tape.
private struct TradesOnTape {
    private struct Gap {
        var from: Timestamp
        var to: Timestamp
        var state: UInt8
        var detail: String
    }

    private var trades: [String: [Trade]] = [:]
    private var gaps: [String: [Gap]] = [:]

    var count: Int { trades.values.reduce(0) { $0 + $1.count } }
    /// The gaps that lost something.
    var lossy: Int {
        gaps.values.joined().count { $0.state == GapState.abandoned.rawValue }
    }
    var details: [String] { gaps.values.joined().map(\.detail) }

    init(_ tape: TestTape) throws {
        for record in try tape.records(of: try #require(SourceName("exchange"))) {
            switch record.record {
            case .trade(let trade): trades[record.symbol, default: []].append(trade)
            case .gap(let gap):
                gaps[record.symbol, default: []].append(
                    Gap(from: gap.from, to: gap.to, state: gap.state, detail: gap.detail))
            default: continue
            }
        }
    }

    /// Returns what is wrong, in sentences.
    func problems(_ truth: ExchangeTruth) -> [String] {
        truth.trades.flatMap { symbol, happened -> [String] in
            var problems: [String] = []
            let found = trades[symbol] ?? []
            let ids = found.map(\.header.providerID)
            if !zip(ids, ids.dropFirst()).allSatisfy({ $0 < $1 }) {
                problems.append("\(symbol): ids go back or are there twice")
            }
            for trade in found {
                let real = happened[trade.header.providerID]
                if real?.price != trade.price.raw || real?.size != trade.size.raw
                    || real?.time != trade.header.providerTime
                {
                    problems.append("\(symbol): \(trade.header.providerID) is another trade")
                }
            }
            let gaps = gaps[symbol] ?? []
            let there = Set(ids)
            let lost = happened.filter { !there.contains($0.key) && $0.key >= ids.first ?? 0 }
            for (id, trade) in lost {
                let isNamed = gaps.contains {
                    $0.state != GapState.filled.rawValue && $0.from <= trade.time
                        && (!$0.to.isDefined || trade.time < $0.to)
                }
                if !isNamed { problems.append("\(symbol): \(id) is lost and in no gap") }
            }
            for gap in gaps
            where gap.state == GapState.abandoned.rawValue && gap.detail.hasPrefix("trade ids")
                && !lost.contains(where: { $0.value.time >= gap.from && $0.value.time < gap.to })
            {
                problems.append("\(symbol): \(gap.detail) lost nothing")
            }
            return problems
        }
    }
}
