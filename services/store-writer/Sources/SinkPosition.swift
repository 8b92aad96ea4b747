import MarketModel
import Primitives
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// One of the two inputs of a partition. Each has a reader and a position of its own.
enum SinkInput: String, Sendable, CaseIterable {
    /// What gateways publish: ticks, gap records and events.
    case ticks
    /// What operators publish: bars, late ticks and values.
    case bars

    var kind: PacketKind { self == .ticks ? .ticks : .bars }

    /// What it is called in reported positions.
    var reported: ReaderPosition.Input { self == .ticks ? .ticks : .bars }
}

/// The position of one input of one partition, with counts and gaps, as it is
/// stored or will be with the next COMMIT.
struct SinkPosition: Sendable {
    let input: SinkInput
    let partition: Partition
    /// The epoch of the row, raised by each claim. A writer with a lower one is fenced.
    var ownerEpoch: Int64
    /// The position on the tape; `nil` when nothing was stored yet.
    var position: TapePosition?
    /// The counts of each source, from its first ordinal on.
    var sources: [SourceAccount] = []
    /// The gaps since the position was last stored.
    var gaps: [SinkGap] = []
    /// The complete stretches since the position was last stored: at most one for each packet of a
    /// batch. Those that go on are in `sources`.
    var stretches: [StoredStretch] = []
    /// The cancels and corrections by id since the position was last stored, in order.
    var changes: [ChangeByID] = []
    /// The group of each source that is a member of one, as the last packet of bars stated it;
    /// `nil` when none was read since the claim.
    private(set) var members = Members()
    /// When the tape took the packet of the position, or one before it: the highest time so far.
    /// Undefined when it is not known.
    var tapeTime = Timestamp.undefined
    /// When a packet since the claim was sent, by the clock of its sender: the highest time.
    /// Undefined when none came.
    var sentTime = Timestamp.undefined
    /// Whether records since the position was last stored may be no rows: dropped, given twice, or
    /// bars of a table that is switched off. Dead letters are in the counts.
    var hasLeftOut = false
    /// Whether its COMMIT waited for a synchronous standby, where that is asked
    /// (`DurabilityRule.standby`).
    var isOnStandby = false
    /// The last owner of the row (`StoreWorker.newOwner`).
    var owner = ""
    /// The groups of tables that wait apart.
    var apart = ApartGroups()

    struct Members: Sendable {
        var groups: [SourceName: SourceName]?
        /// Whether they were not stored yet.
        var isNew = false
    }

    /// What became of each ordinal of one source, from `firstOrdinal` to `lastOrdinal`.
    struct SourceAccount: Sendable {
        let source: SourceName
        var firstOrdinal: UInt64
        /// The last ordinal in the counts.
        var lastOrdinal: UInt64
        /// The number of records that became rows. This and the next two counts sum up those of
        /// `TickCount`.
        var written: UInt64
        var skipped: UInt64
        var deadLettered: UInt64 = 0
        /// The epoch of its last stored packet; 0 when not known.
        var epoch: UInt64 = 0
        /// Its last ordinal on the tape up to the position. It is below `lastOrdinal` while the
        /// tape gives out ordinals again that were stored before: after a restore from a backup.
        var tapeOrdinal: UInt64
        /// Until when its first packet was sent and taken by the tape, by the clock that says the
        /// later time. Undefined when that packet was stored before the claim.
        var begun = Timestamp.undefined
        /// The number of records whose ordinals were stored before. They are left out.
        var givenTwice: UInt64 = 0
        /// The number of records that were left to groups of tables that wait apart.
        var apart: UInt64 = 0
        /// When the tape took its last packets. `nil` after a claim, and where that is not known.
        var stretch: StoredStretch?
    }

    /// Returns a source's counts; `nil` when it had no record so far.
    func account(_ source: SourceName) -> SourceAccount? {
        sources.first { $0.source == source }
    }

