import AlpacaEngine
import AlpacaProvider
import EngineKit
import Foundation
import MarketModel
import MassiveProvider
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import ProviderGateway

/// A vendor of US stocks, as a simulated service.
enum StageVenue: String {
    case alpaca, massive

    var kind: ProviderKind { self == .alpaca ? .alpaca : .massive }

    /// That of its settings.
    var prefix: String { rawValue.uppercased() }

    fileprivate var arguments: [String] {
        switch self {
        case .alpaca: ["--cancels", "40", "--corrections", "40", "--news", "1"]
        case .massive: ["--late", "0"]
        }
    }

    fileprivate var environment: [String: String] {
        switch self {
        case .alpaca: ["ALPACA_FEED": "sip", "ALPACA_API_SECRET": "test-secret"]
        case .massive: ["MASSIVE_BARS": "second"]
        }
    }

    /// Reads a trade of the log of the service's market: its key, time, price and size; `nil`: it
    /// is not of the stream.
    fileprivate func trade(_ entry: JSONValue) throws -> (FoundTrades.Key, HappenedTrade)? {
        guard let message = entry["message"] else { return nil }
        let reported = Timestamp(nanoseconds: Int64(entry["time"]?.int ?? 0))
        let price = message["p"]?.double
        switch self {
        case .alpaca:
            guard entry["endpoints"]?.array?.contains(where: { $0.string == "/v2/sip" }) ?? false
            else { return nil }
            let time = try #require(ISOTime.parse(message["t"]?.string ?? ""))
            let size = try Quantity("\(message["s"]?.double ?? 0)")
            let number = AlpacaNumber.number(
                exchange: try #require(message["x"]?.string?.utf8.first),
                day: TradeNumber.day(of: time), id: try #require(message["i"]?.uint64),
                content: TradeNumber.content(try Price("\(price ?? 0)"), size))
            return (
                FoundTrades.Key(symbol: message["S"]?.string ?? "", number: number),
                HappenedTrade(time: time, reported: reported, price: price, size: size)
            )
        case .massive:
            let size = message["ds"]?.string ?? "\(message["s"]?.int ?? 0)"
            return (
                FoundTrades.Key(
                    symbol: message["sym"]?.string ?? "",
                    number: try #require(message["q"]?.uint64)),
                HappenedTrade(
                    time: Timestamp(nanoseconds: Int64(message["t"]?.int ?? 0) * 1_000_000),
                    reported: reported, price: price, size: try Quantity(size))
            )
        }
    }

    /// The number of a trade in the log.
    fileprivate func number(_ trade: Trade) -> UInt64 {
        self == .alpaca ? trade.header.providerID : trade.header.providerID & (1 << 38 - 1)
    }
}

/// A trade as it happened.
struct HappenedTrade {
    var time: Timestamp
    var reported: Timestamp
    var price: Double?
    var size: Quantity
}

/// A gateway between a simulated service and a real nats-server.
struct VenueStage {
    private static let symbols = ["AAPL", "SPY"]

    let venue: StageVenue
    let simulator: SimulatorProcess
    let tape: TestTape
    private let folder: TemporaryFolder
    private let server: NatsServer
    private let feeds: Instrument.Feeds

    init(_ venue: StageVenue, _ feeds: Instrument.Feeds, _ more: [String] = []) throws {
        self.venue = venue
        self.feeds = feeds
        folder = try TemporaryFolder(venue.rawValue)
        simulator = try SimulatorProcess(
            [
                "--rate", "200", "--symbols", Self.symbols.joined(separator: ","),
                "--market-log", folder.file("market"),
            ] + venue.arguments + more, program: "\(venue)-simulator")
        server = try NatsServer()
        tape = try TestTape(server, namespace: venue.rawValue)
    }

    /// What is on the tape now.
    var found: FoundTrades { get throws { try FoundTrades(tape, venue) } }

    /// A gateway of the stage, which the test starts.
    func gateway(_ more: [String: String] = [:]) throws -> TestGateway {
        let instruments = try Self.symbols.map {
            Instrument(
                symbol: try #require(Symbol($0)), contract: Instrument.Contract(.stock),
                feeds: feeds)
        }
        let prefix = venue.prefix
        let environment = [
            "GATEWAY_PROVIDER": venue.rawValue, "GATEWAY_SOURCE": "stocks",
            "GATEWAY_LIVE": "false", "\(prefix)_URL": "ws://127.0.0.1:\(simulator.port)",
            "\(prefix)_API_KEY": "test-key", "\(prefix)_RECONNECT_FIRST": "100ms",
            "\(prefix)_RECONNECT_MAX": "1s", "\(prefix)_SILENT_AFTER": "2s",
        ]
        return try TestGateway(
            tape, environment.merging(venue.environment) { $1 }.merging(more) { $1 },
            providers: [venue.kind], instruments: instruments)
    }

