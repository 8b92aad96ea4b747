import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// One partition of the operator, the `core` of a `PartitionSlot`: takes packets, makes output for
/// its lane, and sometimes an image of its state. The worker's thread calls it.
///
/// Pure except for its appends to the lane: its results follow from the packets alone. `now` only
/// decides when packets without bars and images are due.
///
/// An *input* is one packet of ticks; for the share over all partitions it is one packet of bars.
/// *Output* is a bar, a late tick or a value, with an ordinal. A *line of output* is the output of
/// one definition and generation. A new line, a *base*, begins after the old one when the
/// generation rises or a person requests it. `isBehind` means: later on the tape.
///
/// The type is a class, because a value of this size would be copied where only a property is read,
/// with a reference count for each of its arrays. A slot is its only owner.
final class PartitionOperator {
    /// The length of the outbox from which on the reader is held and no repair begins. The outbox
    /// holds computed output that is in no packet yet. The output of one packet or one repair is
    /// still added completely: in pieces it would only wait in the machine, which holds it already.
    /// So the outbox holds at most this and as much as a machine may hold
    /// (`StreamLimits.openWindowsMax`, `repairTicksMax`).
    static let outboxMax = 4_096

    let partition: Partition
    let settings: OperatorSettings
    /// The members of the graph's groups, which each packet states.
    let members: [GroupMember]
    /// See `OperatorSettings`, which computes it from the graph.
    let watermarkNanosecondsMax: Int64
    var machine: GraphMachine
    var ledger: OutputLedger
    /// Why nothing more is computed for this partition, so that a person has to act; `nil` while it
    /// works.
    var stopped: String?
    var phase: Phase

    /// How far the partition's line of output has come. A new line goes through the phases in this
    /// order, and may skip some. Other partitions are always `working`.
    enum Phase: Hashable, Sendable {
        /// Computes the input of the previous line and drops the output, up to and including the
        /// packet at this position. Next: `publishing`, or `keeping` if the tape's last packet
        /// states that input already.
        case building(until: TapePosition)
        /// Has to publish a packet without bars that states this input as complete. Next:
        /// `published`.
        case publishing(TapePosition)
        /// That packet is in flight. Next: `keeping`, when the tape has acknowledged it.
        case published
        /// Has to store the checkpoint with which the new line begins. Next: `working`.
        case keeping
        /// Publishes its output.
        case working
    }

    /// An item of output with its ordinal.
    struct Output {
        let item: OutputItem
        let ordinal: UInt64
        /// The running checksum over the partition's output, up to and including this item.
        let checksum: UInt64
    }

    /// An input that made output, and the ordinal of its last output.
    struct InputEnd {
        let ordinal: UInt64
        let position: TapePosition
    }

