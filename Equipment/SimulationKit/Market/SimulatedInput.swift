internal import MarketModel
package import Primitives
internal import TapeCodec

/// The input of one partition as gateways would have put it on a tape: packets of ticks, watermarks
/// and records of several sources, from a seed. Sequences count from 1. The last packets hold
/// watermarks later than all windows.
package struct SimulatedInput: Sendable {
    /// 2023-11-14 23:59:50 UTC. Most markets, and so their repairs, continue into the next day.
    package static let start: Int64 = 1_700_006_390_000_000_000
    /// The time from the last tick to the last watermark, in nanoseconds.
    package static let silence: Int64 = 30 * 86_400_000_000_000

    package let packets: [SimulatedPacket]
    package let weather: MarketWeather
    package let life: SimulatedLife

    package init(_ weather: MarketWeather, using random: inout SeededRandom) {
        self.weather = weather
        var making = MarketMaking(weather, using: &random)
        for _ in 0..<weather.packets { making.step(using: &random) }
        making.end()
        packets = making.tape.packets
        life = making.life
    }

    package static let streamCreated = TapeWriter.streamCreated
}

/// A market while it is being made.
struct MarketMaking {
    var tape = TapeWriter()
    let weather: MarketWeather
    var sources: [SimulatedSource]
    private var manual: SimulatedSource?
    var now = SimulatedInput.start
    var life = SimulatedLife()
    /// Trades on the tape that may be cancelled or corrected, the newest last.
    private var standing: [Standing] = []
    /// Trades that a person may change, the newest last: also late, repeated and cancelled ones.
    private var addressed: [Addressed] = []
    /// Ticks that a source has left out and may still deliver.
    private var missing: [Missing] = []
    /// Quotes that a source holds back.
    private var held: [Held] = []
    /// The books of the sources, as their providers have them.
    var books: [BookKey: SimulatedBook] = [:]
    private var nextID: UInt64 = 1

    struct Standing {
        let source: Int
        let symbol: Symbol
        let trade: Trade
    }

    struct Addressed {
        let source: Int
        let symbol: Symbol
        let ordinal: UInt64
        let trade: Trade
    }

    struct Held {
        let source: Int
        let symbol: Symbol
        let quote: Quote
    }

    struct Missing {
        let source: Int
        let symbol: Symbol
        let from: Int64
        var to: Int64
        var trades: [Trade]
        var quotes: [Quote] = []
    }

    init(_ weather: MarketWeather, using random: inout SeededRandom) {
        self.weather = weather
        let common = weather.sources > 1 ? [Symbol("\(weather.prefix)SHARED")] : []
        sources = (0..<weather.sources).compactMap { index in
            let own = (0..<weather.symbols).map { Symbol("\(weather.prefix)S\(index)\($0)") }
            let symbols = (own + (index == 0 ? common : [])).compactMap(\.self)
            let isDelayed = weather.hasDelayed && index == weather.sources - 1
            return SourceName(isDelayed ? "src\(index)-delayed" : "src\(index)").map {
                SimulatedSource(
                    $0, symbols: symbols, lag: isDelayed ? MarketWeather.delayedBy : 0)
            }
        }
        manual = SimulatedSource(.manual, symbols: [])
        // Subscriptions then begin inside of windows.
        now += Int64.random(in: 0...1_500_000_000, using: &random)
    }

    // MARK: steps

