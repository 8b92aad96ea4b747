import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol
import Testing

/// A tape from a seed with trades that are cancelled and corrected, and the bars that operators
/// make of it. `us-a` and `us-b` are the group `us` and share its ids; `solo` has the same symbols
/// and, by chance, the same ids. The provider's changes come through any member. People name trades
/// by id, of a member, of the group, or of all sources, and by their place; they take changes back;
/// they add trades, also without a source: those of AAPL are of the group, whose provider they
/// name, and those of MSFT name a provider that no source has.
struct CancelWorld {
    enum Event: CaseIterable {
        case cancel, correction, changeOfChange, throughOther, byPerson, ofAll, ofGroup, byPlace
        case restored, filled, filledSourceless
    }

    private struct Told {
        let symbol: Symbol
        let source: SourceName
        let ordinal: UInt64
        let trade: Trade
        /// Of a person's trade: to whom it belongs.
        let named: SourceName?
        var isChanged = false
        var isChangedByPlace = false
    }

    private struct Lane {
        var builder: PacketBuilder
        var ordinal: UInt64 = 1
        /// The definitions of the next packet.
        var symbols: [SourceSymbol: UInt32] = [:]
    }

    static let group = SourceName("us") ?? .manual
    static let members = ["us-a", "us-b"].compactMap { SourceName($0) }
    static let solo = SourceName("solo") ?? .manual
    private static let symbols = ["AAPL", "MSFT"].compactMap { Symbol($0) }

    private(set) var packets: [SealedPacket] = []
    private(set) var events: Set<Event> = []
    private var random: SeededRandom
    private var lanes: [SourceName: Lane] = [:]
    /// Who of the group feeds the symbol.
    private var feeds: [Symbol: SourceName]
    private var told: [Told] = []
    private var now = StoreScene.time
    private var nextID: UInt64 = 1

    init(seed: UInt64, steps: Int) {
        random = SeededRandom(seed: seed)
        feeds = Dictionary(uniqueKeysWithValues: zip(Self.symbols, Self.members))
        for source in Self.members + [Self.solo, .manual] {
            lanes[source] = Lane(
                builder: PacketBuilder(kind: .ticks, partition: Partition(1), source: source))
        }
        for _ in 0..<steps { step() }
        // Later than all windows.
        now += 3_600_000_000_000
        for source in Self.members + [Self.solo] { seal(source) }
    }

    private mutating func step() {
        now += Int64.random(in: 1...900_000_000, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<9: trade()
        case 9: move()
        case 10..<13: changeByProvider()
        case 13..<16: changeByPerson()
        case 16..<19: changeByPlace()
        default: fill()
        }
    }

    // MARK: trades

    private mutating func trade() {
        guard let symbol = Self.symbols.randomElement(using: &random), let feed = feeds[symbol]
        else { return }
        let id = nextID
        nextID += 1
        tell(trade(id, at: now), symbol, by: feed)
        seal(feed)
        guard Bool.random(using: &random) else { return }
        // By chance the same id at the same time, of another feed.
        tell(trade(Bool.random(using: &random) ? id : 0, at: now), symbol, by: Self.solo)
        seal(Self.solo)
    }

