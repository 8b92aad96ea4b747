import Foundation
import IBSimulator
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
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
        /// Seconds since 1970.
        let range: Range<Int64>

        init(rate: Int, seconds: Int64) throws {
            broker = try BrokerSimulator(BrokerHistoryTests.symbols, rate: rate, seed: 11)
            try broker.start()
            server = try NatsServer()
            tape = try TestTape(server, namespace: "past", partitions: 3)
            folder = try TemporaryFolder("load")
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

        /// The records of a source, by symbol, in the order of the tape.
        func records<Found>(
            _ source: SourceName, _ read: (Record, RawSpan) -> (UInt32, Found)?
        ) throws -> [String: [Found]] {
            var found: [String: [Found]] = [:]
            for payload in try tape.tickPayloads(of: source) {
                payload.withRawSpan { packet in
                    var names: [UInt32: String] = [:]
                    var cursor = RecordCursor()
                    while let record = cursor.next(in: packet) {
                        if case .other(let message) = record,
                            let (index, definition) = message.symbolDefinition(in: packet)
                        {
                            names[index] = definition.symbol.text
                        }
                        guard let (symbol, value) = read(record, packet) else { continue }
                        found[names[symbol] ?? "?", default: []].append(value)
                    }
                }
            }
            return found
        }

        func trades(_ source: SourceName) throws -> [String: [Trade]] {
            try records(source) { record, _ in
                if case .trade(let trade) = record { (trade.header.symbol, trade) } else { nil }
            }
        }

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
        let source = try #require(SourceName("ibkr-history"))
        for part in 1...2 {
            let load = try stage.load()
            let isHere = try eventually {
                try stage.tape.tickCount(source: source) > UInt64(part * 1_500)
            }
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
        let found = try stage.trades(source)
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
        #expect(try stage.trades(source) == found)
    }

    @Test("bars of a minute come once; a plan estimates them, and unknown contracts are refused")
    func bars() throws {
        let stage = try Stage(rate: 60, seconds: 3_600)
        let source = try #require(SourceName("ibkr-history"))
        let unknown = try stage.load(["AAPL", "NOPE"])
        #expect(unknown.waitUntilExit() != 0)
        #expect(unknown.log.contains("NOPE: No security definition"), "\(unknown.log)")
        #expect(try stage.tape.tickCount(source: source) == 0)
        let load = try stage.load(Self.symbols, ["--bars", "1m"])
        #expect(load.waitUntilExit() == 0, "\(load.log)")
        #expect(load.log.contains("ibkr has about 180 bars (1m)"), "\(load.log)")
        let found = try stage.records(source) { record, packet -> (UInt32, ProviderBar)? in
            guard case .other(let message) = record, let bar = message.providerBar(in: packet)
            else { return nil }
            return (bar.header.symbol, bar)
        }
        for symbol in Self.symbols {
            let bars = found[symbol] ?? []
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
        let source = try #require(SourceName("ibkr-history"))
        #expect(try stage.trades(source)["APPLE"]?.count == stage.traded(0).count)
    }
}
