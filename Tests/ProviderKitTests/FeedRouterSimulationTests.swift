import MarketModel
import Primitives
import ProviderKit
import Seeds
import Testing

@Suite("The router of a source's providers, simulated")
struct FeedRouterSimulationTests {
    private static let step: Int64 = 100_000_000
    private static let seeds = Seeds(
        fixed: 1...30, failed: [8_238_671_675_650_036_378], weight: 0)

    /// A feed that delivers the same ticks as all others, late by a constant, except during its
    /// outages.
    private struct Feed {
        let late: Int
        var isUp = true
        var isAsked = false
        var isSubscribed = false
        var outSince: Timestamp?
        var lastAt: Timestamp?
        var queue: [(due: Int, record: ProviderRecord)] = []
        var changeAt = 0
    }

    private struct World {
        var random: SeededRandom
        var router = FeedRouter(providers: ["a", "b", "c"])
        var feeds: [Feed]
        var tape: [ProviderRecord] = []
        var now = 100_000
        let start = 100_000
        /// True if the list of instruments changes.
        let isRelisted: Bool
        var isListed = true
        /// The spans in which the instrument was in the list.
        var listings: [(from: Int, to: Int)] = [(100_000, Int.max)]

        init(seed: UInt64, isRelisted: Bool) {
            random = SeededRandom(seed: seed)
            self.isRelisted = isRelisted
            feeds = []
            for _ in 0..<3 { feeds.append(Feed(late: Int.random(in: 0...15, using: &random))) }
            var work = FeedRouter.Work(providers: 3)
            router.begin(0, providers: [], moment, into: &work)
            carryOut(work)
        }

        var time: Timestamp { Timestamp(nanoseconds: Int64(now) * step) }
        var moment: Moment {
            .init(wall: time, monotonic: .at(Int64(now) * step))
        }

        mutating func send(_ index: Int, _ records: [ProviderRecord]) {
            router.pass(records, from: index, moment, into: &tape)
        }

