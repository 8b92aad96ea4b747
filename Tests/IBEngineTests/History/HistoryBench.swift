import EngineKit
import IBEngine
import IBSimulator
import MarketModel
import Primitives
import Testing

/// A load of the past of a simulated TWS, in one process after the other, with a clock and a tape.
/// Each symbol has a partition.
struct HistoryBench {
    static let second: Int64 = 1_000_000_000
    /// A Monday at 14:30 UTC. The market's first second.
    static let first: Int64 = 1_780_324_200

    /// What a partition has on the tape, in its order.
    enum Entry {
        case record(ProviderRecord)
        /// A watermark: no later record is older.
        case mark(Timestamp)
    }

    let symbols: [String]
    let feeds: Instrument.Feeds
    let range: Range<Timestamp>
    let service: IBHistoryService
    let truth: SimulatedMarket
    var simulator: Simulator
    var history: IBHistory
    var client: IBHistoryClient
    var tape: [[Entry]]
    private var out = IBHistory.Output()
    private var wire = IBHistoryClient.Output()
    /// The machine's requests, by the numbers of the client's questions.
    private var asked: [UInt64: IBHistoryRequest] = [:]
    private var connection = 0
    private var isConnected = false
    var now: Moment
    /// What the load says while it waits.
    var problems: [String] = []

    /// `seconds`: the range, from the market's first second on.
    init(
        _ symbols: [String], rate: Int, seed: UInt64, seconds: Range<Int64>,
        feeds: Instrument.Feeds = .trades, bars: IBBarLength = .minute, requests: Int = 58,
        version: Int32 = 187
    ) {
        self.symbols = symbols
        self.feeds = feeds
        truth = SimulatedMarket(
            instruments: InstrumentList.make(symbols: symbols, others: true), seed: seed,
            rate: rate, firstSecond: Self.first)
        func time(_ second: Int64) -> Timestamp {
            Timestamp(nanoseconds: (Self.first + second) * Self.second)
        }
        range = time(seconds.lowerBound)..<time(seconds.upperBound)
        // A minute after the range, so that an answer does not read much of what is after it.
        now = Moment(wall: time(seconds.upperBound + 61), monotonic: MonotonicTime(nanoseconds: 0))
        var settings = SimulatorSettings()
        settings.keepsTruth = false
        settings.serverVersion = version
        simulator = Simulator(settings, market: truth, start: now.wall)
        service = IBHistoryService(bars: bars)
        let machine = IBHistory.Settings(
            provider: "ibkr-history", from: range.lowerBound, to: range.upperBound, seed: seed)
        history = IBHistory(service, machine)
        client = IBHistoryClient(
            IBHistoryClientSettings(IBEngineSettings(clientID: 90, seed: seed), requests: requests))
        tape = symbols.map { _ in [] }
    }

    // MARK: processes

    /// Begins a process, which continues after what is on the tape.
    mutating func begin(contracts: [String: Instrument.Contract] = [:]) throws {
        history = IBHistory(
            service,
            IBHistory.Settings(
                provider: "ibkr-history", from: range.lowerBound, to: range.upperBound,
                seed: 1))
        client = IBHistoryClient(client.settings)
        if isConnected { simulator.closed(connection) }
        (isConnected, asked, wire, out) = (false, [:], .init(), .init())
        let marks = tape.map { entries -> Timestamp in
            let found = entries.compactMap { if case .mark(let time) = $0 { time } else { nil } }
            return found.max() ?? .undefined
        }
        let begun = try symbols.enumerated().map { place, name in
            HistoryBegun(
                number: UInt32(place),
                instrument: Instrument(
                    symbol: try #require(Symbol(name)), contract: contracts[name] ?? Self.stock,
                    feeds: feeds),
                last: last(place), mark: marks[place])
        }
        let promised = marks.allSatisfy(\.isDefined) ? marks.min() ?? .undefined : .undefined
        client.begin(now)
        history.begin(begun, promised: promised, now, into: &out)
        store()
    }

    static var stock: Instrument.Contract {
        var contract = Instrument.Contract(.stock)
        contract.exchange = "SMART"
        contract.currency = "USD"
        return contract
    }

    /// The last trade or bar of a partition, as a gateway finds it.
    private func last(_ place: Int) -> LastOfHistory? {
        for case .record(.tape(let record)) in tape[place].reversed() {
            switch record {
            case .trade(let trade): return (trade.header.providerID, trade.header.eventTime)
            case .providerBar(let bar): return (bar.header.providerID, bar.header.eventTime)
            default: continue
            }
        }
        return nil
    }

    /// Ends the process: each partition keeps what was stored up to some point.
    mutating func kill<Random: RandomNumberGenerator>(
        keeping kept: [Int], using random: inout Random
    ) {
        for place in tape.indices {
            let count = Int.random(in: kept[place]...tape[place].count, using: &random)
            tape[place].removeSubrange(count...)
        }
    }

    // MARK: turns

