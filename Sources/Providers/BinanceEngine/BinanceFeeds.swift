package import EngineKit
package import MarketModel
internal import Primitives

/// A kind of streams, by the machine's number of it. The first one of an instrument speaks for it.
enum BinanceChannel: Int, CaseIterable, Sendable {
    case trades, quotes, bars, books

    var kind: DataKind {
        switch self {
        case .trades: .trade
        case .quotes: .quote
        case .bars: .providerBar
        case .books: .depth
        }
    }

    /// As the machine knows it. Each connection delivers all.
    var stream: StreamChannel {
        var stream = StreamChannel(rawValue, kind, revisedAfter: 0)
        stream.isShared = true
        stream.proof =
            switch self {
            case .trades: .byDenseIDs
            case .quotes, .books: .byArrival
            case .bars: .byWindows
            }
        return stream
    }

    /// Returns the exchange's name of a stream.
    func text(of symbol: String, _ bars: BarLength) -> String {
        let name = symbol.lowercased()
        return switch self {
        case .trades: "\(name)@trade"
        case .quotes: "\(name)@bookTicker"
        case .bars: "\(name)@kline_\(bars.rawValue)"
        case .books: "\(name)@depth\(BinanceLimits.bookRows)@100ms"
        }
    }

    /// The channels of an instrument.
    static func all(of instrument: Instrument) -> [BinanceChannel] {
        let kinds = instrument.feeds.kinds
        return allCases.filter {
            $0 == .bars ? instrument.feeds.contains(.bars) : kinds.contains($0.kind)
        }
    }
}

// How instruments are asked for.
extension BinanceEngine {
    package func plan(of instrument: Instrument) -> StreamPlan {
        let name = Self.name(of: instrument)
        let channels = BinanceChannel.all(of: instrument)
        let known: Instrument.Feeds = [
            .level1, .trades, .allTrades, .quotes, .bars, .depth, .smartDepth,
        ]
        var plan = StreamPlan(
            name: name, channels: channels.map(\.stream),
            absent: instrument.feeds.isSubset(of: known)
                ? "" : "only its trades, quotes, bars and book come from here")
        // Messages about books name only the stream.
        plan.names[BinanceChannel.books.rawValue] = name.lowercased()
        if instrument.contract.security != .crypto {
            plan.problem = "only coins come from here: security: crypto"
        } else if channels.isEmpty {
            plan.problem = "only trades, quotes, bars and books come from here, as feeds: trades"
        } else if !Self.isSymbol(name) {
            plan.problem = "'\(name)' is no symbol of the exchange: write it like BTCUSDT"
        }
        return plan
    }

    /// Returns the exchange's symbol: the one in the contract, else our own.
    static func name(of instrument: Instrument) -> String {
        let own = instrument.contract.providerSymbol
        return (own.isEmpty ? instrument.symbol.text : own).uppercased()
    }

    /// The exchange's symbols need no escapes in JSON, and no character that separates streams.
    private static func isSymbol(_ name: String) -> Bool {
        let banned = Set("\"\\/@,! ".utf8)
        return (1...BinanceLimits.symbolBytesMax).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && !banned.contains($0) }
    }

    package func name(of feed: StreamFeed) -> String {
        BinanceChannel.allCases[feed.channel.number].text(of: feed.name, settings.bars)
    }

    /// What a person can do about a refused symbol.
    static let symbolAdvice = "write it as the exchange does, like BTCUSDT"
}

/// Questions which symbols the exchange has. It accepts a stream of any name, and one that it does
/// not have never trades: a mistake in a list would look like a quiet market.
struct BinanceLookUps: Sendable {
    /// Groups of feeds whose symbols are asked about. Trades come without an answer, too.
    private(set) var groups: [[Int]] = []
    private var failures = 0
    /// The number of the last question.
    var number: UInt64 = 0

    mutating func add(_ places: [Int]) {
        var rest = places[...]
        while !rest.isEmpty, groups.count < BinanceLimits.lookUpsMax {
            groups.append(Array(rest.prefix(BinanceLimits.lookUpSymbolsMax)))
            rest = rest.dropFirst(BinanceLimits.lookUpSymbolsMax)
        }
    }

    /// The first group has an answer.
    mutating func removeFirst() -> [Int] {
        failures = 0
        return groups.removeFirst()
    }

    /// One of the first group is unknown, and the exchange does not say which. Returns whether
    /// there are several.
    mutating func split() -> Bool {
        let group = groups[0]
        guard group.count > 1 else { return false }
        let half = group.count / 2
        groups.replaceSubrange(
            0..<1, with: [Array(group.prefix(half)), Array(group.dropFirst(half))])
        return true
    }

