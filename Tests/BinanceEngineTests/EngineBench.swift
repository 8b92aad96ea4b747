import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives

@testable import BinanceEngine

typealias EngineBench = StreamBench<BinanceEngine>

/// Which of the exchange's symbols it does not have.
extension StreamBench<BinanceEngine> {
    /// The exchange does not have the symbols of `unknown`; `nil`: the test answers questions about
    /// symbols itself.
    init(
        unknown: Set<String>? = [], _ change: (inout BinanceSettings) -> Void = { _ in }
    ) {
        var settings = BinanceSettings(seed: 1)
        change(&settings)
        self.init(BinanceEngine(settings))
        if let unknown { answering = { $0.answerLookUps(unknown) } }
    }

    /// Returns a bench whose trades 3 to 6 of BTCUSDT did not come.
    static func withHole() -> EngineBench {
        var bench = EngineBench { $0.merge.fills = true }
        bench.follow(["BTCUSDT"])
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1, at: 1_000)
        bench.trade("BTCUSDT", 7, on: 1, at: 2_000)
        bench.pass(1_000_000_000)
        return bench
    }

    static func coin(
        _ symbol: String, _ feeds: Instrument.Feeds = .trades, name: String = ""
    ) -> Instrument {
        instrument(symbol, feeds, name: name, security: .crypto)
    }

    /// Follows symbols, which have the numbers from 0 on.
    mutating func follow(
        _ symbols: [String], _ feeds: Instrument.Feeds = .trades,
        reached: Timestamp = .undefined, gaps: [OpenGap] = []
    ) {
        let begun = symbols.enumerated().map { (UInt32($0.offset), Self.coin($0.element, feeds)) }
        follow(begun, reached: reached, gaps: gaps)
        pass(0)
    }

    /// Answers questions about symbols.
    private mutating func answerLookUps(_ unknown: Set<String>) {
        guard let question = takeQuestion() else { return }
        let isKnown = unknown.isDisjoint(with: question.symbols)
        answer(question.number, isKnown ? .page(Self.list(question.symbols)) : .unknownSymbol)
    }

    /// Returns the first question about symbols, once.
    mutating func takeQuestion() -> (number: UInt64, symbols: [String])? {
        let place = wishes.firstIndex {
            if case .fetch(let fetch) = $0 { fetch.endpoint == "exchangeInfo" } else { false }
        }
        guard let place, case .fetch(let fetch) = wishes.remove(at: place) else { return nil }
        let list = fetch.query["symbols"] ?? ""
        return (fetch.number, list.split(separator: "\"").filter { $0.count > 1 }.map(String.init))
    }

    /// Returns the exchange's list of these symbols.
    static func list(
        _ symbols: [String], status: String = "TRADING", largest: String = "9000.00000000"
    ) -> [UInt8] {
        let items = symbols.map {
            "{\"symbol\":\"\($0)\",\"status\":\"\(status)\",\"filters\":["
                + "{\"filterType\":\"PRICE_FILTER\",\"maxPrice\":\"1000000.00\","
                + "\"tickSize\":\"0.01\"},{\"filterType\":\"LOT_SIZE\","
                + "\"maxQty\":\"\(largest)\",\"stepSize\":\"0.00001\"}]}"
        }
        return Array("{\"symbols\":[\(items.joined(separator: ","))]}".utf8)
    }

    /// Answers all requests that were sent.
    mutating func answerAll() { answer { _ in false } }

    /// Answers all requests that were sent; the exchange refuses some of them.
    mutating func answer(refusing isRefused: (String) -> Bool) {
        for wish in takeWishes() {
            guard case .send(let number, let text) = wish else { continue }
            let result =
                isRefused(text) ? "\"code\":2,\"msg\":\"Invalid request\"" : "\"result\":null"
            receive("{\(result),\"id\":\(Self.id(of: text))}", on: number)
        }
    }

    /// Returns the id of a request.
    static func id(of request: String) -> Substring {
        request.split(separator: "\"id\":").last?.dropLast() ?? "0"
    }

    mutating func trade(
        _ symbol: String, _ id: UInt64, on number: UInt32, size: String = "2.5",
        at milliseconds: Int64? = nil
    ) {
        receive(Self.text(symbol, id, milliseconds ?? stamp, size: size), on: number)
    }

    static func text(
        _ symbol: String, _ id: UInt64, _ stamp: Int64, size: String = "2.5"
    ) -> String {
        "{\"stream\":\"\(symbol.lowercased())@trade\",\"data\":{\"e\":\"trade\",\"E\":\(stamp),"
            + "\"s\":\"\(symbol)\",\"t\":\(id),\"p\":\"0.001\",\"q\":\"\(size)\",\"T\":\(stamp),"
            + "\"m\":true,\"M\":true}}"
    }

    /// Plays what happens, word by word. `7@1`: trade 7 of BTCUSDT comes on connection 1; `3-6@1`:
    /// trades 3 to 6 do. `cut@1`: that connection ends; `end@1`: the exchange will end it. `open`:
    /// what is wanted is connected and confirmed. `+2`: two seconds pass.
    mutating func play(_ script: String) {
        for word in script.split(separator: " ") {
            let halves = word.split(separator: "@")
            let number = halves.dropFirst().first.flatMap { UInt32($0) } ?? 0
            switch halves[0] {
            case "cut": ended(number)
            case "end": receive("{\"e\":\"serverShutdown\",\"E\":1}", on: number)
            case "open":
                connect()
                connect()
            case let span where span.hasPrefix("+"):
                pass(Int64((Double(span.dropFirst()) ?? 0) * 1_000_000_000))
            case let ids:
                let ends = ids.split(separator: "-").compactMap { UInt64($0) }
                for id in ends[0]...ends[ends.count - 1] { trade("BTCUSDT", id, on: number) }
            }
        }
    }

    /// Connects, and has the exchange confirm what is wanted.
    mutating func connect() {
        for case .open(let number, _) in takeWishes() { opened(number) }
        answerAll()
    }

    /// A bench that follows symbols and is connected.
    static func connected(
        _ symbols: String..., feeds: Instrument.Feeds = .trades,
        _ change: (inout BinanceSettings) -> Void = { _ in }
    ) -> Self {
        var bench = Self(change)
        bench.follow(symbols, feeds)
        bench.connect()
        return bench
    }

    /// The connection that was opened last.
    var lastConnection: UInt32 { engine.machine.links.map(\.number).max() ?? 0 }

    var ids: [UInt64] { trades.map(\.header.providerID) }
    var holes: Int { engine.status.holes }
}

