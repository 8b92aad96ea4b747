import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// What a partition has to compute again before it takes the next packet.
struct RepairAgenda: Sendable {
    /// A range over more days is refused: nobody would wait for all of them to be read.
    static let daysMax: Int64 = 32
    static let dayNanoseconds: Int64 = 86_400_000_000_000
    /// Ranges that a checkpoint between two days can hold: behind a refused day more are refused.
    static let pendingMax = 1_024

    /// Of the packet that asked for it: what the repair makes is this packet's output.
    let position: TapePosition
    /// A new line is being built behind what stands: nothing of it is published.
    let isHidden: Bool
    /// The oldest day first; one is read at a time.
    private(set) var days: [[DirtyRange]] = []
    /// Ranges that reach over too many days.
    private(set) var tooLong: [DirtyRange] = []
    /// Of the first day, while the tape is read for it.
    var reading: GraphRepair?

    init(_ dirty: [DirtyRange], at position: TapePosition, isHidden: Bool) {
        self.position = position
        self.isHidden = isHidden
        var parts: [(day: Int64, place: Int, range: DirtyRange)] = []
        for range in dirty where range.from < range.to {
            let (first, last) = (Self.day(range.from), Self.day(range.to - 1))
            guard last - first < Self.daysMax else {
                tooLong.append(range)
                continue
            }
            for day in first...last {
                var part = range
                if day > first { part.from = day * Self.dayNanoseconds }
                if day < last { part.to = (day + 1) * Self.dayNanoseconds }
                parts.append((day, parts.count, part))
            }
        }
        parts.sort { ($0.day, $0.place) < ($1.day, $1.place) }
        var last: Int64?
        for part in parts {
            if part.day != last { days.append([]) }
            last = part.day
            days[days.count - 1].append(part.range)
        }
    }

    private static func day(_ time: Int64) -> Int64 {
        let whole = time / dayNanoseconds
        return time % dayNanoseconds < 0 ? whole - 1 : whole
    }

    var pending: [DirtyRange] { days.flatMap { $0 } }

    mutating func endDay() {
        reading = nil
        days.removeFirst()
    }

    /// The day at hand is not read. Answers all ranges that are not: those of the days behind it,
    /// too, when they are more than can be kept.
    mutating func refuseDay() -> [DirtyRange] {
        var refused = days.first ?? []
        endDay()
        guard days.reduce(0, { $0 + $1.count }) > Self.pendingMax else { return refused }
        refused += pending
        days = []
        return refused
    }
}

// Repairs: a packet that says that something of before is otherwise has the partition read that
// part of its tape again before it goes on. What comes of it is output of that packet.
extension PartitionOperator {
    /// What has to be read for the repair at hand.
    struct RepairNeeds: Sendable {
        /// Ticks of this event time and later.
        let from: Timestamp
        /// The last packet to read: the one that asked for it.
        let until: TapePosition
        let ranges: [DirtyRange]
    }

    /// Everything that was computed stands on the tape.
    var isOutputOut: Bool { outbox.isEmpty && acknowledged >= ledger.nextOrdinal - 1 }

    var isRepairing: Bool { repair != nil }

    /// Nil: there is nothing to repair, or its output has no room yet.
    var repairNeeds: RepairNeeds? {
        guard let repair, let ranges = repair.days.first, stopped == nil, !mustKeepRefusal,
            outbox.count < Self.outboxMax, let plan = machine.repairPlan(ranges)
        else { return nil }
        return RepairNeeds(from: plan.from, until: repair.position, ranges: plan.ranges)
    }

    /// Bars that have to be read back before the repair is finished; nil: none, or nothing is
    /// published.
    var standingBars: StandingBars? {
        guard let repair, !repair.isHidden, let reading = repair.reading else { return nil }
        return StandingBars(
            machine.standingNeeds(of: reading), machine, lastOrdinal: ledger.nextOrdinal - 1)
    }

    /// The packet at hand made ranges dirty. Answers those that are refused at once.
    mutating func ask(
        forRepairOf dirty: [DirtyRange], at position: TapePosition, isHidden: Bool
    ) {
        let agenda = RepairAgenda(dirty, at: position, isHidden: isHidden)
        refusedRanges += agenda.tooLong
        repair = agenda.days.isEmpty ? nil : agenda
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
    /// `standing` nil: nobody did that. Answers how many versions of bars came of it.
    mutating func finishRepair(standing: [Bar]? = nil) -> Int {
        guard let reading = repair?.reading else { return 0 }
        repair?.reading = nil
        let isHidden = repair?.isHidden ?? true
        machine.absorb(reading, standing: isHidden ? nil : standing, into: &output)
        let bars = output.bars.count
        keepOutput(isHidden: repair?.isHidden ?? true, isRepair: true)
        endRepairDay()
        return bars
    }

    /// Nothing more is computed before a checkpoint behind the refusal is stored: the next owner
    /// might be able to read what this one was not, and what follows would have other ordinals.
    var mustKeepRefusal: Bool { refusal != nil && ledger.isPastStanding }

    /// The tape cannot be read as it has to be: the older versions stand. Answers of which ranges.
    mutating func refuseRepair() -> [DirtyRange] {
        guard let refused = repair?.refuseDay() else { return [] }
        // A new line of output publishes nothing before its first checkpoint is stored.
        if !(repair?.isHidden ?? true) { refusal = .due }
        endRepairWithoutDays()
        schedule.demand()
        return refused
    }

    private mutating func endRepairDay() {
        repair?.endDay()
        endRepairWithoutDays()
    }

    private mutating func endRepairWithoutDays() {
        guard repair?.days.isEmpty ?? false else { return }
        repair = nil
        // Nothing says that all output of a refused repair is out while the next owner may make
        // some.
        if refusal == nil { endInput() }
        // To read all that again after a crash would take long.
        schedule.isDueAtOnce = true
    }
}
