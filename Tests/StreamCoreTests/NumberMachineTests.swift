import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

enum NumberSamples {
    static let second = RandomTape.second

    static func series(_ windows: [WindowRule]) throws -> BarSeriesSet {
        try BarSeriesSet(windows.enumerated().map { try StreamCoreTests.series("n\($0)", $1) })
    }

    static func mixed() throws -> BarSeriesSet {
        try series([
            .ticks(3), .volume(100_000_000), .dollars(20_000_000), .ticks(1), .ticks(40),
        ])
    }

    /// Returns sessions of 17 s with pauses of 4 s, around the times of random tapes.
    static func calendar() throws -> SessionCalendar {
        var sessions: [SessionCalendar.Session] = []
        for origin in [-60 * second, 1_700_000_000 * second - 60 * second] {
            for index in 0..<20 {
                let open = origin + Int64(index) * 21 * second
                sessions.append(
                    SessionCalendar.Session(open: open, close: open + 17 * second, day: 0))
            }
        }
        return try #require(SessionCalendar(name: "test", sessions: sessions))
    }

    static func session(_ calendar: SessionCalendar?) -> (Int64) -> (open: Int64, close: Int64)? {
        { time in
            guard let calendar else {
                let open =
                    time - ((time % 86_400_000_000_000) + 86_400_000_000_000)
                    % 86_400_000_000_000
                return (open, open + 86_400_000_000_000)
            }
            let found = calendar.sessions.first { $0.open <= time && time < $0.close }
            return found.map { ($0.open, $0.close) }
        }
    }
}

@Suite("Number bars by seed") struct NumberMachinePropertyTests {
    private typealias Run = MakerRun<NumberMachine>

    static let seeds = Seeds(fixed: 1...120)

    private func calendar(_ seed: UInt64) throws -> SessionCalendar? {
        seed.isMultiple(of: 3) ? nil : try NumberSamples.calendar()
    }

    private func run(_ seed: UInt64) throws -> Run {
        Run(rule: BarRule(series: try NumberSamples.mixed()), calendar: try calendar(seed))
    }

    private func naive(
        _ run: Run, _ tape: [NaiveEvent], repairedAt: Int = 0
    ) -> (intake: NaiveIntake, bars: [NamedBar]) {
        let intake = NaiveIntake(
            tape, run.machine.rule, repairedAt: repairedAt,
            session: NumberSamples.session(run.machine.calendar))
        return (intake, NaiveNumberBars(intake, series: run.machine.rule.series).bars)
    }

    @Test(
        "bars, late ticks and the account are those of a naive calculation", arguments: seeds.all())
    func naive(seed: UInt64) throws {
        let tape = RandomTape(seed: seed).events
        var run = try run(seed)
        run.feed(tape)
        let (intake, bars) = naive(run, tape)
        #expect(difference(run.named, bars) == "", "TAPELINE_SEED=\(seed)")
        let late = run.late.filter { $0.series == 0 }.map {
            "\(run.machine.sources.entries[$0.source].name) \($0.ordinal)"
        }
        #expect(Set(late) == intake.late, "TAPELINE_SEED=\(seed)")
        let series = run.machine.rule.series.all
        #expect(run.late.count == intake.late.count * series.count, "TAPELINE_SEED=\(seed)")
        #expect(run.isBalanced, "TAPELINE_SEED=\(seed)")
    }

    @Test("the order of arrival between two watermarks does not matter", arguments: seeds.all())
    func permuted(seed: UInt64) throws {
        let tape = RandomTape(seed: seed).events
        var plain = try run(seed)
        var shuffled = plain
        plain.feed(tape)
        shuffled.feed(shuffling: tape, seed)
        let isSame = plain.closed == shuffled.closed
        #expect(isSame, "TAPELINE_SEED=\(seed): \(difference(plain.named, shuffled.named))")
        #expect(plain.machine.counters == shuffled.machine.counters, "TAPELINE_SEED=\(seed)")
        #expect(plain.machine.snapshot == shuffled.machine.snapshot, "TAPELINE_SEED=\(seed)")
    }

    @Test("a repair of everything gives the bars of all ticks of the tape", arguments: seeds.all())
    func repair(seed: UInt64) throws {
        var random = SeededRandom(seed: seed ^ 0x4e9a)
        let tape = RandomTape(seed: seed).events
        let at = Int.random(in: 0...tape.count, using: &random)
        var run = try run(seed)
        run.feed(tape[..<at])
        run.repairAll(tape[..<at])
        run.feed(tape[at...])
        // After a subscription began again, a repair knows the gaps only if they are on the tape.
        let expected = naive(run, tape, repairedAt: at).bars.map { $0.without(.partial) }
        #expect(
            difference(run.last.map { $0.without(.partial) }, expected) == "",
            "TAPELINE_SEED=\(seed)")
        #expect(run.isBalanced, "TAPELINE_SEED=\(seed)")
        try run.machine.expectRestored(calendar: run.machine.calendar)
    }
}