extension StreamFetch {
    var endpoint: Substring { target.prefix { $0 != "?" } }
    var query: [String: String] { BinanceQuery.parsed(target) }
    var from: UInt64 { query["fromId"].flatMap { UInt64($0) } ?? 0 }
    var count: Int { query["limit"].flatMap { Int($0) } ?? 0 }
}

extension BinancePastRequest {
    var endpoint: Substring { target.prefix { $0 != "?" } }
    var query: [String: String] { BinanceQuery.parsed(target) }
    var symbol: String { query["symbol"] ?? "" }
    func integer(_ key: String) -> Int64? { query[key].flatMap { Int64($0) } }
}

private enum BinanceQuery {
    static func parsed(_ target: String) -> [String: String] {
        let pairs = target.split(separator: "?").last?.split(separator: "&") ?? []
        return Dictionary(
            pairs.map { pair in
                let halves = pair.split(separator: "=", maxSplits: 1)
                return (String(halves[0]), decoded(halves.dropFirst().first ?? ""))
            }
        ) { $1 }
    }

    private static func decoded(_ text: Substring) -> String {
        let parts = text.split(separator: "%", omittingEmptySubsequences: false)
        var bytes = Array((parts.first ?? "").utf8)
        for part in parts.dropFirst() {
            bytes.append(UInt8(part.prefix(2), radix: 16) ?? 0)
            bytes += part.dropFirst(2).utf8
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
