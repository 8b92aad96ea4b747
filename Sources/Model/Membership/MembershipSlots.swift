internal import MarketModel
internal import Primitives

/// The partitions as this process knows them: their records, and what it holds. Times are
/// monotonic.
struct MembershipSlots: Sendable {
    private let member: MemberName
    private let instance: UInt64
    /// By partition number.
    private var all: [MembershipSlot]
    /// The partitions that this process holds, or whose record names it.
    private(set) var mine: Set<Int> = []
    /// The partitions whose record names an owner that is no known member.
    private(set) var strangers: Set<Int> = []
    /// How often a partition came or went.
    private(set) var holdChanges = 0
    /// No failed write waits for longer than this.
    private(set) var writesWaitUntil = MonotonicTime.distantPast
    /// The number of the last tenure, and the id of the last write.
    private var tenures: UInt64 = 0
    private var writes: UInt64 = 0

    /// The wait between two tries of a failed write: the first, and the longest.
    private static let writeWaitFirst: Int64 = 20_000_000
    private static let writeWaitMax: Int64 = 1_000_000_000
    /// The wait before a claim after a process outside of the group took the partition: the first,
    /// and the longest.
    private static let lossWaitFirst: Int64 = 1_000_000_000
    private static let lossWaitMax: Int64 = 30_000_000_000

    init(_ settings: MembershipMachine.Settings) {
        member = settings.member
        instance = settings.instance
        all = [MembershipSlot](repeating: MembershipSlot(), count: settings.partitions)
    }

    var indices: Range<Int> { all.indices }
    subscript(_ index: Int) -> MembershipSlot { all[index] }

    /// Returns whether the record names this process as the owner.
    func isMine(_ record: OwnershipRecord) -> Bool {
        record.owner == member && record.instance == instance
    }

    /// Whether a record says that this process has the partition.
    func namesMe(_ index: Int) -> Bool {
        all[index].record.map { isMine($0) && $0.state == .held } ?? false
    }

    /// Whom the records name.
    var owners: Set<MembershipPeers.Key> {
        Set(all.compactMap { $0.record.map { MembershipPeers.Key(ownerOf: $0) } })
    }

    /// The numbers of the partitions that this process owns, in order.
    var held: [Int] { mine.filter { all[$0].hold != nil }.sorted() }
    var holdsAny: Bool { mine.contains { all[$0].hold != nil } }
    /// Whether nothing is held and no write is in progress.
    var isIdle: Bool { all.allSatisfy { $0.hold == nil && $0.pending == nil } }

    /// Whether the record of each held partition was written since this pause. One that is being
    /// freed needs no such proof.
    func isConfirmed(since generation: UInt64) -> Bool {
        all.allSatisfy {
            $0.hold.map { $0.stage == .freeing || $0.confirmed == generation } ?? true
        }
    }

    // MARK: what was read

    /// Forgets the records before all of them are taken.
    mutating func clear(_ peers: MembershipPeers) {
        for index in all.indices {
            all[index].record = nil
            all[index].revision = 0
        }
        for index in mine.union(strangers) { noteOwner(index, peers) }
    }

    /// Takes one record that was read. Returns the record if this process has not seen that write
    /// before; `isTaken` is false when a newer one is known.
    mutating func take(
        _ change: RecordsRead.Change, _ peers: MembershipPeers, at now: MonotonicTime
    ) -> (isTaken: Bool, news: OwnershipRecord?) {
        let index = change.partition.number
        // Records of higher partitions remain from a time with more partitions.
        guard all.indices.contains(index), change.revision > all[index].revision else {
            return (false, nil)
        }
        all[index].revision = change.revision
        let isNew = all[index].seen != change.revision
        all[index].seen = change.revision
        if isNew { all[index].seenAt = now }
        all[index].record = nil
        if case .record(let record) = change.content {
            all[index].record = record
            all[index].epochFloor = max(all[index].epochFloor, record.epoch)
        }
        noteOwner(index, peers)
        return (true, isNew ? all[index].record : nil)
    }

    /// Notes whom the partition's record names: this process, a known member, or another process.
    mutating func noteOwner(_ index: Int, _ peers: MembershipPeers) {
        let record = all[index].record
        let isMine = record.map { self.isMine($0) } ?? false
        if isMine || all[index].hold != nil { mine.insert(index) } else { mine.remove(index) }
        if let record, record.state == .held, !isMine,
            !peers.knows(MembershipPeers.Key(ownerOf: record))
        {
            strangers.insert(index)
        } else {
            strangers.remove(index)
        }
    }

    // MARK: writing

    /// Begins a write of a record, if its last write is still the one that is known here.
    mutating func write(
        _ index: Int, _ record: OwnershipRecord, _ kind: MembershipSlot.Pending.Kind,
        generation: UInt64, link: Int
    ) -> RecordWrite {
        let slot = all[index]
        precondition(slot.pending == nil, "a record has at most one write in progress")
        precondition(isMine(record), "a process writes records of its own")
        precondition(record.epoch >= slot.record?.epoch ?? 0, "epochs do not fall")
        precondition(kind != .claim || record.epoch > slot.epochFloor, "a claim raises the epoch")
        precondition(record.epoch < OwnershipRecord.epochMax, "others would refuse the record")
        writes += 1
        all[index].pending = MembershipSlot.Pending(
            id: writes, kind: kind, record: record, generation: generation, link: link)
        return RecordWrite(
            id: writes, partition: Partition(index), record: record, expected: slot.revision)
    }

