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
    /// A provider with a past, and its simulator.
    enum Provider: String, CaseIterable, CustomTestStringConvertible {
        case binance, alpaca, massive

        var testDescription: String { rawValue }

        var symbols: [String] {
            self == .binance ? ["BTCUSDT", "ETHUSDT", "BNBUSDT"] : ["AAPL", "MSFT", "SPY"]
        }

        /// Whether ids follow each other.
        var hasDenseIDs: Bool { self == .binance }

        func environment(port: UInt16) -> [String: String] {
            let (streams, requests) = ("ws://127.0.0.1:\(port)", "http://127.0.0.1:\(port)")
            return switch self {
            case .binance: ["BINANCE_REST_URL": requests]
            case .alpaca:
                [
                    "ALPACA_URL": streams, "ALPACA_REST_URL": requests,
                    "ALPACA_API_KEY": "test-key", "ALPACA_API_SECRET": "test-secret",
                    "ALPACA_HISTORY_FEED": "sip",
                ]
            case .massive:
                [
                    "MASSIVE_URL": streams, "MASSIVE_REST_URL": requests,
                    "MASSIVE_API_KEY": "test-key", "MASSIVE_HISTORY_REQUESTS": "6000",
                ]
            }
        }
    }

    private struct Stage {
        let provider: Provider
        let bench: ReplayBench
        let exchange: SimulatorProcess
        let tape: TestTape
        let from: Timestamp
        let to: Timestamp

        init(_ provider: Provider) throws {
            self.provider = provider
            let server = try NatsServer()
            bench = try ReplayBench(server)
            exchange = try SimulatorProcess(
                ["--rate", "300", "--symbols", provider.symbols.joined(separator: ",")],
                program: "\(provider.rawValue)-simulator")
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
                ["load", provider.rawValue] + provider.symbols + ["--from", "\(times[0])"]
                    + ["--to", "\(times[1])", "--yes"] + options,
                environment: tape.environment
                    .merging(provider.environment(port: exchange.port)) { $1 }
                    .merging(["TMPDIR": bench.folder.path]) { $1 }
                    .merging(ProductPrograms.profile("tapeline")) { $1 },
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

    @Test(
        "killed twice, every trade of the range is there once; its bars are whole and right",
        arguments: Provider.allCases)
    func kills(provider: Provider) throws {
        let stage = try Stage(provider)
        let source = try #require(SourceName("\(provider.rawValue)-history"))
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
        #expect(Set(found.keys) == Set(provider.symbols))
        for (symbol, trades) in found {
            let ids = trades.filter { $0.header.action == 0 }.map(\.header.providerID)
            let first = try #require(ids.first)
            if provider.hasDenseIDs {
                #expect(ids == Array(first..<first + UInt64(ids.count)), "\(symbol)")
            }
            #expect(Set(ids).count == ids.count, "\(symbol)")
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
        // Nothing is left of the commands that were killed.
        #expect(try left(stage).isEmpty)
        guard !provider.hasDenseIDs else { return }
        // One that nothing interrupts has the same.
        let other = try stage.load("--source", "\(source)-2")
        #expect(other.waitUntilExit() == 0, "\(other.log)")
        let whole = try stage.trades(try #require(SourceName("\(source)-2")))
        #expect(whole.mapValues(Self.shape) == found.mapValues(Self.shape))
    }

    /// Folders of commands.
    private func left(_ stage: Stage) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: stage.bench.folder.path)
            .filter { $0.hasPrefix("tapeline-load-") }
    }

    /// What a trade is, whenever and under whichever source it was loaded.
    private static func shape(_ trades: [Trade]) -> [String] {
        trades.map {
            "\($0.header.providerTime) \($0.header.providerID) \($0.header.action) "
                + "\($0.price.raw) \($0.size.raw)"
        }
    }

    /// The trades as they count in the end, for bars with all conditions.
    private static func valid(_ all: [Trade]) -> [Trade] {
        var changes: [UInt64: Trade] = [:]
        for change in all where change.header.action != 0 {
            changes[change.header.providerID] = change
        }
        return all.filter { $0.header.action == 0 }.compactMap { trade in
            guard let change = changes[trade.header.providerID] else { return trade }
            return change.header.action == TradeAction.cancel.rawValue ? nil : change
        }
    }

    /// Compares the bars of a second with those that the trades come to.
    private func expectBars(of found: [String: [Trade]], _ stage: Stage) throws {
        var wanted: [String: (trades: UInt64, volume: Int128, close: Price)] = [:]
        for (symbol, all) in found {
            for trade in Self.valid(all) {
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
