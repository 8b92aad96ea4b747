import MarketModel
import Primitives
import ProviderKit
import TapeCodec
import Testing

@testable import ProviderGateway

@Suite("The synthetic provider")
struct SyntheticProviderTests {
    private let now = Timestamp(nanoseconds: 1_700_000_000_000_000_000)
    private let names = ["AAPL", "AMZN", "GOOG", "JPM", "META", "MSFT", "SPY"]

    private func settings(
        seed: UInt64 = 7, rate: Int = 100, pace: SyntheticTicks.Pace = .full,
        total: UInt64? = 500, backlog: Int64 = 0
    ) -> SyntheticTicks.Settings {
        SyntheticTicks.Settings(
            market: SyntheticMarket.Settings(
                seed: seed, symbols: names.compactMap { Symbol($0) }, rate: rate),
            pace: pace, total: total, backlogNanoseconds: backlog)
    }

    private func fresh(
        _ settings: SyntheticTicks.Settings, behind floor: Timestamp? = nil
    ) -> SyntheticTicks {
        resumed(settings, names.map { _ in nil }, behind: floor, now: now)
    }

    private func resumed(
        _ settings: SyntheticTicks.Settings, _ marks: [SyntheticTicks.Mark?],
        behind floor: Timestamp? = nil, now: Timestamp
    ) -> SyntheticTicks {
        var standing = SyntheticTicks.Standing()
        standing.marks = marks
        for mark in marks { if let mark { standing.reached(mark.time) } }
        if let floor { standing.reached(floor) }
        return SyntheticTicks(settings, behind: standing, now: now)
    }

    private func tickIndex(_ tick: SyntheticMarket.Tick?) -> UInt64? {
        tickHeader(tick).map { $0.providerID & SyntheticMarket.indexMax }
    }

    private func tickHeader(_ tick: SyntheticMarket.Tick?) -> TickHeader? {
        switch tick {
        case .trade(let trade)?: trade.header
        case .quote(let quote)?: quote.header
        case nil: nil
        }
    }

    @Test("at full pace all ticks are due at once, the last one's time is now, then it is idle")
    func fullPace() {
        var provider = fresh(settings())
        var times: [Timestamp] = []
        while provider.isDue(now: now) {
            if let header = tickHeader(provider.take(received: now)) {
                times.append(header.eventTime)
            }
        }
        #expect(times.count == 500)
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
        #expect(times.allSatisfy { $0 < now })
        #expect(now.nanoseconds - (times.last?.nanoseconds ?? 0) < 20_000_000)
        #expect(provider.isFinished && provider.nextDue == nil)
        #expect(provider.floor == ProviderChannel.endlessFloor)
    }

    @Test("in real time a tick is due when its time has come, no earlier")
    func realTime() throws {
        var provider = fresh(settings(pace: .realtime, total: nil))
        for _ in 0..<200 {
            let due = try #require(provider.nextDue)
            #expect(!provider.isDue(now: due.advanced(byNanoseconds: -1)))
            #expect(provider.isDue(now: due))
            let tick = provider.take(received: due)
            let header = try #require(tickHeader(tick))
            #expect(header.eventTime == due && header.receiveTime == due)
        }
        #expect(!provider.isFinished)
    }

    @Test("a backlog is due at once, and what follows in real time")
    func backlog() throws {
        var provider = fresh(settings(pace: .realtime, total: nil, backlog: 10_000_000_000))
        #expect(provider.origin == now.advanced(byNanoseconds: -10_000_000_000))
        var taken = 0
        while provider.isDue(now: now) {
            let tick = provider.take(received: now)
            #expect(try #require(tickHeader(tick)).eventTime <= now)
            taken += 1
        }
        #expect((999...1_001).contains(taken))
        #expect(try #require(provider.nextDue) > now)
    }

    /// Returns the symbol's partition in this test: two symbols share one.
    private func partition(_ symbol: Int) -> Int { symbol / 2 }