    mutating func step(using random: inout SeededRandom) {
        let index = Int.random(in: sources.indices, using: &random)
        if weather.hasLife { changeLives(using: &random) }
        if happens(weather.pauses, &random) {
            now += Int64.random(in: 0...weather.pauseMax, using: &random)
        }
        now += Int64.random(in: 1...weather.pace, using: &random)
        if weather.hasLife, !wakes(index, using: &random) { return }
        if happens(weather.switches, &random) { moveSymbol(to: index, using: &random) }
        if happens(weather.restarts, &random) { restart(index, using: &random) }
        if happens(weather.lots, &random) { changeLot(index, using: &random) }
        if happens(weather.idle, &random) {
            seal(index, isIdle: true)
            return
        }
        for _ in 0..<Int.random(in: 1...weather.ticksPerPacketMax, using: &random) {
            addTick(to: index, using: &random)
        }
        if happens(weather.providerBars, &random) { addProviderBars(to: index, using: &random) }
        if happens(weather.values, &random) { addValues(to: index, using: &random) }
        if happens(weather.depth, &random) { changeBooks(of: index, using: &random) }
        if happens(weather.busts, &random) { bust(index, using: &random) }
        if happens(weather.gaps, &random) { openGap(index, using: &random) }
        if !missing.isEmpty, Int.random(in: 0..<3, using: &random) == 0 { fillGap(&random) }
        if happens(weather.strayQuotes, &random) { fetchQuote(index, using: &random) }
        if !held.isEmpty, Bool.random(using: &random) { release(index) }
        seal(index)
        if happens(weather.repairs, &random) { request(using: &random) }
        if happens(weather.changes, &random) { change(using: &random) }
    }

    func happens(_ chance: Int, _ random: inout SeededRandom) -> Bool {
        chance > 0 && Int.random(in: 0..<1_000, using: &random) < chance
    }

    private mutating func seal(_ index: Int, isIdle: Bool = false) {
        // Ticks that a source misses do not hold back its watermark. Gap records report them.
        var watermark = now(of: index) - weather.delay
        // This puts it on a border, where a nanosecond decides.
        if weather.ties > 0, tape.packets.count % 3 == 0 {
            watermark = watermark / 1_000_000_000 * 1_000_000_000
        }
        tape.store(
            sources[index].seal(
                isIdle: isIdle || !sources[index].hasTicks && !sources[index].isRetired,
                watermark: watermark, sendTime: now))
    }

    /// Delivers everything that was held back, and then watermarks later than all windows.
    mutating func end() {
        var random = SeededRandom(seed: UInt64(bitPattern: now))
        for index in sources.indices where !held.isEmpty {
            release(index)
            if sources[index].hasTicks { seal(index) }
        }
        while !missing.isEmpty {
            fillGap(&random)
            for index in sources.indices where sources[index].hasTicks { seal(index) }
        }
        now += SimulatedInput.silence
        // A gateway that was retired while it lived may still send packets of its epoch.
        for index in sources.indices {
            if sources[index].isRetired, Bool.random(using: &random) { sources[index].beginEpoch() }
            seal(index, isIdle: !sources[index].isRetired)
        }
    }

    // MARK: ticks

    private mutating func addTick(to index: Int, using random: inout SeededRandom) {
        guard let symbol = sources[index].randomSymbol(using: &random) else { return }
        now += Int64.random(in: 0...weather.pace, using: &random)
        if happens(weather.repeats, &random), let last = sources[index].lastTick {
            if case .trade(let trade) = last.tick { address(trade, last.symbol, index) }
            sources[index].append(last)
            return
        }
        let header = tickHeader(index, using: &random)
        if happens(weather.quotes, &random) {
            let quote = quote(header, using: &random)
            if weather.missedQuotes > 0, let gap = gap(of: symbol, index) {
                missing[gap].to = max(missing[gap].to, header.eventTime.nanoseconds + 1)
                missing[gap].quotes.append(quote)
            } else if happens(weather.heldQuotes, &random) {
                held.append(Held(source: index, symbol: symbol, quote: quote))
            } else {
                sources[index].append(.quote(quote), symbol)
            }
            return
        }
        let trade = trade(header, using: &random)
        if let gap = gap(of: symbol, index) {
            missing[gap].to = max(missing[gap].to, header.eventTime.nanoseconds + 1)
            missing[gap].trades.append(trade)
            return
        }
        address(trade, symbol, index)
        sources[index].append(.trade(trade), symbol)
        standing.append(Standing(source: index, symbol: symbol, trade: trade))
        if standing.count > 40 { standing.removeFirst(20) }
    }

    /// Returns the open gap of a symbol of a source.
    func gap(of symbol: Symbol, _ index: Int) -> Int? {
        missing.firstIndex { $0.source == index && $0.symbol == symbol }
    }

