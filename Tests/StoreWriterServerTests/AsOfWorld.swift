import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

@testable import StoreWriter

/// Packets of one partition whose witnesses of time have clocks of their own, each of which is
/// moved: the tape, the host of the gateway, that of the operators, and the venue. The world knows
/// the true times. Of each row it says which answers to a question may be given.
struct AsOfWorld {
    enum Clock: Int, CaseIterable { case tape, gateway, worker, venue }
    /// Of what is asked. `changes` are the provider's, `orders` a person's; `effective` are trades
    /// as they count after both, and there are no items of it.
    enum Kind: String, CaseIterable {
        case bars, values, trades, quotes, changes, orders, effective, gaps

        /// The kinds of the items that decide the answer.
        var items: Set<Kind> { self == .effective ? [.trades, .changes, .orders] : [self] }
    }

    /// A row, or a version of one.
    struct Version {
        /// 0: the bar, value or gap is not there.
        let id: Int64
        /// The place of its packet.
        let packet: Int
        /// When it could be read, in true microseconds as all times here.
        let read: Int64
        /// When the tape took it and when it was sent, by their clocks.
        let taken: Int64
        let sent: Int64
        /// Its receipt, or the end of its period.
        let stamp: Int64
        /// The latest true time of which one of its clocks says so much or more: without it, all of
        /// them were behind.
        let witnessed: Int64?

        var begin: Int64 { min(taken, sent) }
        var known: Int64 { max(taken, sent, stamp) }

        /// Whether witnesses disagree about a time by over a second, so that an answer has to
        /// raise. A receipt is compared with the times of a whole second.
        func isDisputed(at time: Int64, slack: Int64) -> Bool {
            begin <= time && time < known
                && (abs(taken - sent) > AsOfWorld.second + 1_000
                    || known - begin > AsOfWorld.second + slack)
        }

        /// Whether an answer may raise because of it.
        func mayBeDisputed(at time: Int64) -> Bool {
            known - begin > AsOfWorld.second / 2 && begin - 2 * AsOfWorld.second <= time
                && time < known + AsOfWorld.second
        }
    }

    /// What is one row of an answer at most.
    struct Item {
        let kind: Kind
        let symbol: String
        /// By which it is asked for.
        let place: Int64
        /// Of a trade.
        var ordinal: UInt64 = 0
        /// Of a change, which has one version: the trade that it is about, and what it does.
        var trade: Int?
        var action = TradeChangeAction.correct
        var versions: [Version] = []

        /// Of what has one version.
        var id: Int64 { versions[0].id }

        /// Within a second a row that is no bar may be known up to a second too late.
        var slack: Int64 { kind == .bars ? 0 : AsOfWorld.second }

        /// The ids of which each is a right answer.
        func right(at time: Int64) -> Set<Int64> {
            var found: Set<Int64> = []
            for version in versions.reversed() {
                if version.known <= time { found.insert(version.id) }
                if version.known + slack <= time { return found }
            }
            return found.union([0])
        }
    }

    static let second: Int64 = 1_000_000
    static let start = StoreScene.time / 1_000
    private static let test = SourceName("test") ?? .operator

    struct Packet {
        let input: SinkInput
        let bytes: [UInt8]
        let taken: Int64
        let sent: Int64
        let read: Int64
    }

    private(set) var packets: [Packet] = []
    private(set) var items: [Item] = []
    /// How many times each clock was moved.
    private(set) var moves = [Int](repeating: 0, count: Clock.allCases.count)
    private(set) var now = AsOfWorld.start
    private var random: SeededRandom
    private var offsets = [Int64](repeating: 0, count: Clock.allCases.count)
    /// In microseconds per second.
    private var drifts = [Int64](repeating: 0, count: Clock.allCases.count)
    private var driftsFrom = AsOfWorld.start
    private var lanes: [SourceName: Lane] = [:]
    private var lastTaken: [SinkInput: Int64] = [:]
    private var nextID: Int64 = 1
    private var openGaps: [Int] = []

