import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

/// An exchange that loses, cuts, repeats and renews, from seeds.
@Suite struct BinanceSimulationTests {
    private static let symbols = ["BTCUSDT", "ETHUSDT", "XRPUSDT"]

    /// A trade that happened.
    private struct Happened: Hashable {
        var symbol: UInt32
        var id: UInt64
        var time: Timestamp
    }

    /// The exchange's side of one connection: what is on its way, in order.
    private struct Line {
        var leg: BinanceLegNumber
        var isSubscribed = false
        var queue: [String] = []
    }

    private struct World {
        var bench: EngineBench
        var random: SeededRandom
        var lines: [Line] = []
        var happened: [Happened] = []
        var ids = [UInt64](repeating: 500, count: BinanceSimulationTests.symbols.count)

        mutating func chance(_ percent: Int) -> Bool {
            Int.random(in: 0..<100, using: &random) < percent
        }

        /// Does what the engine wants.
        mutating func obey() {
            for wish in bench.takeWishes() {
                switch wish {
                case .open(let leg):
                    guard chance(20) else {
                        lines.append(Line(leg: leg))
                        bench.opened(leg)
                        return obey()
                    }
                    bench.ended(leg)
                case .close(let leg): lines.removeAll { $0.leg == leg }
                case .send(let leg, let text):
                    guard let place = lines.firstIndex(where: { $0.leg == leg }) else { continue }
                    let id = text.split(separator: ":").last.map { $0.dropLast() } ?? "0"
                    lines[place].queue.append("{\"result\":null,\"id\":\(id)}")
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
            obey()
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
        }

        /// Another list of instruments has a symbol that was on the last one, too.
        mutating func beginAgain() {
            let number = UInt32.random(in: 0..<UInt32(ids.count), using: &random)
            let instrument = EngineBench.instrument(BinanceSimulationTests.symbols[Int(number)])
            bench.engine.follow(
                begun: [
                    BinanceEngine.Begun(number: number, instrument: instrument, reached: .undefined)
                ], ended: [number], bench.now, into: &bench.out)
        }
    }

    @Test(
        "each trade is there once or in a gap, and each lost gap lost a trade",
        arguments: 0..<60 as Range<UInt64>)
    func exchange(seed: UInt64) {
        var world = World(
            bench: EngineBench {
                $0.renewAfter = 20_000_000_000
                $0.overlap = 200_000_000
                $0.reconnectMax = 2_000_000_000
            }, random: SeededRandom(seed: seed))
        world.bench.follow(Self.symbols)
        for _ in 0..<3_000 { world.step() }
        world.bench.engine.stop(world.bench.now, into: &world.bench.out)
        world.bench.collect()
        check(world, seed)
    }

    private func check(_ world: World, _ seed: UInt64) {
        let bench = world.bench
        for symbol in 0..<UInt32(Self.symbols.count) {
            let ids = bench.trades.filter { $0.header.symbol == symbol }.map(\.header.providerID)
            #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed): order")
            let there = Set(ids)
            let truth = world.happened.filter { $0.symbol == symbol }
            #expect(there.subtracting(truth.map(\.id)).isEmpty, "seed \(seed): invented")
            let gaps = bench.gaps.filter { $0.header.symbol == symbol }
            let lost = truth.filter { !there.contains($0.id) && $0.id >= ids.first ?? 0 }
            for trade in lost {
                let isNamed = gaps.contains { gap in
                    gap.state != GapState.filled.rawValue && gap.from <= trade.time
                        && (!gap.to.isDefined || trade.time < gap.to)
                }
                #expect(isNamed, "seed \(seed): \(symbol) \(trade.id) is in no gap")
            }
            for gap in gaps where gap.state == GapState.abandoned.rawValue && gap.to.isDefined {
                guard gap.detail.hasPrefix("trade ids") else { continue }
                let isTrue = lost.contains { $0.time >= gap.from && $0.time < gap.to }
                #expect(isTrue, "seed \(seed): \(gap.detail) lost nothing")
            }
            // The ids in the gaps are exactly those that did not come before the last that did.
            let named = gaps.flatMap { Self.ids(in: $0.detail) }
            let missing = lost.map(\.id).filter { $0 < ids.last ?? 0 }
            #expect(named.sorted() == missing.sorted(), "seed \(seed): \(symbol)")
        }
        #expect(bench.engine.counters.renewals > 0 && bench.engine.counters.connections > 2)
    }

    /// Returns the ids that a gap's text names.
    private static func ids(in detail: String) -> [UInt64] {
        let numbers = detail.split(separator: " ").compactMap { UInt64($0) }
        guard detail.hasPrefix("trade ids"), numbers.count == 2 else { return [] }
        return Array(numbers[0]...numbers[1])
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
            var bytes = samples[turn % samples.count]
            for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: bytes.indices, using: &random)
                if Bool.random(using: &random) {
                    bytes[place] = UInt8.random(in: 0x20...0x7e, using: &random)
                } else {
                    bytes.remove(at: place)
                }
            }
            let leg = UInt32.random(in: 0...3, using: &random)
            bytes.withRawSpan {
                bench.engine.received(
                    $0, isText: true, on: leg, bench.now, into: &bench.out)
            }
            bench.pass(1_000_000)
            for case .open(let leg) in bench.takeWishes() { bench.opened(leg) }
        }
        #expect(bench.engine.counters.messages > 0)
    }
}