    mutating func tickHeader(_ index: Int, using random: inout SeededRandom) -> TickHeader {
        var time = now - Int64.random(in: 0...max(1, weather.delay), using: &random)
        if happens(weather.late, &random) {
            time = now - weather.delay - Int64.random(in: 1...weather.lateMax, using: &random)
        } else if happens(weather.ties, &random) {
            // This puts it on a border, where a nanosecond decides.
            time = now / 1_000_000_000 * 1_000_000_000
        }
        nextID += 1
        let flags: TickFlags = happens(weather.snapshots, &random) ? .snapshot : []
        let id = happens(weather.withoutID, &random) ? 0 : nextID
        return TickHeader(
            symbol: 0, flags: flags, resolution: TimeResolution.nanosecond.rawValue,
            providerTime: Timestamp(nanoseconds: time - sources[index].lag),
            receiveTime: Timestamp(nanoseconds: now), providerID: id)
    }

    private func trade(_ header: TickHeader, using random: inout SeededRandom) -> Trade {
        var trade = Trade(
            header: header,
            price: Price(raw: Int64.random(in: -2...40, using: &random) * 250_000_000),
            size: Quantity(raw: Int64.random(in: 1...9, using: &random) * 10_000_000_000))
        if happens(weather.oddLots, &random) {
            trade.size = Quantity(raw: Int64.random(in: 0...9_999_999_999, using: &random))
        }
        if happens(weather.undefined, &random) {
            switch Int.random(in: 0..<3, using: &random) {
            case 0: trade.price = .undefined
            case 1: trade.size = .undefined
            default: trade.size = Quantity(raw: -1)
            }
        }
        if happens(weather.conditions, &random) {
            let codes = ["W", "L", "I", "WL", "TI", "@"]
            trade.conditions = codes.randomElement(using: &random).flatMap(ShortText.init) ?? .empty
        }
        return trade
    }

    private func quote(_ header: TickHeader, using random: inout SeededRandom) -> Quote {
        let bid = Int64.random(in: -2...40, using: &random) * 250_000_000
        var quote = Quote(
            header: header, bidPrice: Price(raw: bid), bidSize: Quantity(raw: 100_000_000),
            askPrice: Price(raw: bid + Int64.random(in: -1...3, using: &random) * 1_000_001),
            askSize: Quantity(raw: 100_000_000))
        if happens(weather.undefined * 4, &random) { quote.askPrice = .undefined }
        if happens(weather.undefined * 2, &random) { quote.bidPrice = .undefined }
        return quote
    }

    // MARK: sources of symbols

    private mutating func moveSymbol(to index: Int, using random: inout SeededRandom) {
        let since = Timestamp(nanoseconds: now(of: index))
        let shared = Symbol("\(weather.prefix)SHARED")
        let holder = sources.indices.first { $0 != index && sources[$0].feeds(shared) }
        if let holder, let symbol = shared, Bool.random(using: &random) {
            // Otherwise both feed it from now on.
            if Int.random(in: 0..<3, using: &random) > 0 { sources[holder].drop(symbol) }
            sources[index].feed(symbol, provider: "p", since: since)
            missing.removeAll { $0.symbol == symbol }
            tie(symbol, index, using: &random)
        } else if let symbol = sources[index].randomSymbol(using: &random) {
            sources[index].feed(
                symbol, provider: Bool.random(using: &random) ? "q" : "p", since: since)
        }
    }

    /// Gives the new source's first trade exactly the time of the old one's last.
    private mutating func tie(_ symbol: Symbol, _ index: Int, using random: inout SeededRandom) {
        guard weather.ties > 0,
            let last = standing.last(where: { $0.symbol == symbol && $0.source != index })
        else { return }
        var header = tickHeader(index, using: &random)
        header.flags = []
        header.providerTime = last.trade.header.providerTime
        sources[index].append(.trade(trade(header, using: &random)), symbol)
    }

    private mutating func restart(_ index: Int, using random: inout SeededRandom) {
        guard let symbol = sources[index].randomSymbol(using: &random) else { return }
        sources[index].feed(
            symbol, provider: nil, since: Timestamp(nanoseconds: now(of: index)))
    }

