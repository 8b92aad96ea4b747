import MarketModel
import Membership
import Primitives

/// A large group on a NATS that works. Times are true time. A message reaches the members of one
/// place at the same time, because an event for each of a hundred members would take most of the
/// test's time.
struct ScaleWorld {
    enum Event {
        case timer(Int)
        case arrive(place: Int, MemberHeartbeat)
        case asked(place: Int)
        case callArrives(Int, RecordCall)
        case callAnswered(Int, MembershipMachine.Event)
        case planeAnswers(Int, OwnershipAnswer)
        case comes(String)
        case wakes(Int)
    }

    static let places = 4

    let partitions: Int
    let lease: Int64
    var random: SeededRandom
    var now: Int64 = 0
    var queue = EventQueue<Event>()
    var bucket: ScaleBucket
    /// All that ever were. Those that live are also in `living`, in the order of their coming.
    var members: [ScaleMember] = []
    var living: [Int] = []
    /// When the last message reaches each place.
    var arrivals = [Int64](repeating: 0, count: places)
    var counts = ScaleCounts()
    /// What went wrong, as sentences.
    var violations: [String] = []

    init(seed: UInt64, partitions: Int, lease: Int64) {
        self.partitions = partitions
        self.lease = lease
        random = SeededRandom(seed: seed)
        bucket = ScaleBucket(partitions: partitions)
    }

    // MARK: what a test lets happen

    /// Lets new processes with these names come within a time.
    mutating func come(_ names: some Sequence<String>, within time: Int64) {
        for name in names {
            queue.add(.comes(name), at: now + Int64.random(in: 1...time, using: &random))
        }
    }

    mutating func kill(_ index: Int) {
        members[index].isAlive = false
        living.removeAll { $0 == index }
    }

    mutating func stop(_ index: Int, for time: Int64) {
        members[index].stoppedUntil = now + time
        queue.add(.wakes(index), at: now + time)
    }

    mutating func leave(_ index: Int) { handle(index, .leave) }

    mutating func pass(_ time: Int64) {
        let end = now + time
        while queue.nextTime <= end, let next = queue.removeFirst() {
            now = next.time
            happen(next.event)
        }
        now = end
    }

    /// Lets time pass until each partition is where it belongs and `count` members are ready.
    /// Returns false if that is not so after `limit`.
    mutating func settle(_ count: Int, within limit: Int64) -> Bool {
        let end = now + limit
        while now < end {
            pass(100 * millisecond)
            if isSettled(count) { return true }
        }
        return false
    }

    // MARK: what holds

    func isSettled(_ count: Int) -> Bool {
        guard living.count == count,
            living.allSatisfy({ members[$0].machine.state == .ready && !members[$0].isStopped(now) }
            )
        else { return false }
        let owners = Dictionary(uniqueKeysWithValues: living.map { (members[$0].instance, $0) })
        let assignment = Assignment(
            partitions: partitions, members: living.map { members[$0].name })
        return bucket.entries.indices.allSatisfy { number in
            guard let record = bucket.entries[number]?.record, record.state == .held,
                let owner = owners[record.instance]
            else { return false }
            return members[owner].name == assignment.member(of: Partition(number))
                && members[owner].plane.open[number]?.isReleasing == false
                && members[owner].isSteady(now)
        }
    }

    /// How many partitions each living member works on.
    var loads: [Int] { living.map { members[$0].plane.open.count } }

    /// Reports another process that acts as an owner of this partition at this moment.
    private mutating func checkOwner(_ index: Int, _ partition: Int) {
        guard members[index].isSteady(now) else { return }
        for other in living where other != index && members[other].plane.open[partition] != nil {
            guard members[other].isSteady(now) else { continue }
            fail("\(members[index].name) and \(members[other].name) both own \(partition)")
        }
    }

    mutating func fail(_ what: String) { violations.append("\(now / millisecond) ms: \(what)") }

    // MARK: events

