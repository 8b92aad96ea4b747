import BinanceSimulator
import IBSimulator
import Primitives
import ServiceRuntime
import VenueWeb

/// Who sends the ticks.
enum Side: String, Sendable {
    case broker
    case exchange
    /// An exchange that sends the same over two connections.
    case hotHot = "hot-hot"

    var connections: Int { self == .hotHot ? 2 : 1 }

    var title: String {
        switch self {
        case .broker: "a broker"
        case .exchange: "an exchange"
        case .hotHot: "an exchange over two connections"
        }
    }
}

/// What the gateway has requested, which is everything.
enum Asked: Sendable {
    case broker(Feeds)
    /// The symbols whose trades are subscribed.
    case exchange([String])
}

/// The other side of a provider, whose market is stopped: it answers requests and sends no tick.
protocol StoppedVenue {
    mutating func opened(_ connection: Int, now: Timestamp) -> Bool
    mutating func received(_ bytes: [UInt8], from connection: Int, now: Timestamp)
    mutating func advance(to now: Timestamp)
    func allowance(of connection: Int, now: Timestamp) -> Int
    func bytes(for connection: Int, count: Int) -> ArraySlice<UInt8>
    mutating func sent(_ count: Int, to connection: Int, now: Timestamp)
    /// `nil` until everything was requested.
    var asked: Asked? { get }
}

struct StoppedBroker: StoppedVenue {
    private var simulator: Simulator
    private var requests = RequestWatch()

    init() { simulator = Self.simulator(now: SystemClock().now()) }

    static func simulator(now: Timestamp) -> Simulator {
        var settings = SimulatorSettings()
        settings.keepsTruth = false
        settings.limits.tickByTickLines = 2 * Feeds.tickByTick
        let instruments = InstrumentList.make(
            symbols: [], madeUp: Feeds.level1 + Feeds.tickByTick, others: false)
        let market = SimulatedMarket(
            instruments: instruments, seed: 1, rate: 0,
            firstSecond: now.nanoseconds / 1_000_000_000)
        return Simulator(settings, market: market, start: now)
    }

    var asked: Asked? { requests.feeds.isComplete ? .broker(requests.feeds) : nil }

    mutating func opened(_ connection: Int, now: Timestamp) -> Bool {
        simulator.opened(connection, now: now)
    }
    mutating func received(_ bytes: [UInt8], from connection: Int, now: Timestamp) {
        requests.add(bytes)
        simulator.received(bytes, from: connection, now: now)
    }
    mutating func advance(to now: Timestamp) { simulator.advance(to: now) }
    func allowance(of connection: Int, now: Timestamp) -> Int {
        simulator.allowance(of: connection, now: now)
    }
    func bytes(for connection: Int, count: Int) -> ArraySlice<UInt8> {
        Array(simulator.bytes(for: connection, count: count))[...]
    }
    mutating func sent(_ count: Int, to connection: Int, now: Timestamp) {
        simulator.sent(count, to: connection, now: now)
    }
}

struct StoppedExchange: StoppedVenue {
    static let symbols = (0..<100).map { "COIN\($0)USDT" }

    private var exchange: SimulatedExchange
    private let connections: Int
    private(set) var asked: Asked?

    init(connections: Int) {
        self.connections = connections
        let market = ExchangeMarket(
            symbols: Self.symbols.compactMap { ExchangeSymbol($0) }, seed: 1, rate: 0)
        exchange = SimulatedExchange(WebSettings(), market: market, start: SystemClock().now())
    }

    /// The file with the gateway's instruments.
    static var file: String {
        let lines = [
            "version: 1",
            "defaults: {security: crypto, exchange: BINANCE, currency: USDT, feeds: trades}",
            "instruments:",
        ]
        return (lines + symbols.map { "  - \($0)" }).joined(separator: "\n") + "\n"
    }

    mutating func opened(_ connection: Int, now: Timestamp) -> Bool {
        exchange.opened(connection, now: now)
    }
    mutating func received(_ bytes: [UInt8], from connection: Int, now: Timestamp) {
        exchange.received(bytes, from: connection, now: now)
        let status = exchange.control("status", now: now)
        let streams = connections * Self.symbols.count
        if status.hasSuffix(" \(streams) streams") { asked = .exchange(Self.symbols) }
    }
    mutating func advance(to now: Timestamp) { exchange.advance(to: now) }
    func allowance(of connection: Int, now: Timestamp) -> Int {
        exchange.allowance(of: connection, now: now)
    }
    func bytes(for connection: Int, count: Int) -> ArraySlice<UInt8> {
        exchange.bytes(for: connection, count: count)
    }
    mutating func sent(_ count: Int, to connection: Int, now: Timestamp) {
        exchange.sent(count, to: connection, now: now)
    }
}
