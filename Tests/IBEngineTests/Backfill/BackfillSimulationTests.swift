import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Seeds
import Testing

/// A machine in a world, in which requests are answered or not.
private struct BackfillRun {
    var world: BackfillWorld
    var machine: BackfillMachine
    var records: [ProviderRecord] = []
    private var ids = RequestIDs()
    private var now = 1_000.0
    private var asked: [(id: Int32, request: HistoryTicksRequest)] = []

    init(seed: UInt64) {
        world = BackfillWorld(seed: seed)
        machine = BackfillMachine(world.limits)
    }

    private var moment: Moment {
        Moment(wall: wallSeconds(now), monotonic: .at(Int64(now * 1_000_000_000)))
    }

    mutating func run() throws {
        var upcoming = world.outages[...]
        for _ in 0..<20_000 {
            while let outage = upcoming.first, outage.addedAt <= now {
                upcoming.removeFirst()
                machine.add(
                    outage.gap, contract: Contract(.stock, "A"), feeds: feeds,
                    arrivals: world.arrivals(of: outage), now: moment, into: &records)
            }
            guard machine.waiting > 0 || !upcoming.isEmpty else { return }
            try step()
            now += Double.random(in: 0...3, using: &world.random)
        }
    }

    private var feeds: Instrument.Feeds {
        if world.isConflated { return .level1 }
        return world.kind == .trade ? .trades : .quotes
    }

    private mutating func step() throws {
        var requests: [IBRequest] = []
        machine.next(now: moment, ids: &ids, into: &requests, into: &records)
        for request in requests {
            switch request {
            case .historyTicks(let id, _, let ticks):
                if chance(0.05) {
                    machine.notSent(id, now: moment.monotonic)
                } else {
                    machine.sent(id, now: moment.monotonic)
                    asked.append((id, ticks))
                }
            case .cancelHistory(let id): asked.removeAll { $0.id == id }
            default: Issue.record("\(request)")
            }
        }
        if chance(0.03) {
            machine.disconnected(now: moment.monotonic)
            asked = []
        }
        guard !asked.isEmpty, chance(0.8) else { return }
        let (id, request) = asked.remove(at: Int.random(in: 0..<asked.count, using: &world.random))
        try answer(id, request)
    }

    private mutating func answer(_ id: Int32, _ request: HistoryTicksRequest) throws {
        switch Int.random(in: 0..<20, using: &world.random) {
        case 0: return
        case 1: refuse(id, 162, "Historical data request pacing violation")
        case 2: refuse(id, 162, "Historical Market Data Service error: timed out")
        case 3: refuse(id, 10_197, "No market data during competing live session")
        default:
            for message in try world.answer(id, request) {
                if chance(0.02) {
                    machine.disconnected(now: moment.monotonic)
                    asked = []
                }
                _ = machine.took(message, now: moment, into: &records)
            }
        }
    }

    private mutating func refuse(_ id: Int32, _ code: Int32, _ text: String) {
        let notice = IBNotice(request: id, code: code, text: text)
        _ = machine.refused(notice, now: moment, into: &records)
    }

    private mutating func chance(_ share: Double) -> Bool {
        Double.random(in: 0..<1, using: &world.random) < share
    }

    var added: [MarketTick] { records.compactMap { $0.addedTrade ?? $0.addedQuote } }

    func gaps(in states: [GapState]) -> [(from: Double, to: Double)] {
        records.compactMap(\.gapRecord).filter { record in
            states.contains { $0.rawValue == record.state }
        }.map { (Double($0.from.nanoseconds) / 1e9, Double($0.to.nanoseconds) / 1e9) }
    }
}

/// The faults in a run's outcome.
private struct BackfillVerdict {
    private(set) var faults: [String] = []
    private let run: BackfillRun

    init(_ run: BackfillRun) {
        self.run = run
        checkTicks()
        checkIntervals()
        checkReasons()
        if run.machine.waiting > 0 { faults.append("\(run.machine.waiting) wait") }
    }