    @Test("after a kill at any point the rest comes, each tick once", arguments: 0..<40)
    func resumption(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let settings = settings(
            seed: random.next(), pace: seed % 2 == 0 ? .full : .realtime, total: 400,
            backlog: 20_000_000_000)
        var onTape: [Int: [UInt64]] = [:]
        var times: [UInt64: Timestamp] = [:]
        var marks: [Int: SyntheticTicks.Mark] = [:]
        var start = now
        for _ in 0..<4 {
            var provider = resumed(settings, names.indices.map { marks[partition($0)] }, now: start)
            var waiting: [Int: [TickHeader]] = [:]
            for _ in 0..<random.next() % 300 {
                guard provider.isDue(now: start) else { break }
                let symbol = provider.market.symbol(ofTick: provider.next)
                guard let header = tickHeader(provider.take(received: start)) else { continue }
                waiting[partition(symbol), default: []].append(header)
            }
            // Acknowledgements reached a different point in each partition.
            for (partition, headers) in waiting {
                for header in headers.prefix(Int(random.next() % UInt64(headers.count + 1))) {
                    let index = header.providerID & SyntheticMarket.indexMax
                    onTape[partition, default: []].append(index)
                    #expect(times[index] == nil || times[index] == header.eventTime)
                    times[index] = header.eventTime
                    marks[partition] = SyntheticTicks.Mark(index: index, time: header.eventTime)
                }
            }
            start = start.advanced(byNanoseconds: Int64(random.next() % 5_000_000_000))
        }
        takeTheRest(settings, marks, start, &onTape)
        for indexes in onTape.values {
            #expect(zip(indexes, indexes.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed)")
        }
        #expect(onTape.values.flatMap { $0 }.sorted() == Array(0..<400), "seed \(seed)")
    }

    /// Takes all ticks that are left, and expects the end of the market.
    private func takeTheRest(
        _ settings: SyntheticTicks.Settings, _ marks: [Int: SyntheticTicks.Mark],
        _ start: Timestamp, _ onTape: inout [Int: [UInt64]]
    ) {
        var last = resumed(settings, names.indices.map { marks[partition($0)] }, now: start)
        let end = start.advanced(byNanoseconds: 3_600_000_000_000)
        while last.isDue(now: end) {
            let symbol = last.market.symbol(ofTick: last.next)
            if let index = tickIndex(last.take(received: end)) {
                onTape[partition(symbol), default: []].append(index)
            }
        }
        #expect(last.isFinished)
    }

    @Test("what the tape has is skipped and counted")
    func skipped() throws {
        let settings = settings(total: 100)
        var first = fresh(settings)
        var mark: SyntheticTicks.Mark?
        for _ in 0..<60 {
            guard let header = tickHeader(first.take(received: now)) else { continue }
            mark = SyntheticTicks.Mark(
                index: header.providerID & SyntheticMarket.indexMax, time: header.eventTime)
        }
        // Only ticks of the first partition were acknowledged.
        var second = resumed(
            settings, names.indices.map { $0 == 0 ? mark : nil },
            now: now.advanced(byNanoseconds: 77))
        #expect(second.next == 0 && second.origin == first.origin)
        var again = 0
        while second.isDue(now: now) {
            again += second.take(received: now) == nil ? 0 : 1
        }
        #expect(second.skipped > 0 && again + Int(second.skipped) == 100)
    }

    @Test("a market of other settings begins behind the old one")
    func changedSettings() {
        let floor = now.advanced(byNanoseconds: 500)
        let later = fresh(settings(pace: .realtime, total: nil), behind: floor)
        #expect(later.origin == floor.advanced(byNanoseconds: 1))
        #expect(later.next == 0)
        let earlier = fresh(
            settings(pace: .realtime, total: nil), behind: now.advanced(byNanoseconds: -500))
        #expect(earlier.origin == now)
    }

