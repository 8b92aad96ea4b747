import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

// Repairs. A packet may report that something earlier was different: a cancelled trade, a backfill.
// The ranges of time that are wrong since then are *dirty*. The partition reads that part of its
// tape again before it continues, one day at a time. The result is output of that packet. If the
// repair is refused, the refusal is its output.
//
// A *hidden* repair belongs to a new line of output that is still being built. It changes the state
// and publishes nothing.
extension PartitionOperator {
    /// The part of the tape that a repair has to read for its first day.
    struct RepairPart: Sendable {
        /// The repair needs ticks with this event time or a later one.
        let from: Timestamp
        /// The last packet to read: the one that requested the repair.
        let until: TapePosition
        /// The ranges to compute again.
        let ranges: [DirtyRange]
        /// Whether an earlier owner did this repair. Then the tape need not reach back further than
        /// the repair reads (`RepairReading.reachNanoseconds`).
        let isDoneBefore: Bool
    }

    /// The result of one day's repair, for the report.
    struct RepairResult: Hashable, Sendable {
        /// The number of versions of bars that the repair made.
        var bars = 0
        /// The number of ticks that the repair machines were given.
        var ticks: UInt64 = 0
        /// What the repair omitted because of limits.
        var leftOut = RepairOmissions()
    }

    /// Whether all computed output is acknowledged by the tape.
    var isOutputAcknowledged: Bool { outbox.isEmpty && acknowledged >= ledger.nextOrdinal - 1 }

    /// Whether a repair is requested or under way. Until it is done, no packet is taken.
    var hasRepair: Bool { repair != nil }

    /// The ordinal at which the tape of bars shows what an earlier owner made of this repair. `nil`
    /// when that is known already, or when no earlier owner published output that far.
    var precedentOrdinal: UInt64? {
        guard let repair, !repair.isHidden, !repair.isDoneBefore, stopped == nil,
            !ledger.isPastPublished
        else { return nil }
        return ledger.nextOrdinal
    }

    /// Takes what the tape of bars shows at `precedentOrdinal`. A different decision than the
    /// earlier one would give other bars the same ordinals, so nothing is guessed.
    func takePrecedent(_ precedent: RepairPrecedent) {
        guard let repair, precedentOrdinal != nil else { return }
        switch precedent {
        // The refusal of another day or packet means: this day was done and made no output.
        case .refused(let refused):
            guard let day = repair.refusal(refused.reason),
                RefusedRepair(day, sequence: repair.position.sequence) == refused
            else { return noteDonePrecedent() }
            refuseDay(day)
        case .done: noteDonePrecedent()
        case .purged:
            stopped =
                "what its owner before made of a repair is not on its tape of bars any more, so "
                + "that the same bars cannot be made again; "
                + RecoverySituation.remedy(partition)
        }
    }

    /// Notes that an earlier owner did the repair, so that it has to be done again and not refused.
    private func noteDonePrecedent() { repair?.isDoneBefore = true }

    /// The part to read now. `nil` when there is nothing to repair, when an earlier owner's outcome
    /// has to be looked up first, or while the outbox has no room for the result.
    var repairPart: RepairPart? {
        guard let repair, let ranges = repair.days.first, stopped == nil,
            precedentOrdinal == nil, outbox.count < Self.outboxMax,
            let plan = machine.repairPlan(ranges)
        else { return nil }
        return RepairPart(
            from: plan.from, until: repair.position, ranges: plan.ranges,
            isDoneBefore: repair.isDoneBefore)
    }

    /// Collects the bars to read back before the repair is finished; `nil` when none are needed, or
    /// nothing is published.
    var barsToReadBack: PublishedBars? {
        guard let repair, !repair.isHidden, let reading = repair.reading else { return nil }
        return PublishedBars(
            machine.publishedRanges(of: reading), machine, lastOrdinal: ledger.nextOrdinal - 1)
    }