    /// States another lot, which becomes valid about now, was always valid, or states none.
    private mutating func changeLot(_ index: Int, using random: inout SeededRandom) {
        guard let symbol = sources[index].randomSymbol(using: &random) else { return }
        let shares: [Int64] = [1, 10, 40, 100, 300]
        func any() -> Quantity {
            Quantity(raw: (shares.randomElement(using: &random) ?? 1) * 100_000_000)
        }
        let from = Int64.random(in: -3_000_000_000...3_000_000_000, using: &random)
        let time = Timestamp(nanoseconds: now + from)
        let lot = RoundLot(any(), from: time, before: any())
        let isAlways = Int.random(in: 0..<4, using: &random) == 0
        let always = RoundLot(any())
        let isNone = Int.random(in: 0..<5, using: &random) == 0
        sources[index].setLot(isNone ? nil : isAlways ? always : lot, of: symbol)
    }

    // MARK: corrections and gaps

    /// Cancels or corrects a trade. The record carries the id and the time of that trade.
    private mutating func bust(_ index: Int, using random: inout SeededRandom) {
        let own = standing.filter { $0.source == index && sources[index].feeds($0.symbol) }
        guard let victim = own.randomElement(using: &random) else { return }
        var record = victim.trade
        record.header.flags = []
        record.header.receiveTime = Timestamp(nanoseconds: now)
        record.header.action = TradeAction.cancel.rawValue
        if Bool.random(using: &random) {
            record.header.action = TradeAction.correction.rawValue
            record.price = Price(raw: Int64.random(in: 1...80, using: &random) * 125_000_000)
        }
        standing.removeAll { $0.trade.header.providerID == record.header.providerID }
        sources[index].append(.trade(record), victim.symbol)
    }

    private mutating func openGap(_ index: Int, using random: inout SeededRandom) {
        guard let symbol = sources[index].randomSymbol(using: &random),
            !missing.contains(where: { $0.symbol == symbol })
        else { return }
        // The gap is noticed after its start, and some of it is never filled.
        let now = now(of: index)
        let early = now - Int64.random(in: 0...4_000_000_000, using: &random)
        var kinds = Self.gapKinds
        if weather.providerBars > 0 { kinds.append(.providerBar) }
        if weather.depth > 0 { kinds += [.depth, .depth] }
        let kind = kinds.randomElement(using: &random) ?? .trade
        let state: GapState = happens(300, &random) ? .abandoned : .open
        sources[index].append(.gap(gap(from: early, to: nil, state: state, kind: kind)), symbol)
        let from = Bool.random(using: &random) ? early : now
        missing.append(Missing(source: index, symbol: symbol, from: from, to: now + 1, trades: []))
    }

    private static let gapKinds: [DataKind] = [.trade, .trade, .any, .quote]

    func gap(
        from: Int64, to: Int64?, state: GapState, kind: DataKind
    ) -> GapRecord {
        GapRecord(
            header: TickHeader(
                symbol: 0, providerTime: .undefined, receiveTime: Timestamp(nanoseconds: now)),
            from: Timestamp(nanoseconds: from),
            to: to.map { Timestamp(nanoseconds: $0) } ?? .undefined,
            kind: kind, reason: .disconnected, state: state)
    }

    /// Appends the provider's history: the ticks that were left out, marked as backfilled, and the
    /// gap record for them.
    private mutating func fillGap(_ random: inout SeededRandom) {
        guard let filled = missing.first else { return }
        missing.removeFirst()
        for var trade in filled.trades {
            trade.header.flags.insert(.backfilled)
            trade.header.receiveTime = Timestamp(nanoseconds: now)
            address(trade, filled.symbol, filled.source)
            sources[filled.source].append(.trade(trade), filled.symbol)
        }
        for var quote in filled.quotes {
            quote.header.flags.insert(.backfilled)
            quote.header.receiveTime = Timestamp(nanoseconds: now)
            sources[filled.source].append(.quote(quote), filled.symbol)
        }
        var to = max(filled.to, now(of: filled.source))
        if happens(weather.partFills, &random) { to = filled.from + (to - filled.from) / 2 }
        if weather.providerBars > 0 {
            fillProviderBars(filled.source, filled.symbol, from: filled.from, to: to, &random)
        }
        let usual: DataKind =
            weather.providerBars > 0 ? .providerBar : weather.missedQuotes > 0 ? .any : .trade
        let kind = happens(200, &random) ? DataKind.any : usual
        sources[filled.source].append(
            .gap(gap(from: filled.from, to: to, state: .filled, kind: kind)), filled.symbol)
    }