    /// Computed output that is in no packet yet.
    var outbox = PopQueue<Output>()
    /// The inputs whose last output is in the outbox, in order. Never longer than the outbox.
    var inputEnds = PopQueue<InputEnd>()
    /// What the machine made of the present packet; empty between packets.
    var output = GraphOutput()
    /// The machine of the share over all partitions, which computes instead of `machine`; `nil` for
    /// a partition.
    private(set) var universe: UniverseMachine?
    /// What `universe` made of the present packet; empty between packets.
    var values: [IndicatorValue] = []
    /// Whether ticks are collected in `live`: the graph has nodes with `live`, and publishing to
    /// live readers is switched on. The worker sets it.
    var hasLiveEdges = false
    /// Ticks that nodes let through to live readers, in order. No packet is taken while it is not
    /// empty, so it holds the ticks of one packet at most.
    var live: [LiveTick] = []
    /// The repair to do; `nil` when there is none. No packet is taken while there is one.
    var repair: RepairAgenda?
    /// Ranges that were refused without reading, one entry for each reason. The worker reports and
    /// removes them.
    var refused: [RefusedRanges] = []
    /// What the last packet said of sources.
    var publishedStates: [SourceState] = []
    /// The lane's numbers for the machine's symbols and series, by the machine's index; `nil` for a
    /// symbol that has no output so far.
    var laneSymbols: [UInt32?] = []
    let laneSeries: [UInt16]
    /// The last input whose output, together with that of all earlier inputs, is completely in
    /// packets. Before the first one it is the start of the tape; `nil` while that is not known.
    var complete: TapePosition?
    /// The running checksum after the last output in a packet.
    var packedChecksum: UInt64
    /// The watermark of the last packet, or of the one that is being filled.
    var packedWatermark: Timestamp
    /// How old the windows are whose bars are in packets.
    var windowEnds = WindowEnds()
    /// The last input, with the tape's data about it.
    var position: TapePosition?
    /// Bars and values of windows that open earlier are not published; `nil` when all are
    /// published. As in `CheckpointInput`.
    private(set) var publishFrom: Timestamp?
    /// As in `CheckpointInput`.
    private(set) var earlier: EarlierSources?
    /// Whether ticks were seen, so that the start of the tape is known.
    private(set) var hasBegun: Bool
    /// The new line of output with which this owner began; `nil` when it began in another way.
    let base: Base?
    /// The ordinal of the last output that the tape acknowledged.
    var acknowledged: UInt64
    /// The sequence of the input that the last packet states as complete; 0 for none.
    var publishedPosition: UInt64 = 0
    /// When the last packet was sent, monotonic.
    var publishedAt = MonotonicTime.distantPast
    /// The sequence of the last input of the source `manual`, which has people's requests; 0 for
    /// none. When that input is complete, a packet states it immediately, because the person waits.
    var requestSequence: UInt64 = 0
    /// Decides when the next checkpoint is due.
    var schedule: CheckpointSchedule
    /// An image that waits until all output that it includes is acknowledged.
    var waiting: CheckpointImage?
    /// Bars and values that were computed and not published, because an earlier line has published
    /// them or the tape does not hold all of their ticks.
    var unpublished: UInt64 = 0
    /// The counts, without those of the machine.
    var counted = PartitionTally()
    /// The machine's counts when this owner began to publish. The `tally` subtracts them, because
    /// an earlier owner has counted them.
    private(set) var countedBefore: MachineTally

    /// Makes the partition with the state that recovery found, and registers its series with
    /// `lane`.
    init(
        partition: Partition, settings: OperatorSettings, beginning: Beginning,
        lane: some OutputLane
    ) {
        self.partition = partition
        self.settings = settings
        members = settings.program.definition.groups.all.flatMap { group in
            group.members.map { GroupMember(source: $0, group: group.name) }
        }
        watermarkNanosecondsMax = settings.watermarkNanosecondsMax
        machine = beginning.machine
        countedBefore = MachineTally(machine)
        universe = beginning.universe
        ledger = OutputLedger(after: beginning.output, published: beginning.published)
        packedChecksum = beginning.published?.checksum ?? 0
        acknowledged = beginning.published?.ordinal ?? 0
        position = beginning.input.position
        publishFrom = beginning.input.publishFrom
        earlier = beginning.input.earlier
        hasBegun = beginning.input.hasBegun
        schedule = CheckpointSchedule(behind: position)
        complete = position
        // The later one of the checkpoint's input and of the one that the tape states.
        if let end = beginning.publishedInput { complete = end.isBehind(position) ? end : position }
        let pending = beginning.input.pending
        if let position, !pending.isEmpty {
            repair = RepairAgenda(pending, at: position, isHidden: false)
            // The output of the repair belongs to this input, so the input is not complete.
            complete = beginning.publishedInput ?? .before(position.streamCreated)
        }
        publishedPosition = complete?.sequence ?? 0
        packedWatermark = beginning.watermark
        laneSeries =
            beginning.universe != nil
            ? []
            : settings.program.series.map {
                lane.register(
                    SeriesDefinition(
                        name: $0.name, widthNanoseconds: $0.widthNanoseconds,
                        latenessNanoseconds: $0.latenessNanoseconds))
            }
        if case .base(let base) = beginning.way {
            self.base = base
            phase = base.end.map { .building(until: $0) } ?? base.next
        } else {
            base = nil
            phase = .working
        }
        // As before the restart: not while output of the last input remains to be published.
        if !hasRepair { packedWatermark = max(packedWatermark, watermark) }
    }