    @Test("these settings, others, and these again: a third market behind both")
    func settingsAndBack() throws {
        let settings = settings(pace: .realtime, total: nil)
        let market = SyntheticMarket(settings.market)
        let old = SyntheticTicks.Mark(
            index: 900, time: market.time(ofTick: 900, origin: now.advanced(byNanoseconds: -1_000)))
        var standing = SyntheticTicks.Standing()
        standing.marks = names.indices.map { $0 == 0 ? old : nil }
        standing.foreign = old.time.advanced(byNanoseconds: 5_000)
        standing.reached(standing.foreign)
        let third = SyntheticTicks(settings, behind: standing, now: now)
        #expect(third.next == 0)
        #expect(third.origin == standing.foreign.advanced(byNanoseconds: 1))
        // It was killed before the partition of the old mark had a tick of the new market.
        let new = SyntheticTicks.Mark(
            index: 40, time: market.time(ofTick: 40, origin: third.origin))
        standing.marks = names.indices.map { $0 == 0 ? old : $0 == 1 ? new : nil }
        var again = SyntheticTicks(settings, behind: standing, now: now)
        #expect(again.origin == third.origin && again.next == 0)
        var perSymbol: [Int: UInt64] = [:]
        for _ in 0..<200 {
            guard let index = tickIndex(again.take(received: now)) else { continue }
            let symbol = market.symbol(ofTick: index)
            if perSymbol[symbol] == nil { perSymbol[symbol] = index }
        }
        #expect((perSymbol[1] ?? 0) > 40 && (perSymbol[0] ?? 99) < 40)
    }

    @Test("other symbols come from the next tick on; nothing changes for those that stay")
    func followed() throws {
        let settings = settings(pace: .realtime, total: nil)
        var provider = fresh(settings)
        for _ in 0..<300 { _ = provider.take(received: now) }
        let other = settings.of([1, 2, 7].compactMap { Symbol((names + ["IBM"])[$0]) })
        var standing = SyntheticTicks.Standing()
        standing.marks = [nil, nil, nil]
        provider.follow(other, numbers: [1, 2, 7], behind: standing)
        #expect(provider.next == 300 && provider.origin == now && provider.numbers == [1, 2, 7])
        var records: [ProviderRecord] = []
        provider.take(
            dueAt: now.advanced(byNanoseconds: 10_000_000_000), ticksMax: 300, into: &records)
        #expect(records.count == 300 && provider.next == 600)
        #expect(Set(records.compactMap { $0.header?.symbol }) == [1, 2, 7])
        // Without a symbol time passes, and no tick is made.
        standing.marks = []
        provider.follow(settings.of([]), numbers: [], behind: standing)
        records.removeAll()
        provider.take(
            dueAt: now.advanced(byNanoseconds: 10_000_000_000), ticksMax: 100, into: &records)
        #expect(records.isEmpty && provider.next == 700)
    }

    @Test("a symbol that was added later has no ticks from before its partition's watermark")
    func addedLater() throws {
        let settings = settings(pace: .realtime, total: nil)
        let market = SyntheticMarket(settings.market)
        let mark = SyntheticTicks.Mark(index: 900, time: market.time(ofTick: 900, origin: now))
        var standing = SyntheticTicks.Standing()
        // Nothing of symbol 0 is on the tape, whose partition has no tick.
        standing.marks = names.indices.map { $0 == 0 ? nil : mark }
        standing.watermarks = names.indices.map { _ in
            market.time(ofTick: 890, origin: now)
        }
        var provider = SyntheticTicks(settings, behind: standing, now: now)
        #expect(provider.next == 890)
        while provider.next < 1_000 {
            let symbol = market.symbol(ofTick: provider.next)
            guard let index = tickIndex(provider.take(received: now)) else { continue }
            #expect(symbol == 0 ? index >= 890 : index > 900)
        }
    }