    private func counts(_ ticks: [MarketTick]) -> [MarketTick: Int] {
        ticks.reduce(into: [:]) { counts, tick in
            var tick = tick
            // The ticks of a conflated feed can be compared only without exchanges.
            if run.world.isConflated { tick.exchange = "" }
            counts[tick, default: 0] += 1
        }
    }

    /// Checks that no tick is recorded twice, and that none is missing without a record.
    private mutating func checkTicks() {
        let market = counts(run.world.market)
        let tape = counts(run.world.arrived.map(\.tick) + run.added)
        let abandoned = run.gaps(in: [.abandoned])
        for (tick, count) in tape where count > market[tick] ?? 0 {
            faults.append("\(count) of \(tick), not \(market[tick] ?? 0)")
        }
        for (tick, count) in market where count > tape[tick] ?? 0 {
            let second = Double(tick.second)
            let isTold = abandoned.contains {
                $0.from.rounded(.down) <= second && second < $0.to.rounded(.up)
            }
            if !isTold, !isAtUnknownBorder(second) {
                faults.append("\(tape[tick] ?? 0) of \(tick), not \(count)")
            }
        }
    }

    /// Returns whether a tick is near an outage with unknown arrivals, where late ticks are lost
    /// too.
    private func isAtUnknownBorder(_ second: Double) -> Bool {
        run.world.outages.contains { outage in
            let from = Double(outage.gap.from.nanoseconds) / 1e9
            let to = Double(outage.gap.to.nanoseconds) / 1e9
            let before = from.rounded(.down) - 2..<from.rounded(.up)
            let behind = to.rounded(.down) - 2..<to.rounded(.up) + 2
            return !outage.isKnown && (before.contains(second) || behind.contains(second))
        }
    }

    /// Checks that only a page that is too small loses ticks where all arrivals are known.
    private mutating func checkReasons() {
        guard run.world.outages.allSatisfy(\.isKnown), run.world.limits.borderTicksMax > 3,
            !run.world.isConflated
        else { return }
        for gap in run.records.compactMap(\.gapRecord)
        where gap.state == GapState.abandoned.rawValue && !gap.detail.hasPrefix("more ticks in") {
            faults.append("abandoned: \(gap.detail)")
        }
    }

    /// Checks that each gap is recorded once and completely, and that added ticks are inside of
    /// gaps.
    private mutating func checkIntervals() {
        let ends = run.gaps(in: [.filled, .abandoned])
        for outage in run.world.outages {
            let from = Double(outage.gap.from.nanoseconds) / 1e9
            let to = Double(outage.gap.to.nanoseconds) / 1e9
            let begun = run.gaps(in: [.filling]).count { $0.from == from && $0.to == to }
            if begun > 1 { faults.append("begun \(begun) times") }
            var reached = from
            for end in ends.sorted(by: { $0.from < $1.from }) where end.from <= reached {
                reached = max(reached, end.to)
            }
            if reached < to { faults.append("\(from) - \(to) is told of up to \(reached)") }
        }
        for tick in run.added {
            let second = Double(tick.second)
            let isTold = ends.contains { $0.from.rounded(.down) <= second && second < $0.to }
            if !isTold { faults.append("\(tick) was added outside of all gaps") }
        }
    }
}

@Suite("Filling outages in, simulated")
struct BackfillSimulationTests {
    @Test("what arrived and what was added is the market, or lies where a record says it does not")
    func market() throws {
        var added = 0
        var abandoned = 0
        for seed in Seeds(fixed: 1...150).all() {
            var run = BackfillRun(seed: seed)
            try run.run()
            let verdict = BackfillVerdict(run)
            #expect(verdict.faults.isEmpty, "TAPELINE_SEED=\(seed): \(verdict.faults.prefix(5))")
            added += run.added.count
            abandoned += run.gaps(in: [.abandoned]).count
        }
        #expect(added >= Seeds.least(), "no seed added a tick, \(abandoned) parts were abandoned")
    }
}
