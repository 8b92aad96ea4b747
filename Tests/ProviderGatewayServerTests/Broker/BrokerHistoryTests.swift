import Foundation
import IBSimulator
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

/// `tapeline load ibkr` with a simulated TWS and a real nats-server.
@Suite("The past of a broker that is loaded onto a real tape")
struct BrokerHistoryTests {
    private static let symbols = ["AAPL", "MSFT", "JPM"]

    private final class Stage {
        let broker: BrokerSimulator
        let server: NatsServer
        let tape: TestTape
        let folder: TemporaryFolder
        let source: SourceName
        /// Seconds since 1970.
        let range: Range<Int64>

        init(rate: Int, seconds: Int64) throws {
            broker = try BrokerSimulator(BrokerHistoryTests.symbols, rate: rate, seed: 11)
            try broker.start()
            server = try NatsServer()
            tape = try TestTape(server, namespace: "past", partitions: 3)
            folder = try TemporaryFolder("load")
            source = try #require(SourceName("ibkr-history"))
            let to = (Int64(Date().timeIntervalSince1970) - 65) / 60 * 60
            range = to - seconds..<to
            #expect(broker.answers())
        }

        func load(
            _ symbols: [String] = BrokerHistoryTests.symbols, _ options: [String] = [],
            shifted seconds: Int64 = 0
        ) throws -> ServerProcess {
            let times = [range.lowerBound, range.upperBound].map {
                "\(Timestamp(nanoseconds: ($0 + seconds) * 1_000_000_000))"
            }
            return try ServerProcess(
                try ProductPrograms.path("tapeline"),
                ["load", "ibkr"] + symbols + ["--from", times[0], "--to", times[1], "--yes"]
                    + options,
                environment: tape.environment.merging([
                    "IBKR_HOST": "127.0.0.1", "IBKR_PORT": "\(broker.port)",
                    "TMPDIR": folder.path,
                ]) { $1 }.merging(ProductPrograms.profile("tapeline")) { $1 },
                logPath: folder.file("load-\(UUID().uuidString)"))
        }

        /// The records of the load, by symbol, in the order of the tape.
        func records() throws -> [String: [RecordOnTape]] {
            Dictionary(grouping: try tape.records(of: source), by: \.symbol)
        }

        func trades() throws -> [String: [Trade]] {
            try records().mapValues { $0.compactMap(\.trade) }
        }

        func count() throws -> UInt64 { try tape.tickCount(source: source) }

        /// What the market traded and reported in the range: second, price and size.
        func traded(_ place: Int) -> [String] {
            let instrument = broker.market.instruments[place]
            return range.flatMap { second in
                broker.market.events(of: place, in: second).compactMap { event -> String? in
                    guard case .trade(let trade) = event.kind, !trade.isUnreported else {
                        return nil
                    }
                    return "\(second) \(instrument.priceText(trade.price)) "
                        + instrument.sizeText(trade.size)
                }
            }
        }
    }

    @Test("killed twice, and cut off between, every trade of the range is there once")
    func kills() throws {
        let stage = try Stage(rate: 900, seconds: 40)
        for part in 1...2 {
            let load = try stage.load()
            let isHere = try eventually { try stage.count() > UInt64(part * 1_500) }
            #expect(isHere, "\(load.log)")
            if part == 1 { _ = stage.broker.command("close") }
            // Its gateway ends with it.
            #expect(load.stop(SIGKILL) == SIGKILL)
        }
        let last = try stage.load(Self.symbols, ["--json"])
        #expect(last.waitUntilExit() == 0, "\(last.log)")
        let answer = try JSONValue.parse(
            last.log.split(separator: "\n").last.map(String.init) ?? "")
        #expect(answer["state"]?.string == "done" && answer["resumed"]?.bool == true)
        let found = try stage.trades()
        for (place, symbol) in Self.symbols.enumerated() {
            let trades = found[symbol] ?? []
            let wanted = stage.traded(place)
            #expect(
                trades.map {
                    "\($0.header.eventTime.nanoseconds / 1_000_000_000) \($0.price) \($0.size)"
                } == wanted, "\(symbol) \(trades.count) of \(wanted.count)")
            #expect(trades.count > 4_000)
            let ids = trades.map(\.header.providerID)
            #expect(Set(ids).count == ids.count && ids == ids.sorted())
        }
        // Twice, and what overlaps, is refused.
        for shift in [0, -5, 5] as [Int64] {
            let again = try stage.load(shifted: shift)
            #expect(again.waitUntilExit() != 0 && again.log.contains("--source"), "\(again.log)")
        }
        #expect(try stage.trades() == found)
    }

    @Test("bars of a minute come once; a plan estimates them, and unknown contracts are refused")
    func bars() throws {
        let stage = try Stage(rate: 60, seconds: 3_600)
        let unknown = try stage.load(["AAPL", "NOPE"])
        #expect(unknown.waitUntilExit() != 0)
        #expect(unknown.log.contains("NOPE: No security definition"), "\(unknown.log)")
        #expect(try stage.count() == 0)
        let load = try stage.load(Self.symbols, ["--bars", "1m"])
        #expect(load.waitUntilExit() == 0, "\(load.log)")
        #expect(load.log.contains("ibkr has about 180 bars (1m)"), "\(load.log)")
        let found = try stage.records()
        for symbol in Self.symbols {
            let bars = (found[symbol] ?? []).compactMap(\.bar)
            #expect(bars.count == 60)
            #expect(zip(bars, bars.dropFirst()).allSatisfy { $0.closeTime == $1.openTime })
            #expect(bars.allSatisfy { $0.header.eventTime == $0.closeTime && $0.trades > 0 })
        }
    }

    @Test("a list names the contracts of symbols, and one that lacks a symbol is refused")
    func list() throws {
        let stage = try Stage(rate: 60, seconds: 10)
        let path = try stage.folder.write(
            "version: 1\ndefaults: {security: stock, exchange: SMART, currency: USD, "
                + "feeds: trades}\ninstruments:\n  - {symbol: APPLE, provider_symbol: AAPL}\n",
            to: "list.yaml")
        let missing = try stage.load(["MSFT"], ["--instruments", path])
        #expect(missing.waitUntilExit() != 0)
        #expect(missing.log.contains("MSFT is not in \(path)"), "\(missing.log)")
        let load = try stage.load(["APPLE"], ["--instruments", path])
        #expect(load.waitUntilExit() == 0, "\(load.log)")
        #expect(try stage.trades()["APPLE"]?.count == stage.traded(0).count)
    }
}
