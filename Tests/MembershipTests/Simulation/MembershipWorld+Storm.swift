import MarketModel
import Membership
import Primitives

// The faults, and what must be true when they are over.
extension MembershipWorld {
    mutating func storm() {
        if ownersBefore == nil {
            ownersBefore = bucket.entries.compactMapValues { $0.record?.instance }
        }
        guard isStorming else { return }
        strike()
        if hasDrains { drainOrRelease() }
        queue.add(.storm, at: now + Int64.random(in: 50...900, using: &random) * millisecond)
    }

    private mutating func strike() {
        switch weather.kind {
        case .calm: moveMembers(kill: false)
        case .restarts: restartServer()
        case .pauses:
            switch Int.random(in: 0..<4, using: &random) {
            case 0: stopOne()
            case 1: hangOne()
            default: moveMembers(kill: true)
            }
        case .links: Bool.random(using: &random) ? breakLink() : stallLink()
        case .slowRecords: Bool.random(using: &random) ? stopOne() : moveMembers(kill: true)
        case .doubles:
            switch Int.random(in: 0..<3, using: &random) {
            case 0: double()
            case 1: stopOne()
            default: moveMembers(kill: true)
            }
        case .selective: if Bool.random(using: &random) { moveMembers(kill: true) }
        case .destroyed: Bool.random(using: &random) ? destroy() : moveMembers(kill: true)
        case .everything:
            switch Int.random(in: 0..<8, using: &random) {
            case 0: restartServer()
            case 1: stopOne()
            case 2: hangOne()
            case 3: breakLink()
            case 4: stallLink()
            case 5: double()
            case 6 where weather.strangers: fence()
            default: moveMembers(kill: true)
            }
        }
    }

    private mutating func anybody() -> Int? {
        members.indices.filter { members[$0].isAlive }.randomElement(using: &random)
    }

    /// Limits the duration so that no fault lasts beyond the storm.
    private mutating func time(_ milliseconds: ClosedRange<Int64>) -> Int64 {
        let wish = Int64.random(in: milliseconds, using: &random) * millisecond
        return max(1, min(wish, weather.stormEnd - now))
    }

    private mutating func moveMembers(kill: Bool) {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: come("m\(members.count)")
        case 1:
            guard let index = anybody(), members.count(where: \.isAlive) > 1 else { return }
            members[index].wantsLeave = true
            handle(index, .leave)
        case 2 where kill:
            guard let index = anybody() else { return }
            die(index)
        case 3 where kill:
            // Kills a member, and restarts it immediately or after a while.
            guard let index = anybody() else { return }
            let (name, place) = (members[index].name.text, members[index].place)
            die(index)
            queue.add(.comes(name, place: place), at: now + time(1...2_000))
        default: break
        }
    }

    private mutating func die(_ index: Int) {
        members[index].isAlive = false
        members[index].link = 0
    }

    private mutating func stopOne() {
        guard let index = anybody(), !members[index].isStopped(now) else { return }
        let time = time(20...5_000)
        members[index].stoppedUntil = now + time
        queue.add(.wakes(index), at: now + time)
    }

    /// A thread of its data plane hangs, while its membership continues.
    private mutating func hangOne() {
        guard let index = anybody(), members[index].hungUntil <= now else { return }
        let time = time(20...5_000)
        members[index].hungUntil = now + time
        handle(index, .hangs(true))
        queue.add(.turnsAgain(index), at: now + time)
    }

    private mutating func restartServer() {
        guard isServerUp else { return }
        serverGoesDown(for: time(10...1_500))
    }

    private mutating func breakLink() {
        guard let index = anybody() else { return }
        cut(index, for: time(10...4_000))
    }

    private mutating func stallLink() {
        guard let index = anybody() else { return }
        let end = max(members[index].stalledUntil, now + time(50...2_000))
        members[index].stalledUntil = end
        queue.add(.flows(index, link: members[index].link), at: end)
    }

    private mutating func double() {
        guard let index = anybody() else { return }
        come(members[index].name.text, rank: members[index].machine.settings.rank)
    }

    private mutating func fence() {
        guard fences < 2, let index = anybody(), !members[index].isStopped(now),
            let partition = members[index].plane.open.keys.randomElement(using: &random),
            let tenure = members[index].plane.lose(partition)
        else { return }
        fences += 1
        handle(
            index, .answer(.lost(Partition(partition), tenure: tenure, reason: "a higher epoch")))
    }

    private mutating func destroy() {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bucket.keepCopy()
        case 1:
            guard isServerUp else { return }
            serverGoesDown(for: time(10...500))
            bucket.restoreCopy()
        case 2: bucket.restoreCopy()
        case 3: bucket.remake()
        default: bucket.delete(Int.random(in: 0..<weather.partitions, using: &random))
        }
    }

    // MARK: invariants

    mutating func audit() {
        let living = members.indices.filter { members[$0].isAlive }
        for index in living where members[index].wantsLeave { fail("\(index) cannot leave") }
        for (index, member) in members.enumerated() where member.isAlive {
            let open = member.plane.taken - member.plane.ended
            if open != member.plane.open.count { fail("\(index): takes are not paired") }
        }
        // Among members of one name, the oldest one counts.
        var eldest: [MemberName: Int] = [:]
        for index in living {
            let known = eldest[members[index].name]
            if known == nil || age(index) < age(known ?? 0) { eldest[members[index].name] = index }
        }
        for index in living {
            let isEldest = eldest[members[index].name] == index
            let wanted = isEldest ? wantedState(index) : .aside
            if members[index].machine.state != wanted {
                fail("\(index) is \(members[index].machine.state), not \(wanted)")
            }
        }
        let able = eldest.filter { bucket.drains[$0.key] == nil }
        let rank = able.values.map { members[$0].machine.settings.rank }.max()
        let names = able.filter { members[$0.value].machine.settings.rank == rank }.keys
        let assignment = Assignment(partitions: weather.partitions, members: names)
        for number in 0..<weather.partitions {
            guard let name = assignment.member(of: Partition(number)), let owner = eldest[name]
            else { continue }
            auditOwner(number, keeper(of: number, rank) ?? owner)
        }
        auditDrained(eldest, rank)
        if weather.kind == .restarts, !hasDrains, ownersBefore?.count == weather.partitions,
            ownersBefore != bucket.entries.compactMapValues({ $0.record?.instance })
        {
            fail("owners changed by restarts of NATS alone")
        }
    }

    private func age(_ index: Int) -> (Int64, UInt64) {
        (members[index].machine.settings.since.nanoseconds, members[index].instance)
    }

    private mutating func auditOwner(_ number: Int, _ owner: Int) {
        let record = bucket.entries[number]?.record
        guard record?.instance == members[owner].instance, record?.state == .held else {
            return fail("\(number) is \(String(describing: record)), not \(owner)'s")
        }
        for (index, member) in members.enumerated() where member.isAlive {
            let isOpen = member.plane.open[number].map { !$0.isReleasing } ?? false
            if isOpen != (index == owner) {
                fail("\(index): \(number) is \(isOpen ? "open" : "not open")")
            }
        }
        if !members[owner].isSteady(now) { fail("\(owner) owns \(number) and is not steady") }
    }
}
