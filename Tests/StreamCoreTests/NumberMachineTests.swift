import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

enum NumberSamples {
    static let second = RandomTape.second

    static func series(_ windows: [WindowRule]) throws -> BarSeriesSet {
        var all: [BarSeries] = []
        for (index, window) in windows.enumerated() {
            let name = try #require(SeriesName("n\(index)"))
            all.append(try BarSeries(name: name, window: window))
        }
        return try BarSeriesSet(all)
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
    static let seeds = Seeds(fixed: 1...120)

    func calendar(_ seed: UInt64) throws -> SessionCalendar? {
        seed.isMultiple(of: 3) ? nil : try NumberSamples.calendar()
    }

    @Test(
        "bars, late ticks and the account are those of a naive calculation", arguments: seeds.all())
    func naive(seed: UInt64) throws {
        let series = try NumberSamples.mixed()
        let calendar = try calendar(seed)
        let tape = RandomTape(seed: seed).events
        var run = MakerRun(NumberMachine(rule: BarRule(series: series), calendar: calendar))
        run.feed(tape)
        let intake = NaiveIntake(tape, session: NumberSamples.session(calendar))
        let naive = NaiveNumberBars(intake, series: series)
        #expect(difference(run.named, naive.bars) == "", "TAPELINE_SEED=\(seed)")
        let late = run.late.filter { $0.series == 0 }.map {
            "\(run.machine.sources.entries[$0.source].name) \($0.ordinal)"
        }
        #expect(Set(late) == intake.late, "TAPELINE_SEED=\(seed)")
        #expect(run.late.count == intake.late.count * series.all.count, "TAPELINE_SEED=\(seed)")
        #expect(run.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
    }

    @Test("the order of arrival between two watermarks does not matter", arguments: seeds.all())
    func permuted(seed: UInt64) throws {
        let rule = BarRule(series: try NumberSamples.mixed())
        let tape = RandomTape(seed: seed).events
        var random = SeededRandom(seed: seed ^ 0x9e37)
        var plain = MakerRun(NumberMachine(rule: rule, calendar: try calendar(seed)))
        var shuffled = MakerRun(NumberMachine(rule: rule, calendar: try calendar(seed)))
        plain.feed(tape)
        var stretch: [NaiveEvent] = []
        for event in tape {
            if case .trade = event {
                stretch.append(event)
            } else {
                shuffled.feed(stretch.shuffled(using: &random))
                stretch = []
                shuffled.feed(event)
            }
        }
        shuffled.feed(stretch.shuffled(using: &random))
        let isSame = plain.closed == shuffled.closed
        #expect(isSame, "TAPELINE_SEED=\(seed): \(difference(plain.named, shuffled.named))")
        #expect(plain.machine.counters == shuffled.machine.counters, "TAPELINE_SEED=\(seed)")
        plain.late = []
        shuffled.late = []
        #expect(plain.machine.snapshot == shuffled.machine.snapshot, "TAPELINE_SEED=\(seed)")
    }

    @Test(
        "restored at any point, a run goes on with the same output and state",
        arguments: seeds.all())
    func cut(seed: UInt64) throws {
        var random = SeededRandom(seed: seed ^ 0xc075)
        let rule = BarRule(series: try NumberSamples.mixed())
        let calendar = try calendar(seed)
        let tape = RandomTape(seed: seed).events
        var undisturbed = MakerRun(NumberMachine(rule: rule, calendar: calendar))
        undisturbed.takesLate = false
        var cut = undisturbed
        undisturbed.feed(tape)
        var done = 0
        for end in (0..<4).map({ _ in Int.random(in: 0...tape.count, using: &random) }).sorted() {
            cut.feed(tape[done..<end])
            let bytes = cut.machine.snapshot
            cut.machine = try bytes.withRawSpan { span throws(CheckpointError) in
                try Alone<NumberMachine>(rule: rule, calendar: calendar, restoring: span)
            }
            #expect(cut.machine.snapshot == bytes, "TAPELINE_SEED=\(seed)")
            done = end
        }
        cut.feed(tape[done...])
        let isSame = cut.closed == undisturbed.closed
        #expect(isSame, "TAPELINE_SEED=\(seed): \(difference(cut.named, undisturbed.named))")
        #expect(cut.machine.snapshot == undisturbed.machine.snapshot, "TAPELINE_SEED=\(seed)")
        #expect(cut.machine.counters == undisturbed.machine.counters, "TAPELINE_SEED=\(seed)")
    }

    @Test("a repair of everything gives the bars of all ticks of the tape", arguments: seeds.all())
    func repair(seed: UInt64) throws {
        var random = SeededRandom(seed: seed ^ 0x4e9a)
        let series = try NumberSamples.mixed()
        let calendar = try calendar(seed)
        let tape = RandomTape(seed: seed).events
        let at = Int.random(in: 0...tape.count, using: &random)
        var run = MakerRun(NumberMachine(rule: BarRule(series: series), calendar: calendar))
        run.feed(tape[..<at])
        run.repairAll(tape[..<at])
        run.feed(tape[at...])
        let intake = NaiveIntake(
            tape, repairedAt: at, session: NumberSamples.session(calendar))
        let naive = NaiveNumberBars(intake, series: series)
        // After a subscription began again, a repair knows the gaps only if they are on the tape.
        let found = run.last.map { $0.without(.partial) }
        #expect(
            difference(found, naive.bars.map { $0.without(.partial) }) == "",
            "TAPELINE_SEED=\(seed)")
        #expect(run.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
        let bytes = run.machine.snapshot
        let restored = try bytes.withRawSpan { span throws(CheckpointError) in
            try Alone<NumberMachine>(rule: run.machine.rule, calendar: calendar, restoring: span)
        }
        #expect(restored.snapshot == bytes, "TAPELINE_SEED=\(seed)")
    }
}

extension MakerRun<NumberMachine> {
    /// Repairs like an owner that reads the tape again.
    mutating func repairAll(_ tape: ArraySlice<NaiveEvent>) {
        let ranges = (0..<machine.symbols.count).map {
            DirtyRange(
                symbol: UInt32($0), from: Int64.min, to: Int64.max,
                reason: BarReason.repair.rawValue)
        }
        var published: [NumberedBar.Key: Bar] = [:]
        for bar in closed { published[named(bar).key] = bar }
        var repair = MakerRun(machine.repairMachine(for: ranges))
        repair.feed(tape)
        var bars: [Bar] = []
        machine.absorb(
            repair.machine, ranges,
            published: published.values.filter { !$0.flags.contains(.withdrawn) }
                .map { PublishedBar($0) }, into: &bars)
        append(bars)
    }
}
