import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

// Repairs: a packet that says that something of before is otherwise has the partition read that
// part of its tape again before it goes on. What comes of it is output of that packet, and so is
// that nothing comes of it because it is refused.
extension PartitionOperator {
    /// What has to be read for the repair at hand.
    struct RepairNeeds: Sendable {
        /// Ticks of this event time and later.
        let from: Timestamp
        /// The last packet to read: the one that asked for it.
        let until: TapePosition
        let ranges: [DirtyRange]
        /// An owner before did it: what could be read then is read, without a margin.
        let isDoneBefore: Bool
    }

    /// What came of a part that was read again.
    struct RepairOutcome: Hashable, Sendable {
        /// Versions of bars.
        var bars = 0
        /// Ticks that the machines were given.
        var ticks: UInt64 = 0
        var leftOut = RepairOmissions()
    }

    /// Everything that was computed stands on the tape.
    var isOutputOut: Bool { outbox.isEmpty && acknowledged >= ledger.nextOrdinal - 1 }

    var isRepairing: Bool { repair != nil }

    /// The ordinal at which the tape of bars says what an owner before made of the repair at hand.
    /// Nil: that is known, or nobody came so far.
    var precedentOrdinal: UInt64? {
        guard let repair, !repair.isHidden, repair.precedent == nil, stopped == nil,
            !ledger.isPastStanding
        else { return nil }
        return ledger.nextOrdinal
    }

    /// What stands there. Nothing is guessed: another verdict than the one that stood would make
    /// other bars of the same ordinals.
    mutating func heardPrecedent(_ standing: RepairPrecedent) {
        guard let repair, precedentOrdinal != nil else { return }
        switch standing {
        case .refused(let standing):
            guard let day = repair.refusal(standing.reason),
                RefusedRepair(day, sequence: repair.position.sequence) == standing
            else { return setDone() }
            refuseDay(day)
        case .done: setDone()
        case .purged:
            stopped =
                "what its owner before made of a repair is not on its tape of bars any more, so "
                + "that the same bars cannot be made again; "
                + RecoverySituation.remedy(partition)
        }
    }

    private mutating func setDone() { repair?.precedent = .done }

    /// Nil: there is nothing to repair, or its output has no room yet.
    var repairNeeds: RepairNeeds? {
        guard let repair, let ranges = repair.days.first, stopped == nil,
            precedentOrdinal == nil, outbox.count < Self.outboxMax,
            let plan = machine.repairPlan(ranges)
        else { return nil }
        return RepairNeeds(
            from: plan.from, until: repair.position, ranges: plan.ranges,
            isDoneBefore: repair.precedent == .done)
    }

    /// Bars that have to be read back before the repair is finished; nil: none, or nothing is
    /// published.
    var standingBars: StandingBars? {
        guard let repair, !repair.isHidden, let reading = repair.reading else { return nil }
        return StandingBars(
            machine.standingNeeds(of: reading), machine, lastOrdinal: ledger.nextOrdinal - 1)
    }

    /// The packet at hand made ranges dirty.
    mutating func ask(forRepairOf agenda: RepairAgenda) {
        for ranges in agenda.refused {
            if ledger.isPastStanding { tellRefused(ranges) }
            if !agenda.isHidden { record(ranges, sequence: agenda.position.sequence) }
        }
        repair = agenda.days.isEmpty ? nil : agenda
    }

    private mutating func tellRefused(_ ranges: RefusedRanges) {
        if let place = refused.firstIndex(where: { $0.reason == ranges.reason }) {
            refused[place].add(ranges)
        } else {
            refused.append(ranges)
        }
    }

    /// The passes over the tape begin now.
    mutating func beginRepair() {
        guard let ranges = repair?.days.first else { return }
        repair?.reading = GraphRepair(machine, ranges)
    }

    /// The first pass: what was taken back or corrected.
    mutating func noteForRepair(_ header: PacketHeader, _ packet: RawSpan) {
        repair?.reading?.note(header, packet)
    }

    /// The first pass is over. True: the same packets are needed for a second one; false: they were
    /// so few that it has all it needs.
    mutating func endRepairNotes() -> Bool { repair?.reading?.endFirstPass() ?? false }

    /// The second one: the ticks.
    mutating func takeForRepair(_ header: PacketHeader, _ packet: RawSpan) {
        repair?.reading?.take(header, packet)
    }

    /// All packets were handed over as often as they were needed, and what stands was read back.
    /// `standing` nil: nobody did that.
    mutating func finishRepair(standing: [Bar]? = nil) -> RepairOutcome {
        guard let reading = repair?.reading else { return RepairOutcome() }
        repair?.reading = nil
        let isHidden = repair?.isHidden ?? true
        var outcome = RepairOutcome(ticks: reading.taken)
        let before = machine.repairOmissions
        machine.absorb(reading, standing: isHidden ? nil : standing, into: &output)
        outcome.leftOut = machine.repairOmissions.since(before)
        outcome.leftOut.changes = reading.unusedChanges
        outcome.leftOut.unplaced = reading.unplaced
        outcome.bars = output.bars.count
        keepOutput(isHidden: isHidden, isRepair: true)
        endRepairDay()
        return outcome
    }

    /// The tape cannot be read as it has to be: the older versions stand. Answers of which ranges;
    /// nil when the partition stops, because they were computed again by an owner before.
    mutating func refuseRepair(_ reason: RepairRefusal, _ detail: String) -> RefusedRanges? {
        guard let repair, let day = repair.refusal(reason) else { return nil }
        guard repair.precedent != .done else {
            self.repair?.reading = nil
            stopped =
                "bars that stand on its tape were computed again by its owner before, and that "
                + "cannot be done once more (\(detail)); " + RecoverySituation.remedy(partition)
            return nil
        }
        refuseDay(day)
        return day
    }

    private mutating func refuseDay(_ day: RefusedRanges) {
        guard let repair else { return }
        if !repair.isHidden { record(day, sequence: repair.position.sequence) }
        endRepairDay()
    }

    private mutating func endRepairDay() {
        repair?.endDay()
        // To read all that again after a crash would take long.
        schedule.demand()
        guard repair?.days.isEmpty ?? false else { return }
        repair = nil
        endInput()
    }
}
