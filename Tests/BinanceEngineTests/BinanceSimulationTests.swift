import HistoryTestSupport
import MarketModel
import Primitives
import Seeds
import Testing

@testable import BinanceEngine
@testable import EngineKit

/// An exchange that loses, cuts, repeats and renews, from seeds.
@Suite struct BinanceSimulationTests {
    private static let symbols = ["BTCUSDT", "ETHUSDT", "XRPUSDT"]

    /// A trade that happened.
    private struct Happened: Hashable {
        var symbol: UInt32
        var id: UInt64
        var time: Timestamp

        /// As the exchange lists it.
        var listed: String {
            "{\"id\":\(id),\"price\":\"0.001\",\"qty\":\"2.5\","
                + "\"time\":\(time.nanoseconds / 1_000_000)}"
        }
    }

    /// The exchange's side of one connection: what is on its way, in order.
    private struct Line {
        var leg: UInt32
        var isSubscribed = false
        var queue: [String] = []
    }

    private struct World {
        var bench: EngineBench
        var random: SeededRandom
        var lines: [Line] = []
        var happened: [Happened] = []
        /// Requests for past trades that wait for their answers.
        var fetches: [StreamFetch] = []
        /// Ids that the exchange has forgotten.
        var forgotten: Set<Happened> = []
        var ids = [UInt64](repeating: 500, count: BinanceSimulationTests.symbols.count)

        mutating func chance(_ percent: Int) -> Bool {
            Int.random(in: 0..<100, using: &random) < percent
        }

        /// Does what the engine wants.
        mutating func carryOutWishes() {
            for wish in bench.takeWishes() {
                switch wish {
                case .open(let leg, _):
                    guard chance(20) else {
                        lines.append(Line(leg: leg))
                        bench.opened(leg)
                        return carryOutWishes()
                    }
                    bench.ended(leg)
                case .close(let leg): lines.removeAll { $0.leg == leg }
                case .fetch(let fetch): fetches.append(fetch)
                case .authenticate: continue
                case .send(let leg, let text):
                    guard let place = lines.firstIndex(where: { $0.leg == leg }) else { continue }
                    lines[place].queue.append(
                        "{\"result\":null,\"id\":\(EngineBench.id(of: text))}")
                    lines[place].isSubscribed = true
                }
            }
        }

        mutating func trade() {
            let symbol = Int.random(in: ids.indices, using: &random)
            ids[symbol] += 1
            let stamp = bench.now.wall.nanoseconds / 1_000_000
            happened.append(
                Happened(
                    symbol: UInt32(symbol), id: ids[symbol],
                    time: Timestamp(nanoseconds: stamp * 1_000_000)))
            let text = EngineBench.text(BinanceSimulationTests.symbols[symbol], ids[symbol], stamp)
            for place in lines.indices where lines[place].isSubscribed && !chance(1) {
                lines[place].queue.append(text)
                if chance(1) { lines[place].queue.append(text) }
            }
        }

        /// Delivers some of what is on its way.
        mutating func deliver() {
            for leg in lines.map(\.leg) {
                guard let place = lines.firstIndex(where: { $0.leg == leg }) else { continue }
                let count = Int.random(in: 0...lines[place].queue.count, using: &random)
                let texts = lines[place].queue.prefix(count)
                lines[place].queue.removeFirst(count)
                for text in texts { bench.receive(text, on: leg) }
            }
        }

        mutating func step() {
            bench.pass(Int64.random(in: 1_000_000...50_000_000, using: &random))
            carryOutWishes()
            if chance(80) { trade() }
            if chance(60) { deliver() }
            if chance(1), let line = lines.first {
                lines.removeFirst()
                bench.ended(line.leg)
            }
            if chance(1), let line = lines.first {
                bench.receive("{\"e\":\"serverShutdown\",\"E\":1}", on: line.leg)
            }
            if chance(1) { beginAgain() }
            if chance(5), !fetches.isEmpty { answer(fetches.removeFirst()) }
        }

        /// Answers a request for past trades, or does not.
        mutating func answer(_ fetch: StreamFetch) {
            let outcome: StreamAnswer
            switch Int.random(in: 0..<10, using: &random) {
            case 0: outcome = .failed("no answer")
            case 1:
                outcome = .limited(retryAfter: chance(50) ? 1_000_000_000 : nil, isBanned: false)
            case 2: outcome = chance(10) ? .refused("bad symbol") : .page(Array("[{}]".utf8))
            default:
                let symbol = BinanceSimulationTests.symbols.firstIndex(of: fetch.symbol) ?? 0
                let count = Int.random(in: 1...fetch.count, using: &random)
                let past = happened.filter { $0.symbol == UInt32(symbol) && $0.id >= fetch.from }
                for trade in past.prefix(count) where chance(1) { forgotten.insert(trade) }
                let known = past.prefix(count).filter { !forgotten.contains($0) }
                outcome = .page(Array("[\(known.map(\.listed).joined(separator: ","))]".utf8))
            }
            bench.answer(fetch.number, outcome)
        }

        /// Another list of instruments has a symbol that was on the last one, too.
        mutating func beginAgain() {
            let number = UInt32.random(in: 0..<UInt32(ids.count), using: &random)
            let instrument = EngineBench.coin(BinanceSimulationTests.symbols[Int(number)])
            bench.follow([(number, instrument)], ended: [number])
        }
    }