    private struct Lane {
        var builder: PacketBuilder
        var next: UInt64 = 1
    }

    /// A version that waits for the times of its packet.
    private struct Draft {
        let item: Int
        var id: Int64
        let stamp: Int64
        /// The true time of the stamp; `nil` if it says nothing about this version.
        let made: Int64?
    }

    init(seed: UInt64, steps: Int) {
        random = SeededRandom(seed: seed)
        for source in [Self.test, .manual, .operator] {
            var builder = PacketBuilder(
                kind: source == .operator ? .bars : .ticks, partition: Partition(1), source: source)
            for symbol in ["AAPL"] + (0..<60).map({ "G\($0)" }) {
                guard let symbol = Symbol(symbol) else { continue }
                builder.define(symbol, provider: "p", of: source == Self.test ? nil : Self.test)
            }
            if let name = SeriesName("1s") {
                _ = builder.register(SeriesDefinition(name: name, widthNanoseconds: 1_000_000_000))
            }
            lanes[source] = Lane(builder: builder)
        }
        for _ in 0..<steps { step() }
    }

    private mutating func below(_ count: Int64) -> Int64 {
        Int64.random(in: 0..<count, using: &random)
    }

    // MARK: clocks

    private func time(_ clock: Clock, at moment: Int64) -> Int64 {
        let drift = drifts[clock.rawValue] * ((moment - driftsFrom) / Self.second)
        return moment + offsets[clock.rawValue] + drift
    }

    /// Moves some clocks: back to the right time, by a step, or slowly from here on.
    private mutating func moveClocks() {
        for clock in Clock.allCases {
            offsets[clock.rawValue] = time(clock, at: now) - now
        }
        driftsFrom = now
        // Mostly they are right, or nothing would be answered.
        if below(2) == 0 {
            offsets = offsets.map { _ in 0 }
            drifts = offsets
            return
        }
        for _ in 0...below(3) {
            guard let clock = Clock.allCases.randomElement(using: &random) else { continue }
            moves[clock.rawValue] += 1
            drifts[clock.rawValue] = 0
            switch below(6) {
            case 0..<2: offsets[clock.rawValue] = 0
            case 2: drifts[clock.rawValue] = [-40_000, -2_000, 2_000, 40_000][Int(below(4))]
            default:
                let size = [400_000, 3_000_000, 40_000_000, 4_000_000_000][Int(below(4))] as Int64
                offsets[clock.rawValue] = below(2) == 0 ? size : -size
            }
        }
    }

    // MARK: packets

    private mutating func step() {
        now += [10_000, 300_000, 2_000_000][Int(below(3))] + below(2_000_000)
        if below(10) == 0 { moveClocks() }
        switch below(10) {
        case 0..<3: ticks()
        case 3: changes()
        case 4: personsChange()
        case 5: gap()
        case 6..<8: bars()
        default: values()
        }
    }

    private mutating func draft(_ item: Int, stamp: Int64, made: Int64?) -> Draft {
        defer { nextID += 1 }
        return Draft(item: item, id: nextID, stamp: stamp, made: made)
    }

    private mutating func item(_ kind: Kind, _ place: Int64, symbol: String = "AAPL") -> Int {
        items.append(Item(kind: kind, symbol: symbol, place: place))
        return items.count - 1
    }

    /// A change of any trade, most often of one that was changed before.
    private mutating func change(_ kind: Kind, _ actions: [TradeChangeAction]) -> Int? {
        let changed = items.compactMap(\.trade).suffix(4)
        let trades = items.indices.filter { items[$0].kind == .trades }
        guard
            let trade = (below(2) == 0 ? Array(changed) : trades).randomElement(using: &random),
            let action = actions.randomElement(using: &random)
        else { return nil }
        let number = item(kind, items[trade].place)
        items[number].trade = trade
        items[number].action = action
        return number
    }