    /// Notes the repair of the ranges that the present packet made dirty, and publishes the refusal
    /// of those that are refused without reading.
    func requestRepair(_ agenda: RepairAgenda) {
        for ranges in agenda.refused {
            if ledger.isPastPublished { addToRefused(ranges) }
            if !agenda.isHidden { record(ranges, sequence: agenda.position.sequence) }
        }
        repair = agenda.days.isEmpty ? nil : agenda
    }

    /// Adds to the ranges that the worker reports. The caller leaves out refusals that are on the
    /// tape already, because an earlier owner has reported them.
    private func addToRefused(_ ranges: RefusedRanges) {
        if let place = refused.firstIndex(where: { $0.reason == ranges.reason }) {
            refused[place].add(ranges)
        } else {
            refused.append(ranges)
        }
    }

    /// Begins the passes over the tape for the first day, and drops what was read for it before.
    func beginRepair() {
        guard let ranges = repair?.days.first else { return }
        repair?.reading = GraphRepair(machine, ranges)
    }

    /// Drops what was read for the first day. Then the repair is between two days again, and the
    /// state can be stored with the remaining days.
    func dropReading() { repair?.reading = nil }

    /// Takes a packet of the first pass, which finds cancels and corrections.
    func takeOfFirstPass(_ header: PacketHeader, _ packet: RawSpan) {
        repair?.reading?.note(header, packet)
    }

    /// Why the repair has to be refused after the first pass, for people; `nil`: it has not.
    var mispairing: String? {
        guard let reading = repair?.reading, reading.mispairs else { return nil }
        return "\(reading.unplaced) ticks of that time that were fetched later are more than the "
            + "graph's join can place: ask for a shorter time"
    }

    /// Ends the first pass. Returns whether a second pass over the same packets is needed. If not,
    /// they were few enough to be kept.
    func endFirstPass() -> Bool { repair?.reading?.endFirstPass() ?? false }

    /// Takes a packet of the second pass, which computes the ticks.
    func takeOfSecondPass(_ header: PacketHeader, _ packet: RawSpan) {
        repair?.reading?.take(header, packet)
    }

    /// Finishes a day's repair after all passes. `published` are the bars that were read back;
    /// `nil` when nothing was read back.
    func finishRepair(published: [Bar]? = nil) -> RepairResult {
        guard let reading = repair?.reading else { return RepairResult() }
        repair?.reading = nil
        let isHidden = repair?.isHidden ?? true
        var outcome = RepairResult(ticks: reading.taken)
        let before = machine.repairOmissions
        machine.absorb(reading, published: isHidden ? nil : published, into: &output)
        outcome.leftOut = machine.repairOmissions.since(before)
        outcome.leftOut.changes = reading.unusedChanges
        outcome.leftOut.unplaced = reading.unplaced
        outcome.leftOut.unassigned = reading.unassigned
        outcome.bars = output.bars.count
        keepOutput(isHidden: isHidden, isRepair: true)
        endRepairDay()
        return outcome
    }

    /// Refuses the repair, because the tape cannot be read as needed. The older versions stay.
    /// Returns the refused ranges; `nil` when the partition stops, because an earlier owner
    /// computed them again.
    func refuseRepair(_ reason: RepairRefusal, _ detail: String) -> RefusedRanges? {
        guard let repair, let day = repair.refusal(reason) else { return nil }
        guard !repair.isDoneBefore else {
            self.repair?.reading = nil
            stopped =
                "bars that stand on its tape were computed again by its owner before, and that "
                + "cannot be done once more (\(detail)); " + RecoverySituation.remedy(partition)
            return nil
        }
        refuseDay(day)
        return day
    }

    /// Publishes the refusal of the first day instead of its bars.
    private func refuseDay(_ day: RefusedRanges) {
        guard let repair else { return }
        if !repair.isHidden { record(day, sequence: repair.position.sequence) }
        endRepairDay()
    }

    /// Continues with the next day, or ends the repair and with it the packet that requested it.
    private func endRepairDay() {
        repair?.endDay()
        // Without a checkpoint the next owner would read all of the day again.
        schedule.demand()
        guard repair?.days.isEmpty ?? false else { return }
        repair = nil
        endInput()
    }
}
