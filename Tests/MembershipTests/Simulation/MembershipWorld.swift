import MarketModel
import Membership
import Primitives

/// A group of members on a NATS and on machines with every kind of fault. Times are true time.
struct MembershipWorld {
    enum Wire {
        indirect case heartbeat(MemberHeartbeat)
        case ask
    }

    enum Event {
        case timer(Int)
        case atServer(from: Int, link: Int, Wire)
        case arrive(to: Int, link: Int, Wire)
        case callArrives(Int, batch: Int, RecordCall, known: Int)
        case callAnswered(Int, batch: Int, MembershipMachine.Event, isLast: Bool)
        case callTimesOut(Int, batch: Int, [RecordCall])
        case planeAnswers(Int, OwnershipAnswer)
        case flows(Int, link: Int)
        case connects(Int)
        case wakes(Int)
        case turnsAgain(Int)
        case serverComesUp
        case storm
        /// A process of this name is started in this place; `nil`: in one of its own.
        case comes(String, place: UInt64?)
    }

    static let membersMax = 9

    let seed: UInt64
    var random: SeededRandom
    let weather: Weather
    /// The leases of the members, in turn.
    let leases: [Int64]
    /// Whether a person drains members and releases them during the storm.
    let hasDrains: Bool
    var now: Int64 = 0
    var queue = EventQueue<Event>()
    var bucket = SimulatedBucket()
    var members: [SimulatedMember] = []
    var isServerUp = true
    /// The time at which the last delayed write reaches the bucket.
    var lateUntil: Int64 = 0
    /// The number of a stranger's writes. The waits grow with it.
    var fences = 0
    var violations: [String] = []
    var counts = WorldCounts()
    /// The owners before the first fault.
    var ownersBefore: [Int: UInt64]?

    init(seed: UInt64, hasDrains: Bool = false) {
        self.seed = seed
        self.hasDrains = hasDrains
        random = SeededRandom(seed: seed)
        weather = Weather(seed: seed / 2, using: &random)
        leases = Self.leases(seed)
        for number in 0..<weather.members {
            let time = number == 0 ? 0 : Int64.random(in: 0...300, using: &random) * millisecond
            queue.add(.comes("m\(number)", place: nil), at: time)
        }
        queue.add(.storm, at: weather.kind == .restarts ? 2 * second : 100 * millisecond)
    }

    /// A world with members of these leases and without faults.
    init(seed: UInt64, leases: [Int64]) {
        self.seed = seed
        self.leases = leases
        hasDrains = false
        random = SeededRandom(seed: seed)
        weather = Weather(seed: 0, using: &random)
        for number in leases.indices {
            let time = number == 0 ? 0 : Int64.random(in: 0...5_000, using: &random) * millisecond
            queue.add(.comes("m\(number)", place: nil), at: time)
        }
    }

    /// Returns the leases, which differ in some worlds.
    private static func leases(_ seed: UInt64) -> [Int64] {
        SeededRandom.mixed(seed) % 4 == 1 ? [Weather.lease, 2 * Weather.lease] : [Weather.lease]
    }

    /// Lets this much time pass.
    mutating func pass(_ time: Int64) {
        while queue.nextTime <= time, let next = queue.removeFirst() {
            now = next.time
            happen(next.event)
        }
    }

    /// Returns what went wrong, as sentences. Empty if nothing did.
    mutating func run() -> [String] {
        let end = weather.stormEnd + weather.calmTime + (hasDrains ? drainTime : 0)
        var lookAt = runsToTheEnd ? end : weather.stormEnd
        var looks = 0
        while violations.isEmpty {
            if min(queue.nextTime, end) >= lookAt, lookAt < end {
                now = lookAt
                // The storm lasts until delayed writes have arrived.
                looks = now > lateUntil && isSettled ? looks + 1 : 0
                if looks == Self.looksWanted { break }
                lookAt += Self.lookInterval
                continue
            }
            guard queue.nextTime <= end, let next = queue.removeFirst() else { break }
            now = next.time
            happen(next.event)
        }
        if violations.isEmpty { audit() }
        return violations
    }