    /// Adds a packet to the counts of its source, with the gaps that it reveals: ordinals that are
    /// missing before it, and ordinals that were stored before. The reader has proven that missing
    /// ordinals are missing on the tape itself. `takenAt` is when the tape took it; undefined when
    /// that is not known, and for a packet without rows. With `namesBeginnings`, a source that is
    /// new begins with its ordinal 1, whatever the tape had lost of it.
    mutating func add(
        _ header: PacketHeader, _ count: TickCount, takenAt: Timestamp = .undefined,
        namesBeginnings: Bool = false
    ) {
        let last = header.nextOrdinal &- 1
        if header.sendTime.isDefined {
            sentTime = sentTime.isDefined ? max(sentTime, header.sendTime) : header.sendTime
        }
        if count.givenTwice > 0 { hasLeftOut = true }
        guard let index = sources.firstIndex(where: { $0.source == header.source }) else {
            guard header.tickCount > 0 else { return }
            let first = namesBeginnings ? min(1, header.firstOrdinal) : header.firstOrdinal
            note(.hole, header, first, header.firstOrdinal)
            sources.append(
                SourceAccount(
                    source: header.source, firstOrdinal: first, lastOrdinal: last,
                    written: count.written, skipped: count.skipped,
                    deadLettered: count.deadLettered, epoch: header.epoch, tapeOrdinal: last,
                    begun: [tapeTime, sentTime].filter(\.isDefined).max() ?? .undefined,
                    apart: count.apart))
            note(sources.count - 1, header, from: header.firstOrdinal, takenAt)
            return
        }
        let known = sources[index]
        // A stretch must not say of the ordinals of a hole when the tape took them: they may be
        // filled from another store.
        if header.firstOrdinal > max(known.lastOrdinal, known.tapeOrdinal) &+ 1 {
            endStretch(index)
        }
        note(.hole, header, max(known.lastOrdinal, known.tapeOrdinal) &+ 1, header.firstOrdinal)
        note(
            .givenTwice, header, header.firstOrdinal,
            min(known.lastOrdinal &+ 1, header.nextOrdinal))
        sources[index].lastOrdinal = max(known.lastOrdinal, last)
        sources[index].tapeOrdinal = last
        sources[index].epoch = header.epoch
        sources[index].written += count.written
        sources[index].skipped += count.skipped
        sources[index].deadLettered += count.deadLettered
        sources[index].givenTwice += count.givenTwice
        sources[index].apart += count.apart
        // A dead letter may become a row later, and so does what is left to a group.
        guard count.written > 0 || count.deadLettered > 0 || count.apart > 0 else { return }
        note(index, header, from: max(header.firstOrdinal, known.lastOrdinal &+ 1), takenAt)
    }

    /// Notes when the tape took the ordinals of a packet from `first` on.
    private mutating func note(
        _ index: Int, _ header: PacketHeader, from first: UInt64, _ takenAt: Timestamp
    ) {
        guard first < header.nextOrdinal else { return }
        let ordinals = first...(header.nextOrdinal - 1)
        let moment = StoredStretch.Moment(taken: takenAt, sent: header.sendTime)
        if let moment, sources[index].stretch?.extend(ordinals, at: moment) == true { return }
        endStretch(index)
        sources[index].stretch = moment.map {
            StoredStretch(header.source, ordinals, at: $0)
        }
    }

    /// Ends the stretch of a source, which is stored with the next COMMIT.
    private mutating func endStretch(_ index: Int) {
        if let ended = sources[index].stretch, ended.isChanged { stretches.append(ended) }
        sources[index].stretch = nil
    }

    /// Forgets what was said of the last batch, which is stored.
    mutating func forgetBatch() {
        gaps = []
        stretches = []
        changes = []
        members.isNew = false
        hasLeftOut = false
        apart.forgetBatch()
        for index in sources.indices { sources[index].stretch?.stored() }
    }

    /// Adds what the writing of an item said beside its counts.
    mutating func add(_ outcome: BatchOutcome, ofItem item: Int) {
        changes += outcome.changes[item] ?? []
        guard let found = outcome.groups[item], found != members.groups else { return }
        members = Members(groups: found, isNew: true)
    }

    /// Adds a gap of the ordinals `first` ..< `end`, if the range is not empty. One that goes on
    /// where the last one of the source ended is joined with it: so the gaps are the same for
    /// packets one by one and for a run of them (`RowlessRun`).
    private mutating func note(
        _ reason: SinkGap.Reason, _ header: PacketHeader, _ first: UInt64, _ end: UInt64
    ) {
        guard first < end else { return }
        if let index = gaps.lastIndex(where: { $0.source == header.source }),
            gaps[index].reason == reason, gaps[index].epoch == header.epoch,
            gaps[index].ordinals.upperBound &+ 1 == first
        {
            gaps[index].ordinals = gaps[index].ordinals.lowerBound...(end - 1)
            return
        }
        gaps.append(
            SinkGap(
                source: header.source, ordinals: first...(end - 1), reason: reason,
                epoch: header.epoch))
    }
}