    private mutating func trade(_ id: UInt64, at time: Int64) -> Trade {
        Trade(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: time),
                receiveTime: Timestamp(nanoseconds: time), providerID: id),
            price: Price(raw: Int64.random(in: 1...80, using: &random) * 125_000_000),
            size: Quantity(raw: Int64.random(in: 0...50, using: &random) * 50_000_000))
    }

    /// Another member of the group feeds a symbol from here on.
    private mutating func move() {
        guard let symbol = Self.symbols.randomElement(using: &random) else { return }
        feeds[symbol] = Self.members.first { $0 != feeds[symbol] }
    }

    /// A person adds a trade that the provider never sent, and has its bars computed again.
    private mutating func fill() {
        guard let like = told.randomElement(using: &random), like.source != .manual else { return }
        let id = nextID
        nextID += 1
        var named: SourceName? = Self.members.contains(like.source) ? Self.group : like.source
        // Whose it is depends on who has the symbol by then.
        let owners = Set(
            told.filter { $0.symbol == like.symbol && $0.source != .manual }
                .map { $0.source == Self.solo })
        if owners.count == 2, Int.random(in: 0..<3, using: &random) == 0 {
            named = nil
            events.insert(.filledSourceless)
        }
        // No two at one time: of those, the order depends on who fed the symbol.
        let time = like.trade.header.providerTime.nanoseconds + Int64(id)
        tell(trade(id, at: time), like.symbol, by: .manual, of: named)
        let request = RepairRequest(
            header: TickHeader(
                symbol: number(like.symbol, by: .manual, of: named), providerTime: .undefined,
                receiveTime: Timestamp(nanoseconds: now)),
            from: Timestamp(nanoseconds: time), to: Timestamp(nanoseconds: time + 1),
            reason: .repair, requester: "test")
        let outcome = lanes[.manual]?.builder.append(request)
        #expect(outcome == .appended)
        lanes[.manual]?.ordinal += 1
        seal(.manual)
        events.insert(.filled)
    }

    private mutating func tell(
        _ trade: Trade, _ symbol: Symbol, by source: SourceName, of named: SourceName? = nil
    ) {
        told.append(
            Told(
                symbol: symbol, source: source, ordinal: lanes[source]?.ordinal ?? 0, trade: trade,
                named: named))
        append(trade, symbol, by: source, of: named)
    }

    // MARK: changes

    private mutating func changeByProvider() {
        guard let index = told.indices.randomElement(using: &random), told[index].source != .manual,
            told[index].trade.header.providerID != 0
        else { return }
        let victim = told[index]
        let source = victim.source == Self.solo ? victim.source : feeds[victim.symbol] ?? Self.solo
        if source != victim.source { events.insert(.throughOther) }
        append(change(of: index), victim.symbol, by: source)
        seal(source)
    }

    private mutating func changeByPerson() {
        guard let index = told.indices.randomElement(using: &random),
            told[index].trade.header.providerID != 0
        else { return }
        let victim = told[index]
        let isOfGroup = victim.source != Self.solo
        let names: [SourceName?] =
            isOfGroup ? [nil, Self.group] + Self.members : [nil, Self.solo]
        let named = victim.named ?? names.randomElement(using: &random) ?? nil
        if named == nil { events.insert(.ofAll) }
        if named == Self.group { events.insert(.ofGroup) }
        events.insert(.byPerson)
        append(change(of: index), victim.symbol, by: .manual, of: named)
        seal(.manual)
    }

    private mutating func change(of index: Int) -> Trade {
        var change = told[index].trade
        change.header.receiveTime = Timestamp(
            // People's clocks may be anywhere: the tape's order counts.
            nanoseconds: now + Int64.random(in: -60_000_000_000...60_000_000_000, using: &random))
        let isCancel = Bool.random(using: &random)
        events.insert(isCancel ? .cancel : .correction)
        if told[index].isChanged { events.insert(.changeOfChange) }
        told[index].isChanged = true
        change.header.action = (isCancel ? TradeAction.cancel : .correction).rawValue
        if !isCancel { (change.price, change.size) = values() }
        return change
    }

    private mutating func changeByPlace() {
        guard let index = told.indices.randomElement(using: &random) else { return }
        let victim = told[index]
        let actions = TradeChangeAction.allCases
        guard let action = actions.randomElement(using: &random),
            action != .restore || victim.isChangedByPlace
        else { return }
        events.insert(action == .restore ? .restored : .byPlace)
        told[index].isChangedByPlace = true
        let change = TradeChange(
            header: TickHeader(
                symbol: number(
                    victim.symbol, by: .manual,
                    of: victim.source == .manual ? victim.named : victim.source),
                providerTime: victim.trade.header.providerTime,
                receiveTime: Timestamp(nanoseconds: now)),
            source: victim.source, ordinal: victim.ordinal, change: action,
            values: action == .correct ? values() : (.undefined, .undefined))
        let outcome = lanes[.manual]?.builder.append(change)
        #expect(outcome == .appended)
        lanes[.manual]?.ordinal += 1
        seal(.manual)
    }

    private mutating func values() -> (Price, Quantity) {
        (
            Price(raw: Int64.random(in: 1...80, using: &random) * 125_000_000),
            Quantity(raw: Int64.random(in: 0...50, using: &random) * 50_000_000)
        )
    }

    // MARK: packets

    private mutating func append(
        _ trade: Trade, _ symbol: Symbol, by source: SourceName, of named: SourceName? = nil
    ) {
        var trade = trade
        trade.header.symbol = number(symbol, by: source, of: named)
        let isIn = lanes[source]?.builder.append(trade)
        #expect(isIn == true)
        lanes[source]?.ordinal += 1
    }

    private mutating func number(
        _ symbol: Symbol, by source: SourceName, of named: SourceName?
    ) -> UInt32 {
        let key = SourceSymbol(symbol, of: named ?? .manual)
        if let known = lanes[source]?.symbols[key] { return known }
        let provider = provider(symbol, source, named)
        let number =
            lanes[source]?.builder.register(
                SymbolDefinition(
                    symbol: symbol, provider: provider,
                    since: Timestamp(nanoseconds: 0),
                    source: source == .manual ? named : nil)) ?? 0
        lanes[source]?.symbols[key] = number
        return number
    }

    private func provider(
        _ symbol: Symbol, _ source: SourceName, _ named: SourceName?
    ) -> String {
        if source == Self.solo || named == Self.solo { return "q" }
        return source == .manual && named == nil && symbol != Self.symbols[0] ? "x" : "p"
    }

    private mutating func seal(_ source: SourceName) {
        guard var lane = lanes[source] else { return }
        let first = packets.last { $0.header.source == source }?.header.nextOrdinal ?? 1
        packets.append(
            lane.builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: first,
                    watermark: source == .manual
                        ? .undefined : Timestamp(nanoseconds: now - 1_000_000_000),
                    sendTime: Timestamp(nanoseconds: now))))
        lanes[source] = lane
    }
}