    /// Lets both machines do what is due, and moves the clock to the next time at which something
    /// is.
    mutating func turn() {
        history.timePassed(now, into: &out)
        store()
        if let request = out.request {
            out.request = nil
            asked[client.ask(request.question)] = request
        }
        client.timePassed(now, into: &wire)
        carryOut()
        exchange()
        for (number, reply) in wire.replies {
            guard let request = asked.removeValue(forKey: number) else { continue }
            let answer = IBHistoryAnswer(reply, sizesAreLots: client.sizesAreLots)
            history.answered(request.number, answer.outcome(of: request), now)
        }
        wire.replies = []
        if let problem = history.problem, problems.last != problem {
            problems.append(problem)
        }
        if history.phase == .ending {
            history.end(now, into: &out)
            store()
        }
        let due = min(client.nextDue, history.nextDue)
        pass(max(1_000_000, min(due - now.monotonic, 5 * Self.second)))
    }

    /// Lets time pass, in which neither machine does anything.
    mutating func pass(_ nanoseconds: Int64) {
        now = Moment(
            wall: now.wall.advanced(byNanoseconds: nanoseconds),
            monotonic: now.monotonic + nanoseconds)
    }

    /// The bench when its load is over.
    func finished() throws -> HistoryBench {
        var bench = self
        try bench.begin()
        bench.run()
        return bench
    }

    /// Runs until the load is over, at most so many turns.
    mutating func run(turns: Int = 20_000) {
        for _ in 0..<turns where history.phase == .loading || history.phase == .ending { turn() }
    }

    private mutating func carryOut() {
        guard let wish = wire.wish else { return }
        wire.wish = nil
        switch wish {
        case .connect:
            connection += 1
            isConnected = simulator.opened(connection, now: now.wall)
            if isConnected {
                client.connected(now, into: &wire)
            } else {
                client.lost("refused", now, into: &wire)
            }
        case .close(let reason): lose(reason)
        }
    }

    private mutating func lose(_ reason: String) {
        simulator.closed(connection)
        isConnected = false
        wire.bytes = []
        client.lost(reason, now, into: &wire)
    }

    private mutating func exchange() {
        guard isConnected else { return }
        if !wire.bytes.isEmpty {
            simulator.received(wire.bytes, from: connection, now: now.wall)
            wire.bytes = []
        }
        let count = simulator.allowance(of: connection, now: now.wall)
        if count > 0 {
            let bytes = Array(simulator.bytes(for: connection, count: count))
            simulator.sent(bytes.count, to: connection, now: now.wall)
            bytes.withRawSpan { client.received($0, now, into: &wire) }
            if let wish = wire.wish, case .close(let reason) = wish {
                wire.wish = nil
                return lose(reason)
            }
        }
        if simulator.isOver(connection) { lose("TWS ended the connection") }
    }

    /// Puts what the machine hands out onto the tape.
    private mutating func store() {
        for record in out.records {
            guard let place = Self.instrument(of: record) else { continue }
            tape[place].append(.record(record))
        }
        out.records = []
        guard out.floor.isDefined else { return }
        for place in tape.indices { tape[place].append(.mark(out.floor)) }
    }

    private static func instrument(of record: ProviderRecord) -> Int? {
        switch record {
        case .tape(let record): record.header.map { Int($0.symbol) }
        case .feed, .definition: nil
        }
    }

    // MARK: what is there

    func trades(_ place: Int) -> [Trade] {
        tape[place].compactMap {
            if case .record(.tape(.trade(let trade))) = $0 { trade } else { nil }
        }
    }

    func bars(_ place: Int) -> [ProviderBar] {
        tape[place].compactMap {
            if case .record(.tape(.providerBar(let bar))) = $0 { bar } else { nil }
        }
    }

    func gaps(_ place: Int) -> [GapRecord] {
        tape[place].compactMap {
            if case .record(.tape(.gap(let gap))) = $0 { gap } else { nil }
        }
    }

    /// What the market traded in the range: second, price and size.
    func traded(_ place: Int, unreported: Bool = false) -> [String] {
        let instrument = truth.instruments[place]
        let seconds = range.lowerBound.nanoseconds / Self.second
        return (seconds..<range.upperBound.nanoseconds / Self.second).flatMap { second in
            truth.events(of: place, in: second).compactMap { event -> String? in
                guard case .trade(let trade) = event.kind, unreported || !trade.isUnreported
                else { return nil }
                return "\(second) \(instrument.priceText(trade.price)) "
                    + instrument.sizeText(trade.size)
            }
        }
    }

    /// The same of the tape.
    func loaded(_ place: Int) -> [String] {
        trades(place).map {
            "\($0.header.eventTime.nanoseconds / Self.second) \($0.price) \($0.size)"
        }
    }

    /// What is wrong with the tape: an order of times or ids, or a watermark that was no promise.
    var disorder: [String] {
        symbols.indices.flatMap { place -> [String] in
            var found: [String] = []
            var mark = Timestamp(nanoseconds: Int64.min)
            for entry in tape[place] {
                switch entry {
                case .mark(let time): mark = max(mark, time)
                case .record(.tape(.trade(let trade))) where trade.header.eventTime < mark:
                    found.append("\(symbols[place]): \(trade.header.eventTime) after \(mark)")
                case .record(.tape(.providerBar(let bar))) where bar.header.eventTime < mark:
                    found.append("\(symbols[place]): \(bar.header.eventTime) after \(mark)")
                case .record: continue
                }
            }
            let ids = trades(place).map(\.header.providerID)
            if zip(ids, ids.dropFirst()).contains(where: { $0 >= $1 }) {
                found.append("\(symbols[place]): ids do not rise")
            }
            return found
        }
    }
}