    /// There was no answer. After a while the group is asked about no more.
    mutating func failed() {
        failures += 1
        if failures >= DenseLimits.uselessAnswersMax { _ = removeFirst() }
    }
}

extension BinanceEngine {
    /// Asks about the next group of symbols. Returns false if there is none.
    mutating func lookUp(into out: inout StreamMachine.Output) -> Bool {
        guard let group = lookUps.groups.first else { return false }
        lookUps.number = machine.holes.ask()
        machine.counters.past.requests &+= 1
        let names = group.map { machine.feeds.list[$0].name }
        out.wishes.append(
            .fetch(BinancePastRequest.symbols(lookUps.number, names).fetch(of: "")))
        return true
    }

    /// The answer about the first group of symbols.
    mutating func lookedUp(
        _ answer: StreamAnswer, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        guard !lookUps.groups.isEmpty else { return }
        switch answer {
        case .page(let bytes):
            guard let facts = BinanceSymbolFacts.list(bytes) else {
                return noAnswer(.failed("the answer is no list of symbols"), now, into: &out)
            }
            machine.holes.pace.answered(now, interval: BinanceLimits.fetchInterval)
            for place in lookUps.removeFirst() {
                judge(place, facts[machine.feeds.list[place].name], now, into: &out)
            }
        case .unknownSymbol:
            machine.holes.pace.answered(now, interval: BinanceLimits.fetchInterval)
            if lookUps.split() { return }
            judge(lookUps.removeFirst()[0], nil, now, into: &out)
        case .limited: machine.putOff(answer, now, into: &out)
        case .refused, .denied, .failed: noAnswer(answer, now, into: &out)
        }
    }

    private mutating func noAnswer(
        _ answer: StreamAnswer, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        machine.putOff(answer, now, into: &out)
        lookUps.failed()
    }

    private mutating func judge(
        _ place: Int, _ facts: BinanceSymbolFacts?, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        let (instrument, name) =
            (machine.feeds.list[place].instrument, machine.feeds.list[place].name)
        guard machine.feeds.list[place].isWanted else { return }
        if let facts {
            if facts.status != "TRADING" {
                machine.feeds.list[place].reason =
                    "the exchange does not trade it now: \(facts.status): wait, or choose another"
            }
            if !facts.misfit.isEmpty {
                out.note(
                    .trouble(
                        instrument: instrument,
                        "the exchange's limits allow \(facts.misfit), which does not fit the tape: "
                            + "a trade with it is put on record as a gap"))
            }
        } else if !machine.feeds.list[place].reach.last.isDefined {
            let reason = "the exchange has no symbol \(name): \(Self.symbolAdvice)"
            machine.feeds.markUnknown(instrument, reason, now, into: &out.records)
            out.note(.refused(instrument: instrument, reason: reason))
        }
    }
}

/// What the exchange says of a symbol.
struct BinanceSymbolFacts: Equatable, Sendable {
    /// `TRADING`, or another word while nothing trades.
    var status: String
    /// The largest numbers of its trades that do not fit the tape, in words; empty: all fit.
    var misfit: String

    /// Reads the exchange's list of symbols. Returns the facts by symbol; `nil`: it is none.
    static func list(_ bytes: [UInt8]) -> [String: BinanceSymbolFacts]? {
        guard let list = JSONValue.parsed(bytes)?["symbols"]?.array else { return nil }
        var facts: [String: BinanceSymbolFacts] = [:]
        for item in list {
            guard let name = item["symbol"]?.string, let status = item["status"]?.string
            else { return nil }
            facts[name] = BinanceSymbolFacts(
                status: String(status.prefix(32)), misfit: misfit(item["filters"]?.array ?? []))
        }
        return facts
    }

    /// The limits say which numbers may come: the largest ones, and the steps between them.
    private static func misfit(_ filters: [JSONValue]) -> String {
        func numbers(_ what: String, _ filter: String, _ keys: [String], _ decimals: Int)
            -> [String]
        {
            let limits = filters.first { $0["filterType"]?.string == filter }
            return keys.compactMap { limits?[$0]?.string }.filter { !fits($0, decimals) }
                .map { "\(what) of \($0.prefix(40))" }
        }
        let sizes = numbers("a size", "LOT_SIZE", ["maxQty", "stepSize"], Quantity.decimals)
        let prices = numbers("a price", "PRICE_FILTER", ["maxPrice", "tickSize"], Price.decimals)
        return (sizes + prices).joined(separator: ", ")
    }

    private static func fits(_ text: String, _ decimals: Int) -> Bool {
        do throws(FixedPoint.ParseError) {
            _ = try FixedPoint.parse(text, decimals: decimals)
            return true
        } catch {
            // What is no number says nothing.
            return error == .notANumber
        }
    }
}