    @Test("a symbol that comes back after a start has no tick again that is on the tape")
    func cameBack() throws {
        let settings = settings(pace: .realtime, total: nil)
        let market = SyntheticMarket(settings.market)
        func mark(_ index: UInt64) -> SyntheticTicks.Mark {
            .init(index: index, time: market.time(ofTick: index, origin: now))
        }
        // Symbol 0 has got further than the others, and is not in the list at the start.
        var standing = SyntheticTicks.Standing()
        standing.marks = names.dropFirst().map { _ in mark(400) }
        let later = now.advanced(byNanoseconds: 20_000_000_000)
        var provider = SyntheticTicks(
            settings.of(names.dropFirst().compactMap { Symbol($0) }), behind: standing, now: later,
            numbers: [1, 2, 3, 4, 5, 6])
        #expect(provider.next == 401)
        standing.marks = [mark(900)] + standing.marks
        provider.follow(settings, numbers: [0, 1, 2, 3, 4, 5, 6], behind: standing)
        var perSymbol: [Int: UInt64] = [:]
        while provider.next < 1_000 {
            let symbol = market.symbol(ofTick: provider.next)
            guard let index = tickIndex(provider.take(received: later)) else { continue }
            if perSymbol[symbol] == nil { perSymbol[symbol] = index }
        }
        #expect(perSymbol[0] ?? 0 > 900)
        #expect((1..<7).allSatisfy { perSymbol[$0] ?? 999 < 450 })
    }

    /// Two symbols share a partition that is ahead of the others; one ends and one begins there.
    @Test("a change of the list sets no partition back behind its own last tick")
    func changedWhileBehind() throws {
        let settings = settings(pace: .realtime, total: nil)
        let market = SyntheticMarket(settings.market)
        func marks(ahead: ClosedRange<UInt32>, _ numbers: [UInt32]) -> [SyntheticTicks.Mark?] {
            numbers.map { number in
                let index: UInt64 = ahead.contains(number) ? 900 : 400
                return .init(index: index, time: market.time(ofTick: index, origin: now))
            }
        }
        let later = now.advanced(byNanoseconds: 20_000_000_000)
        let old: [UInt32] = [0, 1, 2, 3]
        var standing = SyntheticTicks.Standing()
        standing.marks = marks(ahead: 0...1, old)
        let begin = settings.of(old.compactMap { Symbol(names[Int($0)]) })
        var ticks = SyntheticTicks(begin, behind: standing, now: later, numbers: old)
        var changes = SyntheticChanges()
        var records: [ProviderRecord] = []
        changes.take(dueAt: later, ticksMax: 99, from: &ticks, into: &records)
        #expect(ticks.next == 500)
        // The numbers 4 and 5 come, 4 of them in the partition that is ahead; 1 and 3 go.
        let new: [UInt32] = [0, 2, 4, 5]
        changes.add(.stop, [1, 3], of: ticks)
        standing.marks = marks(ahead: 0...0, new)
        standing.marks[2] = standing.marks[0]
        ticks.follow(
            settings.of(new.compactMap { Symbol(names[Int($0)]) }), numbers: new, behind: standing)
        changes.add(.start, [4, 5], of: ticks)
        records.removeAll()
        while ticks.next < 1_200 {
            changes.take(dueAt: later, ticksMax: 100, from: &ticks, into: &records)
        }
        let headers = records.compactMap(\.header)
        let indexes = headers.map { $0.providerID & SyntheticMarket.indexMax }
        // What a record names is no step ahead for other partitions, whose watermark follows it.
        #expect(zip(indexes, indexes.dropFirst()).allSatisfy { $0 <= $1 })
        let named = zip(records, indexes).compactMap { record, index in
            if case .tape(.subscription(let it)) = record { (it.header.symbol, index) } else { nil }
        }
        // The time from which on a bar is partial is that of the event, by which a person finds it.
        for case .tape(.subscription(let record)) in records {
            #expect(record.header.eventTime == record.header.receiveTime)
        }
        #expect(named.map(\.0) == [3, 3, 5, 5, 1, 1, 4, 4])
        #expect(named.map(\.1) == [499, 499, 499, 499, 900, 900, 900, 900])
        #expect(zip(headers, indexes).allSatisfy { ![0, 1, 4].contains($0.symbol) || $1 >= 900 })
    }