    /// Most worlds end once everything has been settled for a while. One in four runs to its end,
    /// to find what would move later.
    private var runsToTheEnd: Bool { SeededRandom.mixed(seed) % 4 == 0 }

    private static let lookInterval = 100 * millisecond
    private static let looksWanted = 10

    private var isSettled: Bool {
        mutating get {
            audit()
            defer { violations = [] }
            return violations.isEmpty
        }
    }

    var isStorming: Bool { now < weather.stormEnd }

    mutating func fail(_ what: String) {
        violations.append("seed \(seed), \(weather.kind), \(now / millisecond) ms: \(what)")
    }

    private mutating func happen(_ event: Event) {
        switch event {
        case .timer(let index):
            guard members[index].timerAt == now else { return }
            members[index].timerAt = Int64.max
            handle(index, .time)
        case .atServer(let from, _, let wire): spread(wire, from: from)
        case .arrive(let index, let link, let wire): arrive(index, link, wire)
        case .callArrives(let index, let batch, let call, let known):
            callArrives(index, batch, call, known)
        case .callAnswered(let index, let batch, let event, let isLast):
            callAnswered(index, batch, event, isLast)
        case .callTimesOut(let index, let batch, let calls): failCalls(index, batch, calls)
        case .planeAnswers(let index, let answer): planeAnswers(index, answer)
        case .flows(let index, let link): flow(index, link)
        case .connects(let index): connect(index)
        case .wakes(let index): wake(index)
        case .turnsAgain(let index): handle(index, .hangs(false))
        case .serverComesUp: serverComesUp()
        case .storm: storm()
        case .comes(let name, let place): come(name, place: place)
        }
    }

    // MARK: a process

    mutating func come(_ name: String, rank: UInt64? = nil, place: UInt64? = nil) {
        guard let name = MemberName(name), members.count < Self.membersMax else { return }
        let highest: UInt64 = weather.hasRanks ? 2 : 0
        members.append(
            SimulatedMember(
                name: name, instance: random.next() | 1,
                place: place ?? UInt64(members.count),
                rank: rank ?? UInt64.random(in: 0...highest, using: &random),
                lease: leases[members.count % leases.count], in: self, using: &random))
        connect(members.count - 1)
    }

    mutating func handle(_ index: Int, _ event: MembershipMachine.Event) {
        guard members[index].isAlive else { return }
        // A message cannot overtake those that wait on the link.
        guard !members[index].isStopped(now), members[index].waiting.isEmpty else {
            members[index].waiting.append(event)
            return
        }
        let local = members[index].local(now)
        var effects: [MembershipMachine.Effect] = []
        members[index].machine.handle(
            event, at: .init(monotonic: local, wall: Timestamp(nanoseconds: now)), into: &effects)
        for effect in effects { carryOut(effect, index) }
        setTimer(index)
        startCalls(index)
    }

    private mutating func setTimer(_ index: Int) {
        let deadline = members[index].machine.nextDeadline
        guard deadline != .never else { return }
        let time = max(now + 1, members[index].truth(deadline))
        guard time != members[index].timerAt else { return }
        members[index].timerAt = time
        queue.add(.timer(index), at: time)
    }

    private mutating func wake(_ index: Int) {
        guard members[index].isAlive, !members[index].isStopped(now) else { return }
        let waiting = members[index].waiting
        members[index].waiting = []
        // After a stop either the clock or a waiting message may come first.
        if Bool.random(using: &random) { handle(index, .time) }
        for event in waiting { handle(index, event) }
        handle(index, .time)
    }