    @Test(
        "each trade is there once or in a gap, and each lost gap lost a trade",
        arguments: Seeds(fixed: 0...59).all())
    func exchange(seed: UInt64) {
        var world = World(
            bench: EngineBench {
                $0.merge.renewAfter = 20_000_000_000
                $0.merge.overlap = 200_000_000
                $0.stream.reconnectMax = 2_000_000_000
                $0.merge.fills = seed % 3 > 0
                $0.merge.legs = seed % 2 > 0 ? 2 : 1
            }, random: SeededRandom(seed: seed))
        world.bench.follow(Self.symbols)
        for _ in 0..<3_000 { world.step() }
        world.bench.engine.stop(world.bench.now, into: &world.bench.out)
        world.bench.collect()
        expectOnceOrInGap(world, seed)
    }

    /// Expects each trade once on the tape, or in a gap, and no other trades.
    private func expectOnceOrInGap(_ world: World, _ seed: UInt64) {
        let bench = world.bench
        for symbol in 0..<UInt32(Self.symbols.count) {
            let trades = bench.trades.filter { $0.header.symbol == symbol }
            let live = trades.filter { !$0.header.flags.contains(.backfilled) }
            let ids = live.map(\.header.providerID)
            #expect(
                zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 }, "TAPELINE_SEED=\(seed): order")
            let there = Set(trades.map(\.header.providerID))
            #expect(there.count == trades.count, "TAPELINE_SEED=\(seed): twice")
            let truth = world.happened.filter { $0.symbol == symbol }
            #expect(there.subtracting(truth.map(\.id)).isEmpty, "TAPELINE_SEED=\(seed): invented")
            let gaps = bench.gaps.filter {
                $0.header.symbol == symbol && $0.state != GapState.filling.rawValue
            }
            let lost = truth.filter { !there.contains($0.id) && $0.id >= ids.first ?? 0 }
            for trade in lost {
                let state = Self.state(trade.time, gaps)
                #expect(
                    state != nil && state != .filled,
                    "TAPELINE_SEED=\(seed): \(symbol) \(trade.id) is in no gap")
            }
            let waiting = bench.engine.machine.holes.waiting.filter {
                bench.engine.machine.feeds.list[$0.place].instrument == symbol
            }
            let lasting = gaps.last { !$0.to.isDefined }?.from
            for gap in gaps where gap.state == GapState.open.rawValue && gap.to.isDefined {
                // A neighbour that waits or has not ended shares a trade with it.
                let ends = [gap.from, gap.to.advanced(byNanoseconds: -1)].filter { end in
                    !waiting.contains { $0.from <= end && end < $0.to }
                        && !(lasting.map { $0 <= end } ?? false)
                }
                #expect(!ends.map { Self.state($0, gaps) }.contains(.open), "TAPELINE_SEED=\(seed)")
            }
            for gap in gaps where gap.state == GapState.abandoned.rawValue && gap.to.isDefined {
                guard gap.detail.hasPrefix("trade ids") else { continue }
                let isTrue = lost.contains { $0.time >= gap.from && $0.time < gap.to }
                #expect(isTrue, "TAPELINE_SEED=\(seed): \(gap.detail) lost nothing")
            }
            // The ids in the gaps are exactly those that did not come before the last that did.
            let named =
                gaps.filter { $0.state == GapState.abandoned.rawValue }
                .flatMap { Self.ids(in: $0.detail) }
                + waiting.flatMap { hole in
                    hole.parts.flatMap { Self.ids(in: $0.detail) }
                        + Array(hole.next...hole.ids.upperBound)
                }
            let missing = lost.map(\.id).filter { $0 < ids.last ?? 0 }
            let difference = Set(named).symmetricDifference(missing).sorted()
            #expect(
                difference.isEmpty && named.count == missing.count,
                "TAPELINE_SEED=\(seed): \(symbol): \(difference)")
        }
        #expect(bench.engine.counters.links.renewals > 0 && bench.engine.counters.links.opened > 2)
        #expect(bench.engine.counters.ids.filled == 0 || bench.engine.settings.merge.fills)
    }

    /// Returns what the last record about a moment says.
    private static func state(_ time: Timestamp, _ gaps: [GapRecord]) -> GapState? {
        gaps.last { $0.from <= time && (!$0.to.isDefined || time < $0.to) }
            .flatMap { GapState(rawValue: $0.state) }
    }

    /// Returns the ids that a gap's text names.
    private static func ids(in detail: String) -> [UInt64] {
        let words = detail.split(separator: " ")
        guard detail.hasPrefix("trade ids"), words.count > 4, let first = UInt64(words[2]),
            let last = UInt64(words[4])
        else { return [] }
        return Array(first...last)
    }

    @Test(
        "whatever comes, the engine goes on: changed and cut samples",
        arguments: 0..<4 as Range<UInt64>)
    func garbage(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var bench = EngineBench()
        bench.follow(Self.symbols)
        bench.connect()
        let samples = [
            EngineBench.text("BTCUSDT", 7, 1_700_000_000_000),
            "{\"result\":null,\"id\":1}", "{\"code\":2,\"msg\":\"x\",\"id\":1}",
            "{\"e\":\"serverShutdown\",\"E\":1700000000000}",
            "{\"e\":\"trade\",\"s\":\"ETHUSDT\",\"t\":18446744073709551615,\"p\":\"1e9\","
                + "\"q\":\"-0.5\",\"T\":9223372036854775807}",
        ].map { Array($0.utf8) }
        for turn in 0..<20_000 {
            let bytes = random.damaged(samples[turn % samples.count])
            let leg = UInt32.random(in: 0...3, using: &random)
            bytes.withRawSpan {
                bench.engine.received(
                    $0, isText: true, on: leg, bench.now, into: &bench.out)
            }
            bench.pass(1_000_000)
            for case .open(let leg, _) in bench.takeWishes() { bench.opened(leg) }
        }
        #expect(bench.engine.counters.messages > 0)
    }
}