    /// Waits until twenty more trades are on the tape.
    func expectMoreTrades(_ why: String) throws {
        let before = try found.trades.count
        #expect(try eventually { try found.trades.count > before + 20 }, "\(why)")
    }

    /// Has the service do what it is told, one after the other.
    func order(_ commands: [String]) throws {
        for command in commands {
            #expect(try simulator.command(command) == "ok")
            try expectMoreTrades(command)
        }
    }

    /// The trades of the service's log of its market.
    var happened: [FoundTrades.Key: HappenedTrade] {
        get throws {
            try Dictionary(entries("trade").compactMap(venue.trade)) { $1 }
        }
    }

    /// The entries of a kind in the log.
    func entries(_ kind: String) throws -> [JSONValue] {
        try String(contentsOfFile: folder.file("market"), encoding: .utf8)
            .split(separator: "\n").map { try JSONValue.parse(String($0)) }
            .filter { $0["kind"]?.string == kind }
    }
}

/// What a source of a vendor has on the tape.
struct FoundTrades {
    struct Key: Hashable {
        var symbol: String
        /// That of the trade on the tape, or Massive's own.
        var number: UInt64
    }

    private let venue: StageVenue
    private(set) var trades: [(symbol: String, trade: Trade)] = []
    /// Cancels and corrections.
    private(set) var changes: [(symbol: String, trade: Trade)] = []
    private(set) var headlines: [String] = []
    private(set) var quotes = 0
    private(set) var bars = 0
    private var gaps: [String: [(from: Timestamp, to: Timestamp)]] = [:]

    var gapCount: Int { gaps.values.reduce(0) { $0 + $1.count } }
    /// Trades of a part of a share.
    var fractions: Int { trades.count { $0.trade.size.raw % 100_000_000 != 0 } }

    init(_ tape: TestTape, _ venue: StageVenue) throws {
        self.venue = venue
        for record in try tape.records(of: try #require(SourceName("stocks"))) {
            switch record.record {
            case .trade(let trade) where trade.header.action == TradeAction.new.rawValue:
                trades.append((record.symbol, trade))
            case .trade(let trade): changes.append((record.symbol, trade))
            case .quote: quotes += 1
            case .news(let news): headlines.append(news.headline)
            case .providerBar: bars += 1
            case .gap(let gap) where gap.kind == DataKind.trade.rawValue:
                let end = gap.to.isDefined ? gap.to : Timestamp(nanoseconds: .max - 1)
                gaps[record.symbol, default: []].append((gap.from, end))
            default: continue
            }
        }
    }

    /// The key by which the log of the market has a trade.
    func key(_ found: (symbol: String, trade: Trade)) -> Key {
        Key(symbol: found.symbol, number: venue.number(found.trade))
    }

    /// Returns what is wrong with the trades, in sentences.
    func problems(_ happened: [Key: HappenedTrade]) -> [String] {
        var problems: [String] = []
        let keys = trades.map(key)
        let there = Set(keys)
        if there.count != keys.count { problems.append("a trade is there twice") }
        for (key, found) in zip(keys, trades) {
            let real = happened[key]
            if real?.time != found.trade.header.providerTime || real?.size != found.trade.size
                || real?.price != Double(found.trade.price.description)
            {
                problems.append("\(key) is another trade")
            }
        }
        let received = trades.map(\.trade.header.receiveTime)
        guard let first = received.min(), let last = received.max() else { return ["no trade"] }
        for (key, real) in happened
        // Alpaca reports some late, while nothing listens.
        where !there.contains(key) && real.reported > first
            && (venue == .massive || real.reported == real.time)
            && real.reported.advanced(byNanoseconds: 1_000_000_000) < last
        {
            let isNamed = (gaps[key.symbol] ?? []).contains {
                $0.from <= real.time && real.time < $0.to
            }
            if !isNamed { problems.append("\(key) at \(real.time) is lost and in no gap") }
        }
        return problems
    }
}