    /// Whether no packet may be taken at the moment, so that the worker has to hold the reader.
    var mustHold: Bool {
        if outbox.count >= Self.outboxMax || stopped != nil || hasRepair { return true }
        if !live.isEmpty { return true }
        switch phase {
        case .building, .working: return false
        case .publishing, .published, .keeping: return true
        }
    }
    /// Whether all computed output is in packets.
    var isEmpty: Bool { outbox.isEmpty }
    /// Whether a new line of output may replace this one, as soon as the lane is idle. What a
    /// stopped partition then still has in its outbox fits into no packet.
    var mayLeave: Bool { isEmpty || stopped != nil }
    /// Whether output may be published: false while a new line of output is being prepared.
    var hasBegunLine: Bool { phase == .working }
    /// Whether the next output is new: all output on the tape was computed again, or was in the
    /// restored state.
    var isCaughtUp: Bool { phase == .working && ledger.isPastPublished }

    /// The least watermark of its sources, without those that are silent. It never goes back. All
    /// bars up to it are computed, but for those that a silent source may bring yet.
    var watermark: Timestamp { universe?.watermark ?? machine.watermark }

    // MARK: input

    /// Takes the next packet of the partition, unless the partition has stopped. `position` is the
    /// packet's position on the tape. Call it only while `mustHold` is false.
    func take(_ header: PacketHeader, _ packet: RawSpan, at position: TapePosition?) {
        guard stopped == nil else { return }
        self.position = position
        if complete == nil { complete = position.map { .before($0.streamCreated) } }
        schedule.took(ticks: Int(header.tickCount))
        if header.source == .manual { requestSequence = position?.sequence ?? 0 }
        if !hasBegun, header.kind == .ticks, header.tickCount > 0, header.source != .manual {
            begin(header, packet)
        }
        guard compute(header, packet) else {
            stopped = "more sources feed this partition than the limit allows"
            return
        }
        earlier?.take(header, packet, partition: publishFrom)
        // The packet that ends the building is also a part of it: its output is dropped.
        var isBuilding = false
        if case .building(let end) = phase {
            isBuilding = true
            build(until: end)
        }
        // Ticks that are computed again were published live by the first owner.
        if hasLiveEdges, isCaughtUp { live += output.live }
        let dirty = output.dirty
        keepOutput(isHidden: isBuilding)
        if let position, !dirty.isEmpty, stopped == nil {
            let limit = RepairAgenda.limit(sendTime: header.sendTime, watermark: watermark)
            requestRepair(RepairAgenda(dirty, at: position, isHidden: isBuilding, limit: limit))
        }
        if !hasRepair { endInput() }
    }

    /// Gives a packet to the machine. Returns false when too many sources feed the partition.
    private func compute(_ header: PacketHeader, _ packet: RawSpan) -> Bool {
        guard universe == nil else {
            universe?.take(header, packet, into: &values)
            return true
        }
        return machine.take(header, packet, into: &output)
    }

    /// Ends the building when the packet at the end of the previous line is taken. The next output
    /// is the first one that the previous line has not published. The partition stops when another
    /// packet is stored there.
    private func build(until end: TapePosition) {
        guard let position, position.sequence >= end.sequence else { return }
        guard position.sequence == end.sequence, position.packet == end.packet else {
            stopped =
                "the tape does not hold the ticks behind which its bars end; "
                + RecoverySituation.remedy(partition)
            return
        }
        complete = position
        publishedPosition = position.sequence
        packedWatermark = max(packedWatermark, watermark)
        // The previous line may not have published all days from providers.
        machine.passOnAgain()
        countedBefore = MachineTally(machine)
        phase = base?.next ?? .working
    }

    /// Notes where the partition's ticks begin on the tape. If earlier ordinals of the source were
    /// removed, windows that opened before the first tick were not seen from their start. Their
    /// bars are flagged as partial, or not published if an earlier line may have published them.
    private func begin(_ header: PacketHeader, _ packet: RawSpan) {
        // A past is from before the tape, and its last packet stays when others are removed.
        guard !header.source.isHistory else { return }
        guard header.firstOrdinal > 1 else {
            hasBegun = true
            return
        }
        guard let first = header.firstTime(in: packet) else { return }
        hasBegun = true
        // Several ticks may have the same event time, and some of this one may have been removed.
        // So the tape holds all ticks only after it.
        let start = first.advanced(byNanoseconds: 1)
        if let from = publishFrom {
            publishFrom = max(from, start)
        } else {
            machine.tapeStarts(at: start)
        }
    }
}

extension Base {
    /// The phase after the state is built.
    fileprivate var next: PartitionOperator.Phase {
        openingInput.map { .publishing($0) } ?? .keeping
    }
}
