import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import AlpacaEngine

/// A trade that happened, and when the service reported it.
struct AlpacaHappened: Hashable {
    var symbol: UInt32
    var id: UInt64
    /// Those off the exchanges, `D`, may share an id.
    var exchange = "V"
    /// No other trade has it.
    var size: UInt64
    var time: Timestamp
    var reported: Timestamp
}

/// The service's side of one connection: what is on its way, in order.
struct AlpacaLine {
    var number: UInt32
    var isAuthenticated = false
    var isDead = false
    /// When it went dead.
    var deadAt: Int64 = 0
    /// By channel.
    var names: [String: Set<String>] = [:]
    var queue: [String] = []
}

/// A bar of a minute, in its last form.
struct AlpacaMadeBar {
    var symbol: UInt32
    var start: Timestamp
    /// Its volume, which no other bar has.
    var number: UInt64
    var made: Timestamp
}

/// A service that cuts, goes dead and errs, from a seed, with gateways that are killed.
struct AlpacaWorld {
    static let symbols = ["AAPL", "SPY", "TSLA"]

    /// What is wanted of each symbol.
    let feeds: Instrument.Feeds
    let kind: DataKind
    var bench: AlpacaBench
    var random: SeededRandom
    var lines: [AlpacaLine] = []
    var happened: [AlpacaHappened] = []
    /// The trades that were changed.
    var changed: Set<AlpacaHappened> = []
    /// What earlier processes left on the tape.
    var tape: [ProviderRecord] = []
    var kills = 0
    var lastID: UInt64 = 0
    /// The bars of the service, as it made them last.
    var madeBars: [AlpacaMadeBar] = []
    private var halfMinutes: Int64 = 0
    /// Whether the past fills gaps, and what it is asked.
    let fills: Bool
    private var fetches: [StreamFetch] = []

    init(_ feeds: Instrument.Feeds, _ kind: DataKind, seed: UInt64, fills: Bool = false) {
        self.feeds = feeds
        self.kind = kind
        self.fills = fills
        bench = AlpacaBench { Self.change(&$0, fills) }
        random = SeededRandom(seed: seed)
        bench.follow(Self.symbols, feeds)
    }

    static func change(_ settings: inout AlpacaSettings, _ fills: Bool) {
        settings.stream.fills = fills
        settings.stream.reconnectMax = 2_000_000_000
        settings.stream.silentAfter = 4_000_000_000
    }

    /// Ends the last gateway, and puts all that it has delivered on the tape.
    mutating func end() {
        bench.engine.stop(bench.now, into: &bench.out)
        bench.collect()
        tape += bench.records
    }

    /// The records on the tape.
    var onTape: [TapeRecord] { tape.taped }

    mutating func chance(_ perMille: Int) -> Bool {
        Int.random(in: 0..<1_000, using: &random) < perMille
    }

    /// Does what the engine wants.
    mutating func carryOutWishes() {
        for wish in bench.takeWishes() {
            switch wish {
            case .open(let number, _):
                guard chance(200) else {
                    lines.append(AlpacaLine(number: number, queue: [AlpacaBench.connected]))
                    bench.opened(number)
                    continue
                }
                bench.ended(number)
            case .close(let number): lines.removeAll { $0.number == number }
            case .authenticate(let number):
                guard let place = place(number) else { continue }
                if chance(100) {
                    lines[place].queue.append(AlpacaBench.error(406))
                } else {
                    lines[place].isAuthenticated = true
                    lines[place].queue.append(AlpacaBench.authenticated)
                }
            case .send(let number, let text): answer(text, on: number)
            case .fetch(let fetch): fetches.append(fetch)
            }
        }
    }

    /// Answers the request for the past, in pages, or fails.
    private mutating func answerFetches() {
        for fetch in fetches {
            guard chance(850), let (span, page) = AlpacaWords.asked(PastQuery(fetch.target)),
                let span
            else {
                bench.answer(
                    fetch.number,
                    chance(500) ? .failed("cut") : .limited(retryAfter: nil, isBanned: false))
                continue
            }
            let all = happened.filter {
                Self.symbols[Int($0.symbol)] == fetch.symbol && span.contains($0.time)
                    && $0.reported <= bench.now.wall
            }.sorted { $0.time < $1.time }
            let begin = Int(page) ?? 0
            let rows = all.dropFirst(begin).prefix(Int.random(in: 1...40, using: &random))
            let end = begin + rows.count
            let texts = rows.map {
                AlpacaWords.row($0.time, $0.id, exchange: $0.exchange, size: "\($0.size)")
            }
            bench.answer(
                fetch.number,
                .page(
                    AlpacaWords.page(
                        texts, of: fetch.symbol, next: end < all.count ? "\(end)" : "")))
        }
        fetches = []
    }

    func place(_ number: UInt32) -> Int? {
        lines.firstIndex { $0.number == number }
    }

    mutating func answer(_ text: String, on number: UInt32) {
        guard let place = place(number), !lines[place].isDead else { return }
        guard let request = try? JSONValue.parse(Array(text.utf8)) else {
            Issue.record("no JSON: \(text)")
            return
        }
        var lists: [String] = []
        for channel in ["trades", "bars", "updatedBars"] {
            let names = request[channel]?.array?.compactMap(\.string) ?? []
            if request["action"]?.string == "subscribe" {
                lines[place].names[channel, default: []].formUnion(names)
            } else {
                lines[place].names[channel, default: []].subtract(names)
            }
            let list = lines[place].names[channel, default: []].sorted().map { "\"\($0)\"" }
            lists.append("\"\(channel)\":[\(list.joined(separator: ","))]")
        }
        lines[place].queue.append(
            "[{\"T\":\"subscription\",\(lists.joined(separator: ","))}]")
    }

