import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Seeds
import Testing

@testable import MassiveEngine

/// A service that cuts, goes dead, errs, refuses, repeats and reports late, from seeds; and
/// gateways that are killed.
@Suite struct MassiveSimulationTests {
    private static let symbols = ["AAPL", "SPY", "TSLA"]

    /// A trade that happened, and when it was reported.
    private struct Happened: Hashable {
        var symbol: UInt32
        var number: UInt64
        /// Its own, in which a twin differs.
        var id: String
        /// In milliseconds, as the service writes it.
        var stamp: Int64
        var isLate: Bool

        var time: Timestamp { Timestamp(nanoseconds: stamp * 1_000_000) }
    }

    /// The service's side of the connection: what is on its way, in order.
    private struct Line {
        var number: UInt32
        var isAuthenticated = false
        var isDead = false
        /// When it went dead.
        var deadAt: Int64 = 0
        var names: Set<String> = []
        var queue: [String] = []
    }

    private struct World {
        var bench: MassiveBench
        var random: SeededRandom
        let lag: Int64
        let fills: Bool
        var line: Line?
        var fetches: [StreamFetch] = []
        /// What the exchanges reported, and the service has not yet.
        var waiting: [(at: Int64, trade: Happened)] = []
        var happened: [Happened] = []
        /// What earlier processes left on the tape.
        var tape: [ProviderRecord] = []
        /// When a connection ended, went dead or was cut off with its gateway.
        var losses: [Timestamp] = []
        var last: UInt64 = 0

        mutating func chance(_ perMille: Int) -> Bool {
            Int.random(in: 0..<1_000, using: &random) < perMille
        }

        mutating func lose() {
            line = nil
            losses.append(bench.now.wall)
        }

        /// Does what the engine wants.
        mutating func carryOutWishes() {
            for wish in bench.takeWishes() {
                switch wish {
                case .open(let number, _):
                    guard !chance(200) else {
                        bench.ended(number)
                        continue
                    }
                    line = Line(number: number, queue: [MassiveBench.connected])
                    bench.opened(number)
                case .close(let number): if line?.number == number { lose() }
                case .authenticate(let number):
                    guard line?.number == number else { continue }
                    line?.isAuthenticated = true
                    line?.queue.append(MassiveBench.authenticated)
                case .send(let number, let text): answer(text, on: number)
                case .fetch(let fetch): fetches.append(fetch)
                }
            }
        }

        /// Answers the request for the past, in pages, or fails.
        mutating func answerFetches() {
            for fetch in fetches {
                let query = PastQuery(fetch.target)
                guard chance(850), let asked = MassiveWords.asked(query) else {
                    bench.answer(
                        fetch.number,
                        chance(500) ? .failed("cut") : .limited(retryAfter: nil, isBanned: false))
                    continue
                }
                let waiting = Set(waiting.map(\.trade))
                let all = happened.filter {
                    MassiveSimulationTests.symbols[Int($0.symbol)] == fetch.symbol
                        && fetch.span.contains($0.time) && !waiting.contains($0)
                }.sorted { $0.stamp < $1.stamp }
                let begin = Int(asked.page) ?? 0
                let rows = all.dropFirst(begin).prefix(Int.random(in: 1...40, using: &random))
                let end = begin + rows.count
                let texts = rows.map {
                    MassiveWords.row($0.time.nanoseconds, $0.number, id: $0.id, size: "100")
                }
                bench.answer(
                    fetch.number,
                    .page(
                        MassiveWords.page(
                            texts, of: fetch.symbol, next: end < all.count ? "\(end)" : "")))
            }
            fetches = []
        }

        mutating func answer(_ text: String, on number: UInt32) {
            guard line?.number == number, line?.isDead == false else { return }
            guard let request = try? JSONValue.parse(text) else {
                Issue.record("no JSON: \(text)")
                return
            }
            for word in (request["params"]?.string ?? "").split(separator: ",") {
                let name = String(word.dropFirst(2))
                if request["action"]?.string == "subscribe" {
                    // Now and then there is no answer, though it is subscribed.
                    line?.names.insert(name)
                    if chance(950) {
                        line?.queue.append(MassiveBench.subscribed(String(word)))
                    }
                } else {
                    line?.names.remove(name)
                    line?.queue.append(
                        MassiveBench.status("success", "unsubscribed to: \(word)"))
                }
            }
            // The service says it only now.
            if chance(100) { line?.queue.append(MassiveBench.occupied) }
        }

