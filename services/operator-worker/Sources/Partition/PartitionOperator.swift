import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// One partition of the operator: packets of ticks in, bars for its lane out, and now and then an
/// image of its state.
///
/// Pure but for what it appends to the lane: what it computes follows from the packets alone.
struct PartitionOperator {
    /// Computed output that has no place in a packet yet: from here on the reader is held, and no
    /// repair is begun. What one packet or one repair makes comes on top all at once: handed out in
    /// pieces it would wait in the machine instead, which has it already. So the outbox holds this
    /// and as much as a machine may have at once (`StreamLimits.openWindowsMax`, `repairTicksMax`).
    static let outboxMax = 4_096

    let partition: Partition
    let settings: OperatorSettings
    var machine: GraphMachine
    var ledger: OutputLedger
    /// Why nothing more is computed for this partition; a person has to look.
    var stopped: String?
    var phase: Phase

    /// A new line of output goes through all of them, in order; others only work.
    enum Phase: Hashable, Sendable {
        /// State without output, up to and with the packet at this position.
        case building(until: TapePosition)
        /// The packet that says how far the bars are out has to be published.
        case telling(TapePosition)
        /// It is in flight.
        case told
        /// The checkpoint that the new line begins with has to be stored.
        case keeping
        case working
    }

    struct Output {
        let item: OutputItem
        let ordinal: UInt64
        /// The running checksum up to and with it.
        let checksum: UInt64
    }

    /// An input that made output, and the last of it.
    struct InputEnd {
        let ordinal: UInt64
        let position: TapePosition
    }

    var outbox = PopQueue<Output>()
    /// Of the inputs whose output is in the outbox. Never longer than that.
    var ends = PopQueue<InputEnd>()
    var output = GraphOutput()
    /// Of the share that works over all partitions: what computes in the machine's place.
    private(set) var universe: UniverseMachine?
    var values: [IndicatorValue] = []
    /// Somebody takes `live` out.
    var hasLiveEdges = false
    /// What nodes let through to those who watch, in order; while something is left here no packet
    /// is taken, so it is one packet's at most.
    var live: [LiveTick] = []
    /// While it is there no packet is taken.
    var repair: RepairAgenda?
    /// Ranges that were refused at once, by reason; emptied by whoever tells it.
    var refused: [RefusedRanges] = []
    /// The lane's numbers for the machine's symbols and series.
    var laneSymbols: [UInt32?] = []
    let laneSeries: [UInt16]
    /// The last input whose output, and that of all before it, is in packets entirely; before the
    /// first one the start of the tape. And the checksum of the last bar in a packet.
    var complete: TapePosition?
    var packedChecksum: UInt64
    var packedWatermark: Timestamp
    /// The last input, and what the tape knows of it.
    var position: TapePosition?
    /// As `CheckpointInput` says.
    private(set) var publishFrom: Timestamp?
    private(set) var hasBegun: Bool
    /// Of a new line of output that is not kept yet.
    let base: Base?
    /// The last bar that the tape acknowledged.
    var acknowledged: UInt64
    var toldPosition: UInt64 = 0
    var toldAt = Int64.min
    /// The last input by which a person asked for something: that it is worked on is told at once.
    var asked: UInt64 = 0
    var schedule: CheckpointSchedule
    /// Waits until all output that it counts is acknowledged.
    var waiting: CheckpointImage?
    /// Closed windows of a new line of output that began before it, or before the tape.
    var unpublished: UInt64 = 0
    /// Without what the machine counts.
    var counted = PartitionTally()
    /// What the machine had counted before anything of it was output.
    private(set) var undecidableBefore: UInt64 = 0
    private(set) var excludedBefore: ExcludedTicks

    init(
        partition: Partition, settings: OperatorSettings, beginning: Beginning,
        lane: some OutputLane
    ) {
        self.partition = partition
        self.settings = settings
        machine = beginning.machine
        excludedBefore = machine.excluded
        universe = beginning.universe
        ledger = OutputLedger(after: beginning.output, standing: beginning.standing)
        packedChecksum = beginning.standing?.checksum ?? 0
        acknowledged = beginning.standing?.ordinal ?? 0
        position = beginning.input.position
        publishFrom = beginning.input.publishFrom
        hasBegun = beginning.input.hasBegun
        schedule = CheckpointSchedule(behind: position)
        complete = position
        if let told = beginning.told { complete = told.isBehind(position) ? told : position }
        let pending = beginning.input.pending
        if let position, !pending.isEmpty {
            repair = RepairAgenda(pending, at: position, isHidden: false)
            // Some of that input's output is not out.
            complete = beginning.told ?? .before(position.streamCreated)
        }
        toldPosition = complete?.sequence ?? 0
        packedWatermark = beginning.watermark
        laneSeries =
            beginning.universe != nil
            ? []
            : settings.program.series.map {
                lane.register(
                    SeriesDefinition(name: $0.name, widthNanoseconds: $0.widthNanoseconds))
            }
        if case .base(let base) = beginning.way {
            self.base = base
            phase = base.end.map { .building(until: $0) } ?? base.next
        } else {
            base = nil
            phase = .working
        }
        packedWatermark = max(packedWatermark, watermark)
    }

