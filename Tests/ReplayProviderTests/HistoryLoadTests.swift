import Foundation
import MarketModel
import Primitives
import ServiceTestSupport
import TestSupport
import Testing

@testable import ReplayProvider

/// `tapeline load` with a simulated exchange, a real nats-server, a gateway and an operator.
@Suite("A past that is loaded onto a real tape")
struct HistoryLoadTests {
    private static let symbols = ["BTCUSDT", "ETHUSDT", "BNBUSDT"]

    private struct Stage {
        let bench: ReplayBench
        let exchange: SimulatorProcess
        let tape: TestTape
        let from: Timestamp
        let to: Timestamp

        init() throws {
            let server = try NatsServer()
            bench = try ReplayBench(server)
            exchange = try SimulatorProcess(
                ["--rate", "300", "--symbols", HistoryLoadTests.symbols.joined(separator: ",")],
                program: "binance-simulator")
            tape = try TestTape(server, namespace: "past", partitions: 3)
            // Whole seconds, so that no bar lies across an end.
            let now = Timestamp(nanoseconds: Int64(Date().timeIntervalSince1970) * 1_000_000_000)
            to = now.advanced(byNanoseconds: -65_000_000_000)
            from = to.advanced(byNanoseconds: -20_000_000_000)
        }

        func load(_ options: String..., shifted seconds: Int64 = 0) throws -> ServerProcess {
            let times = [from, to].map { $0.advanced(byNanoseconds: seconds * 1_000_000_000) }
            return try ServerProcess(
                try ProductPrograms.path("tapeline"),
                ["load", "binance"] + HistoryLoadTests.symbols + ["--from", "\(times[0])"]
                    + ["--to", "\(times[1])", "--yes"] + options,
                environment: tape.environment.merging([
                    "BINANCE_REST_URL": "http://127.0.0.1:\(exchange.port)",
                    "TMPDIR": bench.folder.path,
                ]) { $1 }.merging(ProductPrograms.profile("tapeline")) { $1 },
                logPath: bench.folder.file("load-\(UUID().uuidString)"))
        }

        func trades(_ source: SourceName) throws -> [String: [Trade]] {
            try SymbolsOnTape(tape, source).entries.mapValues { entries in
                entries.compactMap {
                    if case .trade(let trade) = $0.record.record { trade } else { nil }
                }
            }
        }
    }

    @Test("killed twice, every trade of the range is there once; its bars are whole and right")
    func kills() throws {
        let stage = try Stage()
        let source = try #require(SourceName("binance-history"))
        let worker = try stage.bench.program("operator-worker", stage.tape)
        for part in 1...2 {
            let load = try stage.load()
            let isHere = try eventually {
                try stage.tape.tickCount(source: source) > UInt64(part * 1_500)
            }
            #expect(isHere, "\(load.log)")
            // Its gateway ends with it.
            #expect(load.stop(9) == 9)
        }
        let last = try stage.load("--json")
        #expect(last.waitUntilExit() == 0, "\(last.log)")
        let answer = try JSONValue.parse(
            last.log.split(separator: "\n").last.map(String.init) ?? "")
        #expect(answer["state"]?.string == "done" && answer["source"]?.string == source.text)
        let found = try stage.trades(source)
        #expect(Set(found.keys) == Set(Self.symbols))
        for (symbol, trades) in found {
            let ids = trades.map(\.header.providerID)
            let first = try #require(ids.first)
            #expect(ids == Array(first..<first + UInt64(ids.count)), "\(symbol)")
            #expect(ids.count > 1_000 && trades.allSatisfy { $0.header.flags.isEmpty })
            #expect(
                trades.allSatisfy {
                    $0.header.providerTime >= stage.from && $0.header.providerTime < stage.to
                })
        }
        // Twice, and what overlaps, is refused.
        for shift in [0, -5, 5] as [Int64] {
            let again = try stage.load(shifted: shift)
            #expect(again.waitUntilExit() != 0 && again.log.contains("--source"), "\(again.log)")
        }
        #expect(try stage.trades(source) == found)
        try expectBars(of: found, stage)
        #expect(worker.stop() == 0)
    }

    /// Compares the bars of a second with those that the trades come to.
    private func expectBars(of found: [String: [Trade]], _ stage: Stage) throws {
        var wanted: [String: (trades: UInt64, volume: Int128, close: Price)] = [:]
        for (symbol, trades) in found {
            for trade in trades {
                let second = trade.header.providerTime.nanoseconds / 1_000_000_000
                var bar = wanted["\(symbol) \(second)"] ?? (0, 0, .undefined)
                bar.trades += 1
                bar.volume += Int128(trade.size.raw)
                bar.close = trade.price
                wanted["\(symbol) \(second)"] = bar
            }
        }
        func bars() throws -> [String: Bar] {
            let seconds = try LastBars(stage.tape).bars.filter {
                $1.closeTime.nanoseconds(since: $1.openTime) == 1_000_000_000
            }
            return Dictionary(
                seconds.map { ("\($0.symbol) \($0.open.nanoseconds / 1_000_000_000)", $1) }
            ) { $1 }
        }
        let areThere = try eventually { try bars().count == wanted.count }
        let made = try bars()
        #expect(areThere, "\(made.count) of \(wanted.count)")
        for (key, bar) in made {
            let right = wanted[key]
            #expect(bar.trades == right?.trades && bar.volume == right?.volume, "\(key)")
            #expect(bar.close == right?.close && !bar.flags.contains(.partial), "\(key)")
        }
    }
}