    @Test("what the tape lost is not made again in real time, and all else is")
    func lostTicks() throws {
        let settings = settings(pace: .realtime, total: nil)
        let market = SyntheticMarket(settings.market)
        let mark = SyntheticTicks.Mark(index: 900, time: market.time(ofTick: 900, origin: now))
        let start = now.advanced(byNanoseconds: 12_345_678_901)
        let passed = try #require(market.lastTick(dueAt: start, origin: now))
        #expect(market.time(ofTick: passed, origin: now) <= start)
        #expect(market.time(ofTick: passed + 1, origin: now) > start)
        var standing = SyntheticTicks.Standing()
        // Symbol 0 has no tick left, symbol 1 was restored to an older state, the others are
        // complete.
        standing.marks = names.indices.map { symbol in
            switch symbol {
            case 0: nil
            case 1: .init(index: 400, time: market.time(ofTick: 400, origin: now))
            default: mark
            }
        }
        standing.isLost = names.indices.map { $0 < 2 }
        var provider = SyntheticTicks(settings, behind: standing, now: start)
        #expect(provider.origin == now && provider.next == 901)
        var made = 0
        while provider.isDue(now: start.advanced(byNanoseconds: 1_000_000_000)) {
            guard let index = tickIndex(provider.take(received: start)) else { continue }
            made += 1
            #expect(index > passed || market.symbol(ofTick: index) > 1)
        }
        #expect(made > 300)
    }

    @Test("a loss that is learned later ends what was due at the start, and nothing behind it")
    func lostLater() throws {
        let live = settings(pace: .realtime, total: nil)
        let market = SyntheticMarket(live.market)
        let mark = SyntheticTicks.Mark(index: 400, time: market.time(ofTick: 400, origin: now))
        let start = now.advanced(byNanoseconds: 10_000_000_000)
        let passed = try #require(market.lastTick(dueAt: start, origin: now))
        var provider = resumed(live, names.map { _ in mark }, now: start)
        for _ in 0..<50 { _ = provider.take(received: start) }
        #expect(provider.passOver(names.indices.map { $0 == 2 }) == start)
        var ofLost: [UInt64] = []
        while provider.next <= passed + 200 {
            let index = provider.next
            let isMade = provider.take(received: start) != nil
            if market.symbol(ofTick: index) == 2 {
                if isMade { ofLost.append(index) }
            } else {
                #expect(isMade)
            }
        }
        #expect(!ofLost.isEmpty && ofLost.allSatisfy { $0 > passed })
    }