    /// Remembers from whom the partition is claimed.
    mutating func claims(_ index: Int, from origin: MembershipSlot.Origin) {
        all[index].origin = origin
    }

    /// Ends the write with this id. `nil`: it was another one.
    mutating func ended(_ partition: Partition, _ id: UInt64) -> MembershipSlot.Pending? {
        let index = partition.number
        guard all.indices.contains(index), let pending = all[index].pending, pending.id == id
        else { return nil }
        all[index].pending = nil
        return pending
    }

    /// Takes what was stored. Returns false when a later write of another process is known.
    mutating func stored(
        _ index: Int, _ pending: MembershipSlot.Pending, _ revision: UInt64,
        _ peers: MembershipPeers
    ) -> Bool {
        all[index].failures = 0
        all[index].conflicts = 0
        all[index].epochFloor = max(all[index].epochFloor, pending.record.epoch)
        guard revision >= all[index].revision else { return false }
        all[index].revision = revision
        all[index].record = pending.record
        noteOwner(index, peers)
        return true
    }

    /// Requires that a read after this one succeeds before the record is written again.
    mutating func mustRead(_ index: Int, after read: UInt64) { all[index].readMark = read }

    /// Another write was stored before. Returns how often in a row.
    mutating func conflicted(_ index: Int) -> Int {
        all[index].conflicts += 1
        return all[index].conflicts
    }

    mutating func failed(_ index: Int, at now: MonotonicTime) {
        let wait = Self.writeWaitFirst << Int64(min(6, all[index].failures))
        all[index].failures += 1
        all[index].notBefore = now + min(wait, Self.writeWaitMax)
        writesWaitUntil = max(writesWaitUntil, all[index].notBefore)
    }

    // MARK: tenures

    /// Begins a tenure after a claim was stored.
    mutating func take(
        _ index: Int, _ pending: MembershipSlot.Pending, _ peers: MembershipPeers
    ) -> Claim {
        precondition(pending.kind == .claim && all[index].hold == nil, "a tenure begins by a claim")
        tenures += 1
        let origin =
            all[index].origin ?? MembershipSlot.Origin(previous: nil, wasReleased: true)
        all[index].origin = nil
        all[index].hold = MembershipSlot.Hold(
            tenure: tenures, epoch: pending.record.epoch, confirmed: pending.generation)
        holdsChanged(index, peers)
        return Claim(
            tenure: tenures, epoch: pending.record.epoch, previous: origin.previous,
            wasReleased: origin.wasReleased)
    }

    /// The record of a held partition says that this process has it still.
    mutating func keeps(_ index: Int, epoch: UInt64) { all[index].hold?.epoch = epoch }

    mutating func confirm(_ index: Int, _ generation: UInt64) {
        all[index].hold?.confirmed = generation
    }

    mutating func opened(_ index: Int, _ epoch: UInt64) {
        let opened = max(all[index].hold?.opened ?? 0, epoch)
        all[index].hold?.opened = opened
        all[index].epochFloor = max(all[index].epochFloor, epoch)
    }

    /// Begins a hand-over. Returns the tenure that ends by it.
    mutating func release(_ index: Int, at now: MonotonicTime) -> UInt64 {
        precondition(all[index].hold?.stage == .held, "what is held is released, and once")
        all[index].hold?.stage = .releasing
        all[index].hold?.releasedAt = now
        return all[index].hold?.tenure ?? 0
    }

    /// The data plane has released it.
    mutating func released(_ index: Int, at now: MonotonicTime) {
        guard let hold = all[index].hold, hold.stage != .freeing else { return }
        all[index].hold?.stage = .freeing
        if hold.releasedAt == .distantPast { all[index].hold?.releasedAt = now }
    }

    mutating func giveUp(_ index: Int, _ peers: MembershipPeers) {
        precondition(all[index].hold != nil, "only what is held is given up")
        all[index].hold = nil
        holdsChanged(index, peers)
    }

    private mutating func holdsChanged(_ index: Int, _ peers: MembershipPeers) {
        noteOwner(index, peers)
        holdChanges += 1
    }

    /// Makes the next claim wait after a process outside of the group took the partition: twice as
    /// long each time, because the two would otherwise fence each other without end. Returns the
    /// wait.
    mutating func lost(_ index: Int, at now: MonotonicTime) -> Int64 {
        if now - all[index].lostAt > 2 * Self.lossWaitMax { all[index].losses = 0 }
        let wait =
            min(Self.lossWaitFirst << Int64(min(5, all[index].losses)), Self.lossWaitMax)
        all[index].losses += 1
        all[index].lostAt = now
        all[index].claimNotBefore = now + wait
        return wait
    }
}