    /// Takes nothing more at the moment.
    var mustHold: Bool {
        if outbox.count >= Self.outboxMax || stopped != nil || isRepairing { return true }
        if !live.isEmpty { return true }
        switch phase {
        case .building, .working: return false
        case .telling, .told, .keeping: return true
        }
    }
    /// Nothing is left that may leave.
    var isEmpty: Bool { outbox.isEmpty }
    /// False while a new line of output is on its way.
    var hasBegunLine: Bool { phase == .working }
    /// All that stands on the tape was met again, or was there from the start.
    var isCaughtUp: Bool { phase == .working && ledger.isPastStanding }

    /// The least of its sources' watermarks; the bars up to it are out.
    var watermark: Timestamp { universe?.watermark ?? machine.watermark }

    // MARK: input

    /// Takes the next packet of the partition. `position` is where it stands.
    mutating func take(_ header: PacketHeader, _ packet: RawSpan, at position: TapePosition?) {
        guard stopped == nil else { return }
        self.position = position
        if complete == nil { complete = position.map { .before($0.streamCreated) } }
        schedule.took(ticks: Int(header.tickCount))
        if header.source == .manual { asked = position?.sequence ?? 0 }
        if !hasBegun, header.kind == .ticks, header.tickCount > 0, header.source != .manual {
            begin(header, packet)
        }
        guard compute(header, packet) else {
            stopped = "more sources feed this partition than the limit allows"
            return
        }
        var isBuilding = false
        if case .building(let end) = phase {
            isBuilding = true
            build(until: end)
        }
        // What is computed again was told by whoever computed it first.
        if hasLiveEdges, isCaughtUp { live += output.live }
        let dirty = output.dirty
        keepOutput(isHidden: isBuilding)
        if let position, !dirty.isEmpty, stopped == nil {
            let limit = RepairAgenda.limit(sendTime: header.sendTime, watermark: watermark)
            ask(
                forRepairOf: RepairAgenda(
                    dirty, at: position, isHidden: isBuilding, limit: limit))
        }
        if !isRepairing { endInput() }
    }

    private mutating func compute(_ header: PacketHeader, _ packet: RawSpan) -> Bool {
        guard universe == nil else {
            universe?.take(header, packet, into: &values)
            return true
        }
        return machine.take(header, packet, into: &output)
    }

    /// The bars up to the end of the line before are out.
    private mutating func build(until end: TapePosition) {
        guard let position, position.sequence >= end.sequence else { return }
        guard position.sequence == end.sequence, position.packet == end.packet else {
            stopped =
                "the tape does not hold the ticks behind which its bars end; "
                + RecoverySituation.remedy(partition)
            return
        }
        complete = position
        toldPosition = position.sequence
        packedWatermark = max(packedWatermark, watermark)
        // Older lines may have passed on less.
        machine.tellDaysAgain()
        undecidableBefore = machine.undecidable
        excludedBefore = machine.excluded
        phase = base?.next ?? .working
    }

    /// When earlier ordinals are gone, nobody saw the windows that overlap the first tick from
    /// their start.
    private mutating func begin(_ header: PacketHeader, _ packet: RawSpan) {
        guard header.firstOrdinal > 1 else {
            hasBegun = true
            return
        }
        var first = Timestamp.undefined
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade): first = min(first, trade.header.eventTime)
            case .quote(let quote): first = min(first, quote.header.eventTime)
            case .bar, .other, .control: continue
            }
        }
        guard first.isDefined else { return }
        hasBegun = true
        if let from = publishFrom {
            publishFrom = max(from, first.advanced(byNanoseconds: 1))
        } else {
            machine.tapeStarts(at: first)
        }
    }
}

extension Base {
    /// What follows when the state is built.
    fileprivate var next: PartitionOperator.Phase { tells.map { .telling($0) } ?? .keeping }
}