    private mutating func carryOut(_ effect: MembershipMachine.Effect, _ index: Int) {
        switch effect {
        case .send(let heartbeat): publish(.heartbeat(heartbeat), index)
        case .ask: publish(.ask, index)
        case .read(let number, let after):
            members[index].calls.append(.read(number: number, after: after))
        case .write(let write): members[index].calls.append(.write(write))
        case .order(let order): obey(order, index)
        case .steady(let until):
            let was = members[index].isSteady(now)
            members[index].steadyUntil = until
            if !was, members[index].isSteady(now) { checkOverlap(index) }
            if members[index].machine.isHung, members[index].isSteady(now) {
                fail("\(index) hangs, and acts as an owner")
            }
        case .note(let note): counts.count(note)
        case .left:
            if !members[index].plane.open.isEmpty { fail("\(index) left and holds something") }
            members[index].hasLeft = true
            members[index].isAlive = false
        }
    }

    // MARK: data planes

    private mutating func obey(_ order: OwnershipOrder, _ index: Int) {
        members[index].plane.obey(order)
        if let nonsense = members[index].plane.nonsense.first { fail("\(index): \(nonsense)") }
        let delay = Int64.random(in: 0...weather.planeMax, using: &random)
        var above: UInt64 = 0
        if case .take = order {
            checkOverlap(index)
            if members[index].machine.drain != nil { fail("\(index) is drained and takes") }
            if Int.random(in: 0..<8, using: &random) == 0 { above = 3 }
        }
        guard let answer = order.answer(aboveEpoch: above) else { return }
        queue.add(.planeAnswers(index, answer), at: now + delay)
    }

    private mutating func planeAnswers(_ index: Int, _ answer: OwnershipAnswer) {
        guard members[index].isAlive else { return }
        guard !members[index].isStopped(now) else {
            queue.add(.planeAnswers(index, answer), at: members[index].stoppedUntil + 1)
            return
        }
        guard members[index].hungUntil <= now else {
            queue.add(.planeAnswers(index, answer), at: members[index].hungUntil + 1)
            return
        }
        if case .released(let partition, let tenure) = answer {
            guard members[index].plane.finishRelease(partition.number, tenure) else { return }
            // A repeated report is treated as one.
            if Int.random(in: 0..<4, using: &random) == 0 { handle(index, .answer(answer)) }
        }
        handle(index, .answer(answer))
    }

    /// Reports two processes that act as owners of one partition.
    private mutating func checkOverlap(_ index: Int) {
        guard weather.isFair, members[index].isSteady(now) else { return }
        for (other, member) in members.enumerated() where other != index && member.isSteady(now) {
            for partition in members[index].plane.open.keys
            where member.plane.open[partition] != nil {
                fail("\(index) and \(other) both act as owners of \(partition)")
            }
        }
    }
}

/// The situations that a world has met. Many worlds together must meet all of them.
struct WorldCounts {
    var claims = 0
    var releases = 0
    var drops = 0
    var losses = 0
    var pauses = 0
    var doubles = 0
    var unsettled = 0
    var replaced = 0
    var leaseDifferences = 0
    var drainsAsked = 0
    var drained = 0
    var drainsEnded = 0

    mutating func count(_ note: MembershipNote) {
        switch note {
        case .claimed: claims += 1
        case .released: releases += 1
        case .dropped: drops += 1
        case .fenced: losses += 1
        case .state(.paused, _): pauses += 1
        case .doubled: doubles += 1
        case .writeFailed: unsettled += 1
        case .bucketReplaced: replaced += 1
        case .leaseDiffers: leaseDifferences += 1
        case .drainAsked: drainsAsked += 1
        case .state(.drained, _): drained += 1
        case .drainEnded: drainsEnded += 1
        case .state, .readFailed, .refusedRecord, .came, .went, .tooManyMembers,
            .refusedDrain:
            break
        }
    }

    mutating func add(_ other: WorldCounts) {
        claims += other.claims
        releases += other.releases
        drops += other.drops
        losses += other.losses
        pauses += other.pauses
        doubles += other.doubles
        unsettled += other.unsettled
        replaced += other.replaced
        leaseDifferences += other.leaseDifferences
        drainsAsked += other.drainsAsked
        drained += other.drained
        drainsEnded += other.drainsEnded
    }
}