        mutating func trade() {
            if let one = happened.last, chance(30) { return twin(of: one) }
            let symbol = UInt32.random(in: 0..<3, using: &random)
            last += UInt64.random(in: 1...5, using: &random)
            let isLate = chance(20)
            let late = isLate ? Int64.random(in: 0...5_000, using: &random) : 0
            let stamp = bench.stamp - late
            happen(
                Happened(
                    symbol: symbol, number: last, id: "\(last * 8)", stamp: stamp, isLate: isLate))
        }

        /// Another trade has the number and the millisecond of one.
        mutating func twin(of one: Happened) {
            var twin = one
            twin.id = "\((UInt64(one.id) ?? 0) + 1)"
            happen(twin)
        }

        mutating func happen(_ trade: Happened) {
            happened.append(trade)
            waiting.append((bench.time + lag, trade))
        }

        /// The trade as the service writes it.
        func text(_ trade: Happened) -> String {
            let name = MassiveSimulationTests.symbols[Int(trade.symbol)]
            return "[\(bench.trade(name, trade.number, id: trade.id, at: trade.stamp))]"
        }

        /// The service sends what is due.
        mutating func report() {
            while let next = waiting.first, next.at <= bench.time {
                waiting.removeFirst()
                let name = MassiveSimulationTests.symbols[Int(next.trade.symbol)]
                guard line?.names.contains(name) == true, line?.isDead == false else { continue }
                let text = text(next.trade)
                line?.queue.append(text)
                if chance(20) { line?.queue.append(text) }
            }
        }

        /// Delivers some of what is on its way.
        mutating func deliver() {
            guard let now = line else { return }
            let count = Int.random(in: 0...now.queue.count, using: &random)
            line?.queue.removeFirst(count)
            for text in now.queue.prefix(count) { bench.receive(text, on: now.number) }
        }

        /// The connection's own pings find a dead one.
        mutating func ping() {
            guard let now = line, now.isDead,
                bench.time - now.deadAt >= bench.engine.settings.stream.silentAfter
            else { return }
            lose()
            bench.ended(now.number, "no pong")
        }

        mutating func step() {
            bench.pass(Int64.random(in: 1_000_000...100_000_000, using: &random))
            carryOutWishes()
            if chance(800) { trade() }
            report()
            if chance(700) { deliver() }
            if chance(300) { answerFetches() }
            ping()
            guard let now = line else { return }
            if chance(4) {
                lose()
                bench.ended(now.number)
            } else if chance(4), !now.isDead {
                losses.append(bench.now.wall)
                line?.isDead = true
                line?.deadAt = bench.time
                line?.queue = []
            } else if chance(3), !now.isDead {
                bench.receive(
                    chance(500) ? "garbage" : MassiveBench.status("auth_timeout", "late"),
                    on: now.number)
            } else if chance(2), !fills || chance(150) {
                kill()
            }
        }

        /// Another gateway begins with what is on the tape.
        mutating func kill() {
            tape += bench.records
            let open = (0..<3 as Range<UInt32>).flatMap { symbol in
                tape.taped.compactMap { record -> GapRecord? in
                    guard case .gap(let gap) = record, gap.header.symbol == symbol else {
                        return nil
                    }
                    return gap
                }.forSuccessor()
            }
            lose()
            fetches = []
            let (feed, fills) = (bench.engine.settings.feed, fills)
            bench = MassiveBench(feed, at: bench.time + 3_000_000_000) {
                MassiveSimulationTests.change(&$0, fills)
            }
            bench.follow(MassiveSimulationTests.symbols, reached: tape.arrived, gaps: open)
        }
    }

    @Test(
        "each trade is there once, or lies in a gap; nothing is invented",
        arguments: Seeds(fixed: 0...59, failed: [2_091_781_477_855_597_176]).all())
    func service(seed: UInt64) {
        run(seed, .realTime, lag: 0)
    }

    @Test("so it is where the past fills gaps, and some are", arguments: Seeds(fixed: 0...59).all())
    func filling(seed: UInt64) {
        run(seed, .realTime, lag: 0, fills: true)
    }

    @Test(
        "so it is a quarter of an hour later",
        arguments: Seeds(
            fixed: 100...109, failed: [1_589_498_289_894_971_629], weight: 0.1
        ).all())
    func delayed(seed: UInt64) {
        run(seed, .delayed, lag: 15 * MassiveBench.minute)
    }

