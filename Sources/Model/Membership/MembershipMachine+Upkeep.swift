internal import Primitives

// Most heartbeats of a large group report nothing new. Then neither the partitions nor the other
// members are gone through, unless the time has gone on as well (`.time`): then the members are.
extension MembershipMachine {
    /// What was found when they were gone through last.
    struct Upkeep: Sendable {
        /// Something other than a heartbeat without news has happened.
        var mustLook = true
        /// No member's silence that the last heartbeat cannot prove ends before this.
        var silenceEnds = MonotonicTime.never
        /// How often a partition came or went, and that number at the last heartbeat.
        var holdChanges = 0
        var holdChangesSent = 0
        /// No failed write waits for longer than this.
        var writesWaitUntil = MonotonicTime.distantPast
        /// The partitions whose record names an owner that is no known member.
        var strangers: Set<Int> = []
        /// The earliest time of the next assignment, and whether one waits for it.
        var assignNotBefore = MonotonicTime.distantPast
        var waitsToAssign = false
        /// The partitions that the assignment gives to this process.
        var wanted: Set<Int> = []
        /// The partitions that this process holds, or whose record names it.
        var mine: Set<Int> = []
        /// How many members were dead.
        var dead = 0
        /// Who may get partitions; `nil` after something that may have changed it.
        var candidates: [MemberName: Candidate]?
    }

    /// Whether the members have to be gone through.
    var mustLook: Bool { upkeep.mustLook || clock >= upkeep.silenceEnds }

    /// Finds the earliest end of a silence that the last heartbeat was sent too early to prove.
    mutating func findSilence() {
        upkeep.silenceEnds = .never
        guard isHearing else { return }
        for (key, peer) in peers where peer.state != .gone {
            let end = silenceEnds(key, peer)
            if lastHeartbeatAt < end { upkeep.silenceEnds = min(upkeep.silenceEnds, end) }
        }
    }

    /// Notes whom the partition's record names: this process, a known member, or another process.
    mutating func noteOwner(_ index: Int) {
        let record = slots[index].record
        let isMine = record.map { self.isMine($0) } ?? false
        if isMine || slots[index].hold != nil {
            upkeep.mine.insert(index)
        } else {
            upkeep.mine.remove(index)
        }
        if let record, record.state == .held, !isMine,
            peers[PeerKey(name: record.owner, instance: record.instance)] == nil
        {
            upkeep.strangers.insert(index)
        } else {
            upkeep.strangers.remove(index)
        }
    }

    /// Shares partitions out among these members. In a large group that takes long, and many come
    /// or go together. So the first change has an effect immediately, and those that follow closely
    /// have one together.
    mutating func assign(_ candidates: [MemberName: Candidate], _ now: MonotonicTime) {
        guard
            candidates.count != assignment.members.count
                || assignment.members.contains(where: { candidates[$0] == nil })
        else {
            upkeep.waitsToAssign = false
            return
        }
        upkeep.waitsToAssign = now < upkeep.assignNotBefore
        guard !upkeep.waitsToAssign else { return }
        let names = candidates.keys.sorted()
        assignment = Assignment(partitions: settings.partitions, members: names)
        upkeep.wanted = assignment.partitions(of: settings.member)
        let pairs = Int64(settings.partitions) * Int64(names.count)
        upkeep.assignNotBefore = now + pairs * Self.assignNanosecondsPerPair
    }

    /// Begins or ends the possession of a partition.
    mutating func setHold(_ index: Int, _ hold: Hold?) {
        slots[index].hold = hold
        noteOwner(index)
        upkeep.holdChanges += 1
    }
}