    mutating func send(_ text: String, of symbol: UInt32, on channel: String = "trades") {
        let name = Self.symbols[Int(symbol)]
        for place in lines.indices
        where lines[place].names[channel]?.contains(name) ?? false && !lines[place].isDead {
            lines[place].queue.append(text)
        }
    }

    mutating func trade() {
        let symbol = UInt32.random(in: 0..<3, using: &random)
        lastID += 1
        // Some trades are reported late.
        let late = chance(20) ? Int64.random(in: 0...5_000_000_000, using: &random) : 0
        let now = bench.now.wall
        var trade = AlpacaHappened(
            symbol: symbol, id: lastID, size: lastID, time: now.advanced(byNanoseconds: -late),
            reported: now)
        if chance(300) {
            trade.exchange = "D"
            let others = happened.suffix(100).filter { $0.symbol == symbol && $0.exchange == "D" }
            if let other = others.randomElement(using: &random), chance(200) { trade.id = other.id }
        }
        happened.append(trade)
        let name = Self.symbols[Int(symbol)]
        let text = bench.trade(
            name, trade.id, exchange: trade.exchange, size: "\(trade.size)", at: "\(trade.time)")
        send("[\(text)]", of: symbol)
    }

    mutating func change() {
        guard let trade = happened.suffix(200).randomElement(using: &random),
            changed.insert(trade).inserted
        else { return }
        let isCancel = Bool.random(using: &random)
        let name = Self.symbols[Int(trade.symbol)]
        lastID += 1
        let text =
            isCancel
            ? bench.cancel(name, trade.id, exchange: trade.exchange, size: "\(trade.size)")
            : bench.correction(
                name, trade.id, to: lastID, price: "1.25", exchange: trade.exchange,
                size: "\(trade.size)")
        send("[\(text)]", of: trade.symbol)
    }

    /// Makes the bars of minutes that have ended, and half a minute later some of them again.
    mutating func makeBars() {
        let half = AlpacaLimits.barsRevisedAfter
        while (halfMinutes + 1) * half <= bench.time {
            halfMinutes += 1
            let isEnd = halfMinutes % 2 == 0
            guard halfMinutes >= (isEnd ? 2 : 3) else { continue }
            let start = (halfMinutes - (isEnd ? 2 : 3)) * half
            for symbol in 0..<3 as Range<UInt32> where isEnd || chance(300) {
                makeBar(symbol, AlpacaBench.origin.advanced(byNanoseconds: start), isEnd: isEnd)
            }
        }
    }

    private mutating func makeBar(_ symbol: UInt32, _ start: Timestamp, isEnd: Bool) {
        lastID += 1
        let bar = AlpacaMadeBar(
            symbol: symbol, start: start, number: lastID, made: bench.now.wall)
        if !isEnd { madeBars.removeAll { $0.symbol == symbol && $0.start == start } }
        madeBars.append(bar)
        let text =
            "[{\"T\":\"\(isEnd ? "b" : "u")\",\"S\":\"\(Self.symbols[Int(symbol)])\","
            + "\"o\":1,\"h\":1,\"l\":1,\"c\":1,\"v\":\(lastID),\"t\":\"\(start)\"}]"
        send(text, of: symbol, on: isEnd ? "bars" : "updatedBars")
    }

    /// Delivers some of what is on its way.
    mutating func deliver() {
        for number in lines.map(\.number) {
            guard let place = place(number) else { continue }
            let count = Int.random(in: 0...lines[place].queue.count, using: &random)
            let texts = lines[place].queue.prefix(count)
            lines[place].queue.removeFirst(count)
            for text in texts { bench.receive(text, on: number) }
        }
    }

    /// The connection's own pings find a dead one.
    mutating func ping() {
        guard let line = lines.last, line.isDead,
            bench.time - line.deadAt >= bench.engine.settings.stream.silentAfter
        else { return }
        lines.removeAll()
        bench.ended(line.number, "no pong")
    }

    mutating func step() {
        // Nothing is under way for long.
        let isIdle = kind == .providerBar && lines.allSatisfy(\.queue.isEmpty)
        bench.pass(
            Int64.random(in: 1_000_000...(isIdle ? 2_000_000_000 : 100_000_000), using: &random))
        carryOutWishes()
        if kind == .providerBar {
            makeBars()
        } else {
            if chance(800) { trade() }
            if chance(30) { change() }
        }
        if chance(700) { deliver() }
        if chance(300) { answerFetches() }
        ping()
        guard let line = lines.last else { return }
        if chance(4) {
            lines.removeAll()
            bench.ended(line.number)
        } else if chance(4) {
            if !line.isDead { lines[lines.count - 1].deadAt = bench.time }
            lines[lines.count - 1].isDead = true
            lines[lines.count - 1].queue = []
        } else if chance(3), !line.isDead {
            bench.receive(chance(500) ? "garbage" : AlpacaBench.error(500), on: line.number)
        } else if chance(2), !fills || chance(150) {
            kill()
        }
    }

    /// Another gateway begins with what is on the tape.
    mutating func kill() {
        kills += 1
        tape += bench.records
        let open = (0..<3 as Range<UInt32>).flatMap { symbol in
            onTape.compactMap { record -> GapRecord? in
                guard case .gap(let gap) = record, gap.header.symbol == symbol else { return nil }
                return gap
            }.forSuccessor(kind)
        }
        lines = []
        fetches = []
        let fills = fills
        bench = AlpacaBench(at: bench.time + 3_000_000_000) { Self.change(&$0, fills) }
        bench.follow(Self.symbols, feeds, reached: tape.arrived, gaps: open)
    }
}