    @Test("when nothing is left of the tape, history is not made again either")
    func lostTape() {
        var standing = SyntheticTicks.Standing()
        standing.marks = names.map { _ in nil }
        standing.isLost = names.map { _ in true }
        let live = settings(pace: .realtime, total: nil, backlog: 5_000_000_000)
        #expect(SyntheticTicks(live, behind: standing, now: now).origin == now)
        #expect(
            SyntheticMarket(live.market).lastTick(
                dueAt: now,
                origin: now.advanced(
                    byNanoseconds: 1)) == nil)
        // A run of fixed length is made again completely.
        let full = SyntheticTicks(settings(), behind: standing, now: now)
        #expect(full.next == 0 && !full.isFinished)
    }

    @Test("the watermark passes no tick that is still to come, and never goes back")
    func watermark() {
        for pace in [SyntheticTicks.Pace.full, .realtime] {
            var provider = fresh(settings(pace: pace, total: 300, backlog: 1_000_000_000))
            var last = Timestamp(nanoseconds: Int64.min)
            var clock = now
            while !provider.isFinished {
                let mark = min(clock, provider.floor)
                #expect(mark >= last && mark <= clock)
                last = mark
                let next = provider.market.time(ofTick: provider.next, origin: provider.origin)
                #expect(mark <= next)
                if !provider.isDue(now: clock) {
                    clock = clock.advanced(byNanoseconds: 777_777)
                } else {
                    _ = provider.take(received: clock)
                }
            }
            #expect(provider.floor >= last)
        }
    }

    // MARK: reading a packet

    private func packet(_ fill: (inout PacketBuilder) -> Void) throws -> [UInt8] {
        let source = try #require(SourceName("synthetic"))
        var builder = PacketBuilder(kind: .ticks, partition: Partition(3), source: source)
        _ = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "synthetic", since: .undefined))
        fill(&builder)
        let sealed = builder.seal(
            PacketBuilder.Seal(epoch: 1, firstOrdinal: 1, watermark: now, sendTime: now))
        return sealed.withBytes { $0.array }
    }

    @Test("a mark is the last tick of a packet, whatever its kind")
    func marks() throws {
        let provider = fresh(settings())
        for count in 1...12 {
            let bytes = try packet { builder in
                for index in 0..<UInt64(count) {
                    append(provider.market.tick(index, origin: now, received: now), to: &builder)
                }
            }
            let found = try #require(
                bytes.withRawSpan { SyntheticStanding.mark(of: $0, market: provider.market) })
            let time = provider.market.time(ofTick: UInt64(count - 1), origin: now)
            #expect(found.mark == SyntheticTicks.Mark(index: UInt64(count - 1), time: time))
            #expect(found.time == time)
            // In another market it is no mark, but its time counts.
            let other = SyntheticMarket(settings(seed: 8).market)
            let foreign = try #require(
                bytes.withRawSpan { SyntheticStanding.mark(of: $0, market: other) })
            #expect(foreign.mark == nil && foreign.time == time)
        }
    }

    private func append(_ tick: SyntheticMarket.Tick, to builder: inout PacketBuilder) {
        switch tick {
        case .trade(var trade):
            trade.header.symbol = 0
            let isIn = builder.append(trade)
            #expect(isIn)
        case .quote(var quote):
            quote.header.symbol = 0
            let isIn = builder.append(quote)
            #expect(isIn)
        }
    }

    @Test("a packet without ticks says nothing")
    func empty() throws {
        let bytes = try packet { _ in }
        let market = SyntheticMarket(settings().market)
        #expect(bytes.withRawSpan { SyntheticStanding.mark(of: $0, market: market) == nil })
    }

    @Test("where ticks are lost, it goes on with the first one that is due from now on")
    func lost() throws {
        var lost = settings(pace: .realtime, total: nil)
        lost.missed = .lost
        let market = SyntheticMarket(lost.market)
        let first = fresh(lost)
        #expect(first.since == first.origin && first.passed.count == 0)
        let mark = SyntheticTicks.Mark(index: 1_000, time: market.time(ofTick: 1_000, origin: now))
        let later = now.advanced(byNanoseconds: 60_000_000_000)
        var provider = resumed(lost, names.map { _ in mark }, now: later)
        #expect(provider.origin == now && provider.since == later)
        let next = provider.next
        #expect(market.time(ofTick: next, origin: now) >= later)
        #expect(market.time(ofTick: next - 1, origin: now) < later)
        #expect(provider.passed.stamp().id == market.fingerprint << 48 | (next - 1))
        #expect(provider.passed.stamp().time == market.time(ofTick: next - 1, origin: now))
        let due = try #require(provider.nextDue)
        #expect(tickIndex(provider.take(received: due)) == next)
        // A tape that is ahead of the clock decides.
        let ahead = resumed(lost, names.map { _ in mark }, now: now)
        #expect(ahead.next == 1_001)
    }
}