    /// Appends what a source held back.
    private mutating func release(_ index: Int) {
        for one in held where one.source == index {
            sources[index].append(.quote(one.quote), one.symbol)
        }
        held.removeAll { $0.source == index }
    }

    /// Appends a quote from the provider's history, of the last nanosecond of a second.
    private mutating func fetchQuote(_ index: Int, using random: inout SeededRandom) {
        guard let symbol = sources[index].randomSymbol(using: &random) else { return }
        let end = now / 1_000_000_000 - Int64.random(in: 0...30, using: &random)
        var header = tickHeader(index, using: &random)
        header.flags = .backfilled
        header.providerTime = Timestamp(nanoseconds: end * 1_000_000_000 - 1)
        sources[index].append(.quote(quote(header, using: &random)), symbol)
    }

    private mutating func request(using random: inout SeededRandom) {
        let symbols = sources.flatMap(\.symbolNames)
        guard let symbol = symbols.randomElement(using: &random), var person = manual else {
            return
        }
        let from = lastTime(of: symbol) - Int64.random(in: 0...20_000_000_000, using: &random)
        let request = RepairRequest(
            header: TickHeader(
                symbol: 0, providerTime: .undefined, receiveTime: Timestamp(nanoseconds: now)),
            from: Timestamp(nanoseconds: from),
            to: Timestamp(
                nanoseconds: from + Int64.random(in: 1...10_000_000_000, using: &random)),
            reason: .repair, requester: "simulation")
        person.feed(symbol, provider: "", since: .undefined)
        person.append(.repair(request), symbol)
        noteRepair(of: symbol)
        tape.store(person.seal(isIdle: false, watermark: nil, sendTime: now))
        manual = person
    }

    // MARK: changes of people

    /// Notes a trade that is about to be appended.
    private mutating func address(_ trade: Trade, _ symbol: Symbol, _ index: Int) {
        guard sources[index].feeds(symbol) else { return }
        addressed.append(
            Addressed(
                source: index, symbol: symbol, ordinal: sources[index].ordinal, trade: trade))
        if addressed.count > 60 { addressed.removeFirst(20) }
    }

    /// Cancels, corrects or restores a trade, whatever was done to it before. One trade is often
    /// changed more than once. Now and then there is no such trade, or the change is none.
    private mutating func change(using random: inout SeededRandom) {
        let recent = addressed.suffix(Bool.random(using: &random) ? 5 : 60)
        guard let one = recent.randomElement(using: &random), var person = manual else { return }
        let action = TradeChangeAction.allCases.randomElement(using: &random) ?? .cancel
        var change = TradeChange(
            header: TickHeader(
                symbol: 0, providerTime: one.trade.header.eventTime,
                receiveTime: Timestamp(nanoseconds: now)),
            source: sources[one.source].name, ordinal: one.ordinal, change: action)
        if action == .correct {
            change.price = Price(raw: Int64.random(in: 1...80, using: &random) * 125_000_000)
            change.size = Quantity(raw: Int64.random(in: 1...9, using: &random) * 10_000_000_000)
        }
        if happens(100, &random) {
            let mistake = Int.random(in: 0..<4, using: &random)
            if mistake == 0 { change.ordinal += 1 }
            if mistake == 1 { change.change = 9 }
            if mistake == 2 { change.size = Quantity(raw: -1) }
            if mistake == 3 {
                change.header.providerTime = change.header.providerTime.advanced(byNanoseconds: 1)
            }
        }
        person.feed(
            one.symbol, provider: "", since: .undefined,
            of: happens(200, &random) ? nil : sources[one.source].name)
        person.append(.change(change), one.symbol)
        tape.store(person.seal(isIdle: false, watermark: nil, sendTime: now))
        manual = person
    }
}