        func header(_ number: Int, _ flags: TickFlags = []) -> TickHeader {
            var header = TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: Int64(number) * step),
                receiveTime: time, providerID: UInt64(number))
            header.flags = flags
            return header
        }

        func trade(_ number: Int, _ flags: TickFlags = []) -> ProviderRecord {
            .tape(
                .trade(
                    Trade(
                        header: header(number, flags), price: Price(raw: 1), size: Quantity(raw: 1))
                ))
        }

        func gap(_ from: Timestamp, _ to: Timestamp, _ state: GapState) -> ProviderRecord {
            .tape(
                .gap(
                    GapRecord(
                        header: header(now), from: from, to: to, kind: .trade,
                        reason: .disconnected,
                        state: state)))
        }

        func subscription(_ action: SubscriptionAction) -> ProviderRecord {
            .tape(
                .subscription(
                    SubscriptionRecord(
                        header: TickHeader(
                            symbol: 0, providerTime: .undefined, receiveTime: time, providerID: 0),
                        action: action, kind: .trade, mode: .live, provider: "p")))
        }

        mutating func carryOut(_ work: FeedRouter.Work) {
            tape += work.records
            for index in 0..<3 {
                let (isBegun, isEnded) = (!work.begun[index].isEmpty, !work.ended[index].isEmpty)
                precondition(!isEnded || feeds[index].isAsked)
                if isBegun, isEnded {
                    if feeds[index].isSubscribed { lose(index) }
                } else if isEnded {
                    end(index)
                } else if isBegun {
                    precondition(!feeds[index].isAsked)
                    feeds[index].isAsked = true
                }
            }
        }

        /// It is not subscribed any more, and reports that.
        mutating func end(_ index: Int) {
            let from = feeds[index].outSince
            feeds[index].isAsked = false
            feeds[index].isSubscribed = false
            feeds[index].outSince = nil
            feeds[index].lastAt = nil
            feeds[index].queue = []
            guard let from else { return send(index, [subscription(.stop)]) }
            send(
                index, [gap(from, time, .open), gap(from, time, .abandoned), subscription(.stop)])
        }

        mutating func relist() {
            let what = Int.random(in: 0..<2_000, using: &random)
            var work = FeedRouter.Work(providers: 3)
            switch what {
            case 0 where isListed:
                router.end(0, moment, into: &work)
                isListed = false
                listings[listings.count - 1].to = now
            case 1 where isListed:
                let orders = [[], ["b", "a", "c"], ["c", "b"]]
                let order = orders[Int.random(in: 0..<3, using: &random)]
                router.restart(0, providers: order, moment, into: &work)
                listings[listings.count - 1].to = now
                listings.append((now, Int.max))
            case 0..<20 where !isListed:
                router.begin(0, providers: [], moment, into: &work)
                isListed = true
                listings.append((now, Int.max))
            default: return
            }
            carryOut(work)
        }

        mutating func run(steps: Int) {
            for _ in 0..<steps {
                now += 1
                if isRelisted { relist() }
                for index in 0..<3 { turn(index) }
                var work = FeedRouter.Work(providers: 3)
                router.advance(moment, into: &work)
                carryOut(work)
            }
        }

        mutating func turn(_ index: Int) {
            if now >= feeds[index].changeAt {
                feeds[index].isUp.toggle()
                let longest = feeds[index].isUp ? 2_000 : 600
                feeds[index].changeAt = now + Int.random(in: 5...longest, using: &random)
            }
            guard feeds[index].isAsked else { return }
            if feeds[index].isUp, !feeds[index].isSubscribed { subscribe(index) }
            if !feeds[index].isUp, feeds[index].isSubscribed { lose(index) }
            guard feeds[index].isSubscribed else { return }
            feeds[index].queue.append((now + feeds[index].late, trade(now)))
            while let first = feeds[index].queue.first, first.due <= now {
                feeds[index].queue.removeFirst()
                feeds[index].lastAt = first.record.header?.eventTime
                send(index, [first.record])
            }
        }

        mutating func subscribe(_ index: Int) {
            feeds[index].isSubscribed = true
            var records: [ProviderRecord] = []
            if let from = feeds[index].outSince {
                records.append(gap(from, time, .open))
                if Bool.random(using: &random) {
                    let first = Int(from.nanoseconds / step)
                    records += (first..<now).map { trade($0, .backfilled) }
                    records.append(gap(from, time, .filled))
                }
            }
            records.append(subscription(.start))
            records.append(.feed(FeedState(instrument: 0, state: .live, time: time)))
            feeds[index].outSince = nil
            feeds[index].lastAt = time.advanced(byNanoseconds: -step)
            send(index, records)
        }

        mutating func lose(_ index: Int) {
            let from = (feeds[index].lastAt ?? time).advanced(byNanoseconds: step)
            feeds[index].isSubscribed = false
            feeds[index].queue = []
            feeds[index].outSince = from
            send(
                index,
                [
                    gap(from, .undefined, .open),
                    .feed(FeedState(instrument: 0, state: .down, time: time)),
                ])
        }
    }

    /// The content of a tape of one instrument.
    private struct Found {
        var counts: [UInt64: Int] = [:]
        var gaps: [(from: Int64, to: Int64)] = []
        var begins: [Int64] = []

        init(_ tape: [ProviderRecord]) {
            for record in tape {
                switch record {
                case .tape(.trade(let tick)): counts[tick.header.providerID, default: 0] += 1
                case .tape(.gap(let gap)): note(gap)
                case .tape(.subscription(let found)):
                    guard found.action != SubscriptionAction.stop.rawValue else { continue }
                    begins.append(found.header.receiveTime.nanoseconds)
                default: Issue.record("\(record)")
                }
            }
        }

        private mutating func note(_ gap: GapRecord) {
            let to = gap.to.isDefined ? gap.to.nanoseconds : Int64.max
            if let known = gaps.firstIndex(where: { $0.from == gap.from.nanoseconds }) {
                gaps[known].to = to
            } else {
                gaps.append((gap.from.nanoseconds, to))
            }
        }
    }

    @Test(
        "no tick comes twice, what is missing lies in a gap, and none lasts behind its end",
        arguments: Self.seeds.all(), [false, true])
    func simulated(seed: UInt64, isRelisted: Bool) {
        var world = World(seed: seed, isRelisted: isRelisted)
        world.run(steps: 20_000)
        let found = Found(world.tape)
        let doubled = found.counts.filter { $0.value > 1 }.keys.sorted()
        #expect(doubled.isEmpty, "TAPELINE_SEED=\(seed): \(doubled.prefix(5))")
        for listing in world.listings {
            let first = found.begins.first { $0 >= Int64(listing.from) * Self.step } ?? Int64.max
            // The last ticks may still be on their way.
            let last = min(listing.to, world.now) - 100
            let missing = (listing.from..<max(listing.from, last)).filter { number in
                let time = Int64(number) * Self.step
                return time >= first && found.counts[UInt64(number)] == nil
                    && !found.gaps.contains { $0.from <= time && time < $0.to }
            }
            #expect(
                missing.isEmpty, "TAPELINE_SEED=\(seed): \(missing.prefix(5)) of \(missing.count)")
        }
        // Filling the gap would double later ticks.
        let latest = Int64(found.counts.keys.max() ?? 0) * Self.step
        let lasting = found.gaps.filter { $0.to == Int64.max && $0.from <= latest }
        #expect(lasting.isEmpty, "TAPELINE_SEED=\(seed): \(lasting)")
        #expect(isRelisted == (world.listings.count > 1))
        #expect(found.counts.count > 10_000, "TAPELINE_SEED=\(seed): \(found.counts.count)")
    }
}
