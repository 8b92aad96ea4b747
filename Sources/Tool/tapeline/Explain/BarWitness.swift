import MarketModel
import OperatorGraph
import Primitives
import StreamCore

/// Gives the ticks of a symbol to the operators' own machine, tick by tick, and sees from the
/// windows of one bar what each tick did. So no second set of rules decides whether a tick counts.
struct BarWitness {
    /// The bar, and the computation that applies to it.
    struct Subject {
        let key: ProofKey
        let closeTime: Int64
        /// Whether the bar was, or should have been, made by reading the tape again.
        let isMended: Bool

        /// Returns whether a window of the series `origin`, of which the bar is made, is in it.
        fileprivate func holds(_ other: ProofKey, origin: SeriesName) -> Bool {
            guard other.symbol == key.symbol else { return false }
            guard origin != key.series else { return other == key }
            return other.openTime >= key.openTime && other.openTime < closeTime
        }
    }

    private let subject: Subject
    private let records: ProofRecords
    private let revisions: [ProofKey: UInt64]
    private let lists: ProofRecords.Lists
    /// The series that takes the ticks: the bar's own, or the finest of which it is made.
    private let origin: SeriesName
    /// Whether windows of the origin end by time. The machine shows such windows while they are
    /// open. Others are seen by ending a copy of the machine.
    private let isByTime: Bool
    private let stages: [String]
    private var machine: ProofMachine
    private var packets = ProofPackets()
    private var windows: [ProofKey: Bar] = [:]
    private var excluded = ExcludedTicks()
    private let hasJoin: Bool
    /// The source of the last tick that came at its time.
    private var feeder: SourceName?

    init(_ subject: Subject, _ slice: ProofSlice) {
        self.subject = subject
        records = slice.records
        revisions = slice.revisions
        let definition = slice.program.definition
        lists = ProofRecords.Lists(
            series: definition.made(subject.key.series),
            deduplicates: definition.deduplicates(
                before: subject.key.series, withQuotes: true))
        hasJoin = definition.hasJoin
        origin = lists.series.last ?? subject.key.series
        let name = origin
        isByTime =
            definition.allSeries.first { $0.name == name }.map { $0.window.isByTime } ?? true
        stages = definition.stages(before: origin).filter { node in
            // A join lets all trades through.
            if case .deduplicate = node.operation { false } else { node.operation.quotes == nil }
        }.map(\.name)
        let memory = isByTime ? 0 : definition.memory
        machine = ProofMachine(
            slice.program,
            ProofMachine.Scope(
                symbols: [subject.key.symbol.symbol], series: [origin],
                from: subject.key.openTime.saturatingSubtract(memory),
                to: max(subject.closeTime, subject.key.openTime.saturatingAdd(1))),
            takesFetched: subject.isMended)
    }

    /// Takes the next tick. `isWanted` says whether its verdict is of interest: to find it costs
    /// time where windows do not end by time. Returns the tick as it was taken, too.
    mutating func take(
        _ tick: ProofTick, isWanted: Bool
    ) throws(ToolError) -> (verdict: TickVerdict, taken: ProofTick) {
        let taken =
            subject.isMended ? records.mended(tick, lists, revisions) : records.live(tick, lists)
        let isByHand = tick.source == .manual
        // The live computation ignores what a person puts on the tape.
        guard subject.isMended || !isByHand else { return (.out(.byHand), taken) }
        if !subject.isMended || !taken.isLeftOut {
            try packets.add(taken, by: feeder(of: tick), to: &machine)
            try packets.flush(to: &machine)
        }
        let finder = machine.duplicateFinder
        let excludedBefore = excluded
        excluded = machine.excluded
        let before = windows
        if isByTime {
            windows.merge(machine.takeOpenBars()) { $1 }
        } else if isWanted {
            var copy = machine
            try copy.close(packets.sources)
            windows = copy.bars
        }
        guard isWanted else { return (.out(.otherBar), taken) }
        if let verdict = change(from: before, tick, taken) { return (verdict, taken) }
        let reason = reason(
            tick, finder, excluded.since(excludedBefore), isInOther: windows != before)
        return (.out(reason), taken)
    }

    /// Returns the source in whose packet a tick comes, if not its own. With a join, a fetched tick
    /// moves no symbol to another member of a group.
    private mutating func feeder(of tick: ProofTick) -> SourceName? {
        guard hasJoin, tick.symbol == subject.key.symbol else { return nil }
        if !tick.isFetched, tick.source != .manual { feeder = tick.source }
        return feeder
    }

    /// Returns what the tick changed in the bar; `nil` if it changed nothing.
    private func change(
        from before: [ProofKey: Bar], _ tick: ProofTick, _ taken: ProofTick
    ) -> TickVerdict? {
        for (key, after) in windows where subject.holds(key, origin: origin) {
            let old = before[key]
            guard old != after else { continue }
            if after.trades > old?.trades ?? 0 { return .counts }
            let (counted, was) = (after.excluded, old?.excluded ?? Bar.Excluded())
            let hasVolume = after.volume != old?.volume ?? 0
            if counted.oddLot > was.oddLot {
                return hasVolume ? .volumeOnly(.oddLot) : .out(.rule(.oddLot))
            }
            if counted.condition > was.condition {
                return hasVolume ? .volumeOnly(.condition) : .out(.rule(.condition))
            }
            if counted.undefined > was.undefined { return .out(.undefined) }
            if counted.filter > was.filter { return .out(filtered(tick, taken)) }
        }
        return nil
    }

    /// Returns why the tick counts as left out by a filter.
    private func filtered(_ tick: ProofTick, _ taken: ProofTick) -> TickVerdict.Reason {
        let action = tick.header?.action ?? 0
        if action == TradeAction.cancel.rawValue { return .cancelRecord }
        if action == TradeAction.correction.rawValue { return .correctionRecord }
        if taken.header?.action == TradeAction.cancel.rawValue { return .cancelled }
        if tick.header?.flags.contains(.snapshot) == true { return .snapshot }
        return .filtered(stages)
    }

    /// Returns why a tick that changed nothing in the bar is not in it.
    private func reason(
        _ tick: ProofTick, _ finder: SeriesName?, _ excluded: ExcludedTicks, isInOther: Bool
    ) -> TickVerdict.Reason {
        if tick.symbol.source != subject.key.symbol.source {
            return .otherSource(tick.symbol.source)
        }
        if subject.isMended, let finder = lists.twinFinder(tick) { return .duplicate(finder) }
        if let listing = records.listed(tick, lists) {
            return listing.isDuplicate ? .duplicate(listing.name) : .late(listing.name)
        }
        if let finder { return .duplicate(finder) }
        if excluded.unknownSymbol > 0 { return .notFed }
        if !subject.isMended, tick.header?.flags.contains(.backfilled) == true {
            return .backfilled
        }
        if excluded.filter > 0 { return filtered(tick, tick) }
        if excluded.outsideSession > 0 { return .outsideSession }
        return isInOther ? .otherBar : .noRoom
    }
}

extension Int64 {
    fileprivate func saturatingSubtract(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? Int64.min : difference
    }

    func saturatingAdd(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? Int64.max : sum
    }
}