    private func run(
        _ seed: UInt64, _ feed: MassiveFeedName, lag: Int64, fills: Bool = false
    ) {
        var world = World(
            bench: MassiveBench(feed) { Self.change(&$0, fills) },
            random: SeededRandom(seed: seed), lag: lag, fills: fills)
        world.bench.follow(Self.symbols)
        let steps = lag > 0 ? 24_000 : fills ? 6_000 : 4_000
        for _ in 0..<steps { world.step() }
        world.bench.stop()
        world.tape += world.bench.records
        expectOnceOrInGap(world, seed)
    }

    private static func change(_ settings: inout MassiveSettings, _ fills: Bool) {
        settings.stream.fills = fills
        settings.stream.reconnectMax = 2_000_000_000
        settings.stream.silentAfter = 4_000_000_000
    }

    /// Expects each trade once on the tape, or in a gap, and no other trades.
    private func expectOnceOrInGap(_ world: World, _ seed: UInt64) {
        let records = world.tape.taped
        var (count, filled) = (0, 0)
        for symbol in 0..<3 as Range<UInt32> {
            let trades = records.compactMap { record -> Trade? in
                guard case .trade(let trade) = record, trade.header.symbol == symbol else {
                    return nil
                }
                return trade
            }
            count += trades.count
            let there = trades.map(\.header.providerID)
            let known = Set(there)
            #expect(known.count == there.count, "TAPELINE_SEED=\(seed): twice")
            let truth = world.happened.filter { $0.symbol == symbol }
            let numbers = Set(truth.map(Self.number))
            #expect(known.isSubset(of: numbers), "TAPELINE_SEED=\(seed): invented")
            let gaps = records.compactMap { record -> GapRecord? in
                guard case .gap(let gap) = record, gap.header.symbol == symbol else { return nil }
                return gap
            }
            let missing = gaps.ofMissing
            let begin = records.lazy.compactMap { record -> Timestamp? in
                guard case .subscription(let record) = record, record.header.symbol == symbol
                else { return nil }
                return record.header.receiveTime
            }.first
            let first = begin?.advanced(byNanoseconds: -world.lag) ?? .undefined
            let waiting = Set(world.waiting.map(\.trade))
            for trade in truth
            // A trade that is reported late while nobody listens may be from before its gap.
            where trade.time >= first && !trade.isLate && !waiting.contains(trade)
                && !known.contains(Self.number(trade))
            {
                #expect(
                    missing.haveMissing(trade.time),
                    "TAPELINE_SEED=\(seed): \(symbol) \(trade.number) is in no gap")
            }
            if world.fills {
                filled += gaps.count { $0.state == GapState.filled.rawValue }
            } else {
                checkGaps(gaps, world, seed)
            }
        }
        #expect(filled > 0 || !world.fills, "TAPELINE_SEED=\(seed): no gap was filled")
        #expect(count > 500, "TAPELINE_SEED=\(seed): hardly anything came")
    }

    /// A gap begins where a connection was lost, but for what may have been under way then.
    private func checkGaps(_ gaps: [GapRecord], _ world: World, _ seed: UInt64) {
        let settings = world.bench.engine.settings
        let (lag, second) = (settings.feed.lag, MassiveBench.second)
        // The last are for pings, and for the service's clock before it is known. A delayed one may
        // be behind by all that its lag differs.
        let doubt =
            settings.stream.silentAfter + settings.stream.delayMax + 9 * second
            + (lag.upperBound - lag.lowerBound)
        let ends = world.losses + [world.bench.now.wall]
        for gap in gaps {
            #expect(!gap.to.isDefined || gap.to > gap.from, "TAPELINE_SEED=\(seed): an empty gap")
            let isTrue = ends.contains {
                let most = $0.advanced(byNanoseconds: second - lag.lowerBound)
                let least = $0.advanced(byNanoseconds: -lag.upperBound - doubt)
                return least <= gap.from && gap.from <= most
            }
            #expect(isTrue, "TAPELINE_SEED=\(seed): nothing was lost at \(gap.from)")
        }
    }

    private static func number(_ trade: Happened) -> UInt64 {
        TradeNumber.number(
            exchange: UInt8(ascii: "D"), day: TradeNumber.day(of: trade.time),
            id: MassiveBench.mark(of: trade.id) << 38 | trade.number)
    }
}
