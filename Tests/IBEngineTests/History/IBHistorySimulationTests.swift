import EngineKit
import IBEngine
import IBSimulator
import MarketModel
import Primitives
import Seeds
import Testing

@Suite("Loads of the past in worlds from a seed")
struct IBHistorySimulationTests {
    /// What happens to the server in a world.
    private static let faults = [
        "close", "half-frame", "pacing-error 2", "farm history down", "farm history up", "lost",
        "restored keep", "restored lose", "stall 120", "close-after 3000", "byte-at-a-time on",
        "byte-at-a-time off", "nightly-reset 30", "garbage 64",
    ]

    @Test(
        "killed and disturbed anywhere, every trade is on the tape once",
        arguments: Seeds(fixed: 1...30, weight: 0.5).all())
    func trades(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed &* 31 &+ 5)
        let length = Int64.random(in: 1...240, using: &random)
        var bench = HistoryBench(
            ["AAPL", "MSFT", "JPM"], rate: Int.random(in: 10...400, using: &random), seed: seed,
            seconds: 30..<30 + length)
        try Self.live(&bench, &random)
        #expect(bench.history.phase == .finished, "TAPELINE_SEED=\(seed) \(bench.problems)")
        #expect(bench.disorder.isEmpty, "TAPELINE_SEED=\(seed) \(bench.disorder)")
        for place in 0..<3 {
            #expect(bench.loaded(place) == bench.traded(place), "TAPELINE_SEED=\(seed)")
            #expect(bench.gaps(place).isEmpty, "TAPELINE_SEED=\(seed)")
        }
    }

    @Test(
        "killed and disturbed anywhere, every bar is on the tape once",
        arguments: Seeds(fixed: 1...30, weight: 0.5).all())
    func bars(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed &* 37 &+ 5)
        let start = Int64.random(in: 0...300, using: &random)
        let width =
            [IBBarLength.second, .fiveSeconds, .minute, .fiveMinutes, .hour]
            .randomElement(using: &random) ?? .minute
        // Bars of 5 s need several requests in more than an hour.
        let isLong = width == .fiveSeconds
        let length = Int64.random(in: isLong ? 3_700...9_000 : 10...2_500, using: &random)
        func bench() -> HistoryBench {
            HistoryBench(
                ["AAPL", "MSFT", "JPM"], rate: isLong ? 2 : 8, seed: seed,
                seconds: start..<start + length,
                feeds: .bars, bars: width)
        }
        var calm = bench()
        try calm.begin()
        calm.run()
        var disturbed = bench()
        try Self.live(&disturbed, &random)
        #expect(disturbed.history.phase == .finished, "TAPELINE_SEED=\(seed)")
        #expect(disturbed.disorder.isEmpty, "TAPELINE_SEED=\(seed) \(disturbed.disorder)")
        for place in 0..<3 {
            let found = disturbed.bars(place).map(\.openTime)
            #expect(found == calm.bars(place).map(\.openTime), "TAPELINE_SEED=\(seed)")
            #expect(
                disturbed.bars(place).map(\.volume) == calm.bars(place).map(\.volume),
                "TAPELINE_SEED=\(seed)")
        }
    }

    /// Some processes that end anywhere, while the server is disturbed, and a last one that is left
    /// in peace.
    private static func live(
        _ bench: inout HistoryBench, _ random: inout SeededRandom
    ) throws {
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let kept = bench.tape.map(\.count)
            try bench.begin()
            for _ in 0..<Int.random(in: 1...120, using: &random) {
                bench.turn()
                guard Int.random(in: 0..<8, using: &random) == 0,
                    let fault = faults.randomElement(using: &random)
                else { continue }
                _ = bench.simulator.control(fault, now: bench.now.wall)
            }
            bench.kill(keeping: kept, using: &random)
        }
        for end in ["farm history up", "restored lose", "byte-at-a-time off"] {
            _ = bench.simulator.control(end, now: bench.now.wall)
        }
        try bench.begin()
        bench.run()
    }
}