/// The bars of a world, as owners without faults make them.
struct CancelBars {
    private var machine: GraphMachine
    private(set) var bars: [(symbol: SourceSymbol, series: SeriesDefinition, bar: Bar)] = []
    private var output = GraphOutput()
    let members: [GroupMember]

    init(_ packets: [SealedPacket]) throws {
        var definition = GraphDefinition.simple(try BarSeriesSet(["1s", "1m"]))
        definition.groups = SourceGroups([
            SourceGroups.Group(name: CancelWorld.group, members: CancelWorld.members)
        ])
        members = CancelWorld.members.map { GroupMember(source: $0, group: CancelWorld.group) }
        machine = GraphMachine(GraphProgram(definition))
        for (index, packet) in packets.enumerated() {
            packet.withBytes { _ = machine.take(packet.header, $0, into: &output) }
            let dirty = output.dirty
            collect()
            guard var repair = GraphRepair(machine, dirty) else { continue }
            for earlier in packets[...index] {
                earlier.withBytes { repair.note(earlier.header, $0) }
            }
            if repair.endFirstPass() {
                for earlier in packets[...index] {
                    earlier.withBytes { repair.take(earlier.header, $0) }
                }
            }
            #expect(repair.unusedChanges == 0)
            machine.absorb(
                repair, published: published(machine.publishedRanges(of: repair)), into: &output)
            collect()
        }
    }

    private func published(_ needs: [PublishedRange]) -> [Bar] {
        struct Key: Hashable {
            let symbol: UInt32
            let series: UInt16
            let openTime: Timestamp
        }
        var last: [Key: Bar] = [:]
        for (_, _, bar) in bars {
            last[Key(symbol: bar.symbol, series: bar.series, openTime: bar.openTime)] = bar
        }
        return last.values.filter { bar in
            !bar.flags.contains(.withdrawn)
                && needs.contains {
                    $0.symbol == bar.symbol && $0.series == bar.series
                        && bar.openTime.nanoseconds < $0.to && bar.closeTime.nanoseconds > $0.from
                }
        }
    }

    private mutating func collect() {
        for bar in output.bars {
            let series = machine.program.series[Int(bar.series)]
            bars.append(
                (
                    machine.symbols.pair(at: bar.symbol),
                    SeriesDefinition(
                        name: series.name, widthNanoseconds: series.widthNanoseconds), bar
                ))
        }
        output.removeAll()
    }

    /// Returns all versions as packets of the operator.
    func packets() -> [SealedPacket] {
        var builder = PacketBuilder(kind: .bars, partition: Partition(1), source: .operator)
        var symbols: [SourceSymbol: UInt32] = [:]
        var series: [SeriesName: UInt16] = [:]
        var packets: [SealedPacket] = []
        func seal() {
            packets.append(
                builder.seal(
                    PacketBuilder.Seal(
                        epoch: 1, firstOrdinal: packets.last?.header.nextOrdinal ?? 1,
                        watermark: .undefined, sendTime: Timestamp(nanoseconds: StoreScene.time)),
                    output: OutputState(
                        input: .start(sources: []), checksum: 0, generation: 1, members: members)))
        }
        for (symbol, definition, found) in bars {
            var bar = found
            bar.symbol =
                symbols[symbol]
                ?? builder.define(symbol.symbol, of: symbol.source)
            symbols[symbol] = bar.symbol
            bar.series = series[definition.name] ?? UInt16(builder.register(definition))
            series[definition.name] = bar.series
            if !builder.append(bar) {
                seal()
                let isIn = builder.append(bar)
                #expect(isIn)
            }
        }
        seal()
        return packets
    }
}
