import BinanceProvider
import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import ProviderGateway

/// Quotes, bars and books of `binance-simulator` on the tape of a real nats-server, through faults.
@Suite("What the simulated exchange sends beside trades, on the tape")
struct SimulatedSidesTests {
    @Test("nothing is invented or twice, bars agree with the trades, and books with the exchange's")
    func faults() throws {
        let folder = try TemporaryFolder("truth")
        let exchange = try SimulatorProcess(
            ["--rate", "100", "--symbols", "BTCUSDT", "--truth", folder.file("truth")],
            program: "binance-simulator")
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "sides")
        let instrument = Instrument(
            symbol: try #require(Symbol("BTCUSDT")), contract: Instrument.Contract(.crypto),
            feeds: [.trades, .quotes, .bars, .depth])
        let environment = [
            "GATEWAY_PROVIDER": "binance", "GATEWAY_SOURCE": "exchange", "GATEWAY_LIVE": "false",
            "BINANCE_URL": "ws://127.0.0.1:\(exchange.port)/stream", "BINANCE_BARS": "1s",
            "BINANCE_REST_URL": "http://127.0.0.1:\(exchange.port)",
            "BINANCE_RECONNECT_FIRST": "100ms", "BINANCE_RECONNECT_MAX": "1s",
            "BINANCE_SILENT_AFTER": "2s",
        ]
        let running = try TestGateway(
            tape, environment, providers: [.binance], instruments: [instrument]
        ).start()
        func wait(_ why: String) throws {
            let before = try Sides(tape)
            #expect(
                try eventually {
                    let now = try Sides(tape)
                    return now.quotes.count > before.quotes.count
                        && now.bars.count > before.bars.count
                        && now.books.count > before.books.count
                }, "\(why)")
        }
        try wait("start")
        for command in ["cut", "truncate", "bad-json", "half-open"] {
            #expect(try exchange.command(command) == "ok")
            try wait(command)
        }
        #expect(try running.stop() == .success)
        exchange.stop()
        try Sides(tape).compare(with: String(contentsOfFile: folder.file("truth"), encoding: .utf8))
    }
}

/// What is on the tape beside trades.
private struct Sides {
    private(set) var quotes: [Quote] = []
    private(set) var bars: [ProviderBar] = []
    private var trades: [Trade] = []
    private var gaps: [GapRecord] = []
    /// The book after the last row of each update.
    private(set) var books: [UInt64: [[Int64]]] = [:]
    private var rows: (bids: [[Int64]], asks: [[Int64]])?

    init(_ tape: TestTape) throws {
        for record in try tape.records(of: try #require(SourceName("exchange"))) {
            switch record.record {
            case .trade(let trade): trades.append(trade)
            case .quote(let quote): quotes.append(quote)
            case .providerBar(let bar): bars.append(bar)
            case .gap(let gap): gaps.append(gap)
            case .depthReset: rows = ([], [])
            case .depth(let row): change(row)
            default: continue
            }
        }
    }

    private mutating func change(_ row: DepthUpdate) {
        guard var rows else {
            Issue.record("a row without the beginning of its book")
            return
        }
        let isBid = row.side == BookSide.bid.rawValue
        var side = isBid ? rows.bids : rows.asks
        let place = Int(row.position)
        switch DepthOperation(rawValue: row.operation) {
        case .insert: side.insert([row.price.raw, row.size.raw], at: place)
        case .update: side[place] = [row.price.raw, row.size.raw]
        case .delete: side.remove(at: place)
        case nil: Issue.record("no operation")
        }
        if isBid { rows.bids = side } else { rows.asks = side }
        self.rows = rows
        // A row that the gateway repeats has no number of the exchange.
        guard !row.flags.contains(.repeated) else { return }
        books[row.header.providerID] = rows.bids + rows.asks
    }

    /// Compares with what the exchange says that it sent.
    func compare(with truth: String) throws {
        var sentQuotes: [UInt64: [Int64]] = [:]
        var sentBooks: [UInt64: [[Int64]]] = [:]
        for line in truth.split(separator: "\n") {
            let json = try JSONValue.parse(String(line))
            switch json["kind"]?.string {
            case "quote":
                sentQuotes[try #require(json["u"]?.uint64)] = [
                    try price(json["b"]), try size(json["B"]), try price(json["a"]),
                    try size(json["A"]),
                ]
            case "book":
                let rows = (json["bids"]?.array ?? []) + (json["asks"]?.array ?? [])
                sentBooks[try #require(json["lastUpdateId"]?.uint64)] = try rows.map {
                    [try price($0.array?.first), try size($0.array?.last)]
                }
            default: continue
            }
        }
        for quote in quotes {
            let values = [
                quote.bidPrice.raw, quote.bidSize.raw, quote.askPrice.raw, quote.askSize.raw,
            ]
            #expect(sentQuotes[quote.header.providerID] == values)
            #expect(quote.header.flags == .conflated)
        }
        for (update, rows) in books { #expect(sentBooks[update] == rows, "book \(update)") }
        #expect(Set(quotes.map(\.header.providerID)).count == quotes.count)
        compareBars()
        let kinds = Set(gaps.filter { $0.state == GapState.abandoned.rawValue }.map(\.kind))
        #expect(kinds.isSuperset(of: [DataKind.quote.rawValue, DataKind.depth.rawValue]))
    }

    /// A bar has the trades of its second, which are all there, or were fetched later.
    private func compareBars() {
        #expect(Set(bars.map(\.openTime)).count == bars.count)
        let begin = trades.map(\.header.eventTime).min() ?? .undefined
        let end = trades.map(\.header.eventTime).max() ?? .undefined
        var compared = 0
        for bar in bars where bar.openTime > begin && bar.closeTime < end {
            let its = trades.filter {
                bar.openTime <= $0.header.eventTime && $0.header.eventTime < bar.closeTime
            }
            #expect(bar.trades == its.count)
            #expect(bar.volume == its.reduce(0) { $0 + Int128($1.size.raw) })
            #expect(bar.high == its.map(\.price).max() && bar.low == its.map(\.price).min())
            compared += 1
        }
        #expect(compared > 2)
    }

    private func price(_ value: JSONValue?) throws -> Int64 { try Price(value?.string ?? "").raw }

    private func size(_ value: JSONValue?) throws -> Int64 {
        try Quantity(value?.string ?? "").raw
    }
}