    private mutating func happen(_ event: Event) {
        switch event {
        case .timer(let index):
            guard members[index].timerAt == now else { return }
            members[index].timerAt = Int64.max
            handle(index, .time)
        case .arrive(let place, let heartbeat): deliver(.heartbeat(heartbeat), to: place)
        case .asked(let place): deliver(.asked, to: place)
        case .callArrives(let index, let call): callArrives(index, call)
        case .callAnswered(let index, let answer):
            members[index].isCalling -= 1
            handle(index, answer)
        case .planeAnswers(let index, let answer): planeAnswers(index, answer)
        case .comes(let name): come(name)
        case .wakes(let index): wake(index)
        }
    }

    private mutating func come(_ name: String) {
        guard let name = MemberName(name) else { return }
        members.append(ScaleMember(name: name, at: now, in: self, using: &random))
        living.append(members.count - 1)
        handle(members.count - 1, .connected)
    }

    private mutating func wake(_ index: Int) {
        guard members[index].isAlive else { return }
        let waiting = members[index].waiting
        members[index].waiting = []
        for event in waiting { handle(index, event) }
        handle(index, .time)
        // What it still holds counts as its own again only now.
        for partition in members[index].plane.open.keys { checkOwner(index, partition) }
    }

    mutating func handle(_ index: Int, _ event: MembershipMachine.Event) {
        let member = members[index]
        guard member.isAlive else { return }
        guard !member.isStopped(now) else {
            member.waiting.append(event)
            return
        }
        var effects: [MembershipMachine.Effect] = []
        member.machine.handle(
            event,
            at: .init(monotonic: member.local(now), wall: Timestamp(nanoseconds: now)),
            into: &effects)
        for effect in effects { carryOut(effect, index) }
        setTimer(member, index)
        if member.isCalling == 0, !member.calls.isEmpty { startCalls(index) }
    }

    private mutating func setTimer(_ member: ScaleMember, _ index: Int) {
        let deadline = member.machine.nextDeadline
        guard deadline != .never else { return }
        let time = max(now + 1, deadline - .at(member.offset))
        guard time != member.timerAt else { return }
        member.timerAt = time
        queue.add(.timer(index), at: time)
    }

    private mutating func carryOut(_ effect: MembershipMachine.Effect, _ index: Int) {
        switch effect {
        case .send(let heartbeat): publish(heartbeat)
        case .ask: ask()
        case .read(let number, let after):
            members[index].calls.append(.read(number: number, after: after))
        case .write(let write): members[index].calls.append(.write(write))
        case .order(let order): obey(order, index)
        case .steady(let until):
            let was = members[index].isSteady(now)
            members[index].steadyUntil = until
            guard !was else { return }
            for partition in members[index].plane.open.keys { checkOwner(index, partition) }
        case .note(let note): counts.count(note)
        case .left:
            if !members[index].plane.open.isEmpty { fail("\(index) left and holds something") }
            kill(index)
        }
    }

    // MARK: data planes

    private mutating func obey(_ order: OwnershipOrder, _ index: Int) {
        members[index].plane.obey(order)
        if let nonsense = members[index].plane.nonsense.first { fail("\(index): \(nonsense)") }
        let delay = Int64.random(in: 1...20, using: &random) * millisecond
        if case .take(let partition, _) = order { checkOwner(index, partition.number) }
        if let answer = order.answer() { queue.add(.planeAnswers(index, answer), at: now + delay) }
    }

    private mutating func planeAnswers(_ index: Int, _ answer: OwnershipAnswer) {
        guard members[index].isAlive else { return }
        guard !members[index].isStopped(now) else {
            queue.add(.planeAnswers(index, answer), at: members[index].stoppedUntil + 1)
            return
        }
        if case .released(let partition, let tenure) = answer {
            guard members[index].plane.finishRelease(partition.number, tenure) else { return }
        }
        handle(index, .answer(answer))
    }
}