    /// Publishes what was appended. Sometimes the tape is away, and it waits.
    private mutating func publish(_ source: SourceName, by clock: Clock, _ drafts: [Draft]) {
        guard var lane = lanes[source] else { return }
        let sentTrue = now
        let sent = time(clock, at: sentTrue)
        now += below(20) == 0 ? [700_000, 5_000_000, 200_000_000][Int(below(3))] : 2_000
        let input = source == .operator ? SinkInput.bars : .ticks
        let taken = max(time(.tape, at: now), lastTaken[input] ?? .min)
        lastTaken[input] = taken
        let packet = lane.builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: lane.next, watermark: .undefined,
                sendTime: Timestamp(nanoseconds: sent * 1_000)))
        lane.next = packet.header.nextOrdinal
        lanes[source] = lane
        packets.append(
            Packet(
                input: input, bytes: packet.withBytes { $0.array }, taken: taken, sent: sent,
                read: now))
        for draft in drafts {
            var witnessed: [Int64] = []
            if taken >= now { witnessed.append(now) }
            if sent >= sentTrue { witnessed.append(sentTrue) }
            if let made = draft.made, draft.stamp >= made { witnessed.append(made) }
            items[draft.item].versions.append(
                Version(
                    id: draft.id, packet: packets.count - 1, read: now, taken: taken, sent: sent,
                    stamp: draft.stamp, witnessed: witnessed.max()))
        }
    }

    private func header(_ place: Int64, _ received: Int64, id: Int64, symbol: UInt32 = 0)
        -> TickHeader
    {
        TickHeader(
            symbol: symbol, providerTime: Timestamp(nanoseconds: place * 1_000),
            receiveTime: Timestamp(nanoseconds: received * 1_000), providerID: UInt64(id))
    }

    private mutating func ticks() {
        var drafts: [Draft] = []
        for _ in 0...below(3) {
            let (place, received) = (time(.venue, at: now - 5_000), time(.gateway, at: now - 1_000))
            let isTrade = below(3) > 0
            let number = item(isTrade ? .trades : .quotes, place)
            items[number].ordinal = (lanes[Self.test]?.next ?? 0) + UInt64(drafts.count)
            let draft = draft(number, stamp: received, made: now - 1_000)
            let header = header(place, received, id: draft.id)
            let price = Price(raw: draft.id * 1_000_000_000)
            let isIn =
                isTrade
                ? lanes[Self.test]?.builder.append(
                    Trade(header: header, price: price, size: Quantity(raw: 100_000_000)))
                : lanes[Self.test]?.builder.append(
                    Quote(
                        header: header, bidPrice: price, bidSize: Quantity(raw: 1),
                        askPrice: price, askSize: Quantity(raw: 1)))
            #expect(isIn == true)
            drafts.append(draft)
        }
        publish(Self.test, by: .gateway, drafts)
    }

    /// The provider cancels or corrects a trade.
    private mutating func changes() {
        guard let number = change(.changes, [.cancel, .correct]), let of = items[number].trade
        else { return }
        let received = time(.gateway, at: now - 1_000)
        let draft = draft(number, stamp: received, made: now - 1_000)
        var trade = Trade(
            header: header(items[of].place, received, id: items[of].versions[0].id),
            price: Price(raw: draft.id * 1_000_000_000), size: Quantity(raw: 100_000_000))
        let isCancel = items[number].action == .cancel
        trade.header.action = (isCancel ? TradeAction.cancel : TradeAction.correction).rawValue
        let isIn = lanes[Self.test]?.builder.append(trade)
        #expect(isIn == true)
        publish(Self.test, by: .gateway, [draft])
    }

    /// A person changes a trade, with the clock of the operators' host.
    private mutating func personsChange() {
        guard let number = change(.orders, TradeChangeAction.allCases),
            let of = items[number].trade
        else { return }
        let asked = time(.worker, at: now - 1_000)
        let draft = draft(number, stamp: asked, made: now - 1_000)
        var change = TradeChange(
            header: header(items[of].place, asked, id: 0), source: Self.test,
            ordinal: items[of].ordinal, change: items[number].action)
        if items[number].action == .correct {
            change.price = Price(raw: draft.id * 1_000_000_000)
            change.size = Quantity(raw: 100_000_000)
        }
        change.note = String(draft.id)
        let outcome = lanes[.manual]?.builder.append(change)
        #expect(outcome == .appended)
        publish(.manual, by: .worker, [draft])
    }

    /// A gap without an end begins, or one is filled. Each has a symbol of its own.
    private mutating func gap() {
        let received = time(.gateway, at: now - 1_000)
        let number: Int
        var to = Timestamp.undefined
        if let index = openGaps.indices.randomElement(using: &random), below(2) == 0 {
            number = openGaps.remove(at: index)
            to = Timestamp(nanoseconds: (items[number].place + 3_000_000) * 1_000)
        } else {
            let count = items.count { $0.kind == .gaps }
            guard count < 60 else { return }
            number = item(.gaps, received - 1_000, symbol: "G\(count)")
            openGaps.append(number)
        }
        let isEnd = to.isDefined
        var draft = draft(number, stamp: received, made: now - 1_000)
        draft.id = isEnd ? 0 : 1
        let symbol = UInt32(items[number].symbol.dropFirst()) ?? 0
        let outcome = lanes[Self.test]?.builder.append(
            GapRecord(
                header: TickHeader(
                    symbol: symbol + 1, providerTime: .undefined,
                    receiveTime: Timestamp(nanoseconds: received * 1_000)),
                from: Timestamp(nanoseconds: items[number].place * 1_000), to: to, kind: .trade,
                reason: .disconnected, state: isEnd ? .filled : .open))
        #expect(outcome == .appended)
        publish(Self.test, by: .gateway, [draft])
    }

    // MARK: bars and values

    /// A window that the venue's stamps have just ended, or another version of one of before. Only
    /// the first one is no later than its window.
    private mutating func window(_ kind: Kind) -> (item: Int, isNew: Bool) {
        let known = items.indices.filter { items[$0].kind == kind }
        let place = time(.venue, at: now) / Self.second * Self.second - Self.second
        if below(3) == 0, let old = known.randomElement(using: &random) { return (old, false) }
        if let same = known.first(where: { items[$0].place == place }) { return (same, false) }
        return (item(kind, place), true)
    }

    private mutating func bars() {
        var drafts: [Draft] = []
        for _ in 0...below(2) {
            let (item, isNew) = window(.bars)
            // One of a packet at most.
            if drafts.contains(where: { $0.item == item }) { continue }
            let open = items[item].place
            var draft = draft(
                item, stamp: open + Self.second,
                made: isNew ? now - time(.venue, at: now) + open + Self.second : nil)
            var bar = Bar(
                symbol: 0, series: 0, openTime: Timestamp(nanoseconds: open * 1_000),
                closeTime: Timestamp(nanoseconds: (open + Self.second) * 1_000))
            bar.volume = Int128(draft.id) * 100_000_000
            bar.trades = 1
            bar.generation = 1
            if !isNew, below(4) == 0 {
                draft.id = 0
                bar.flags = .withdrawn
            }
            let isIn = lanes[.operator]?.builder.append(bar)
            #expect(isIn == true)
            drafts.append(draft)
        }
        publish(.operator, by: .worker, drafts)
    }

    private mutating func values() {
        let (item, isNew) = window(.values)
        let open = items[item].place
        var draft = draft(
            item, stamp: open + Self.second,
            made: isNew ? now - time(.venue, at: now) + open + Self.second : nil)
        let isVoid = !isNew && below(4) == 0
        let end = Timestamp(nanoseconds: (open + Self.second) * 1_000)
        let outcome = lanes[.operator]?.builder.append(
            IndicatorValue(
                header: TickHeader(symbol: 0, providerTime: end, receiveTime: end), name: "mean",
                value: isVoid ? IndicatorValue.undefined : Int128(draft.id) * 1_000_000_000,
                periodStart: Timestamp(nanoseconds: open * 1_000), periodEnd: end,
                revision: UInt64(items[item].versions.count + 1)))
        #expect(outcome == .appended)
        if isVoid { draft.id = 0 }
        publish(.operator, by: .worker, [draft])
    }

    // MARK: questions

    /// Returns up to when both clocks say that the tape is stored with so many packets; `nil` if
    /// none of the input is.
    func reached(_ input: SinkInput, written: Int) -> Int64? {
        let stored = packets[..<written].filter { $0.input == input }
        guard let taken = stored.map(\.taken).max(), let sent = stored.map(\.sent).max() else {
            return nil
        }
        return min(taken, sent)
    }

    /// Whether the database can know that clocks disagree about a version. Of one that is not
    /// stored yet it cannot, while both clocks say that the tape of that time is: the sender's was
    /// put back.
    func mayBeSeen(_ version: Version, at time: Int64, written: Int) -> Bool {
        guard version.packet >= written else { return true }
        return reached(packets[version.packet].input, written: written).map { $0 <= time } ?? false
    }

    /// Returns a question about what happened up to now: mostly about a moment at which a clock
    /// says something.
    mutating func question(among written: Int) -> AsOfQuestion {
        let kind = Kind.allCases[Int(below(Int64(Kind.allCases.count)))]
        let begun = items.filter { kind.items.contains($0.kind) && !$0.versions.isEmpty }
        guard let item = begun.randomElement(using: &random),
            let version = item.versions.randomElement(using: &random)
        else { return question(among: written) }
        let asked: Int64
        switch below(5) {
        case 0: asked = Self.start + below(packets[written - 1].read - Self.start + Self.second)
        case 1: asked = version.read - below(Self.second)
        default:
            let times = [version.begin, version.taken, version.sent, version.known, version.read]
            asked = times[Int(below(5))] + below(3) - 1
        }
        var range =
            (item.place - 3_600 * Self.second * 10)..<(item.place + 3_600 * Self.second * 10)
        if below(2) == 0 {
            range =
                (item.place - below(4) * Self.second)..<(item.place + 1 + below(4) * Self.second)
        } else if kind == .gaps, below(2) == 0 {
            // After the end of the gap, while it has none.
            range = (item.place + 4 * Self.second)..<(item.place + 5 * Self.second)
        }
        return AsOfQuestion(kind: kind, symbol: item.symbol, time: asked, range: range)
    }

    /// The items that decide an answer, by index.
    func items(of question: AsOfQuestion) -> [Int] {
        items.indices.filter {
            let item = items[$0]
            return question.kind.items.contains(item.kind) && item.symbol == question.symbol
                && (question.range.contains(item.place)
                    || question.kind == .gaps && item.place < question.range.lowerBound)
        }
    }

    // MARK: trades as they count

    /// Returns the changes of a trade of which each may be the last one that was known at the time;
    /// `nil` stands for none.
    func last(_ kind: Kind, of trade: Int, at time: Int64) -> [Item?] {
        var found: [Item?] = []
        for item in items.reversed() where item.kind == kind && item.trade == trade {
            guard item.versions[0].known <= time else { continue }
            found.append(item)
            if item.versions[0].known + item.slack <= time { return found }
        }
        return found + [nil]
    }

    /// Returns the ids of a trade and its corrections of which each is a right answer. A person's
    /// change counts before all of the provider's.
    func effective(_ trade: Int, at time: Int64) -> Set<Int64> {
        let shown = items[trade].right(at: time)
        guard shown.contains(items[trade].id) else { return shown }
        var found = shown.subtracting([items[trade].id])
        for order in last(.orders, of: trade, at: time) {
            if let order, order.action != .restore {
                found.insert(order.action == .cancel ? 0 : order.id)
                continue
            }
            for change in last(.changes, of: trade, at: time) {
                found.insert(change?.action == .cancel ? 0 : change?.id ?? items[trade].id)
            }
        }
        return found
    }

    /// Returns the ids of a person's changes of which each may be in force.
    func inForce(_ trade: Int, at time: Int64) -> Set<Int64> {
        Set(last(.orders, of: trade, at: time).map { $0?.action == .restore ? 0 : $0?.id ?? 0 })
    }
}
