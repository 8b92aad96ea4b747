import MarketModel
import Membership
import Primitives

/// A call of a member's thread for records.
enum RecordCall {
    case read(number: UInt64, after: UInt64)
    case write(RecordWrite)
}

extension [RecordCall] {
    /// Takes one read, or all writes that wait, as the thread for records does.
    mutating func takeBatch() -> [RecordCall] {
        if case .read? = first { return [removeFirst()] }
        let batch = Array(prefix { if case .write = $0 { true } else { false } })
        removeFirst(batch.count)
        return batch
    }
}

/// A process: the shipped machine with its own clock, link, thread for records, and data plane. It
/// is a class because copying all of it would dominate the time of a debug build.
final class SimulatedMember {
    let name: MemberName
    let instance: UInt64
    /// Where the process was started: one at a time.
    let place: UInt64
    var machine: MembershipMachine
    var plane = SimulatedPlane()
    /// The clock's drift in parts per million.
    let drift: Int64
    let offset: Int64

    var isAlive = true
    /// The true time until which the process is stopped.
    var stoppedUntil = Int64.min
    /// The true time until which its data plane hangs, as its watch has noticed.
    var hungUntil = Int64.min
    /// The number of its link; 0 if it has none.
    var link = 0
    var links = 0
    /// The link delivers nothing until this time.
    var stalledUntil = Int64.min
    var stalled: [MembershipWorld.Wire] = []
    var lastArrival = Int64.min
    var lastDeparture = Int64.min
    /// By its own clock.
    var steadyUntil = MonotonicTime.distantPast
    var hasLeft = false
    var wantsLeave = false

    // The calls of the records' thread.
    var calls: [RecordCall] = []
    var isCalling = false
    /// The calls without an answer.
    var under: [RecordCall] = []
    var batch = 0
    var knownBucket = 0

    var timerAt = Int64.max
    var waiting: [MembershipMachine.Event] = []

    init(
        name: MemberName, instance: UInt64, place: UInt64, rank: UInt64, lease: Int64,
        in world: MembershipWorld, using random: inout SeededRandom
    ) {
        self.name = name
        self.instance = instance
        self.place = place
        drift = Int64.random(in: -4_000...4_000, using: &random)
        offset = Int64.random(in: 0...1_000, using: &random) * second
        var settings = MembershipMachine.Settings(
            member: name, instance: instance, leaseNanoseconds: lease,
            partitions: world.weather.partitions, rank: rank,
            // Wall clocks may differ by seconds.
            since: Timestamp(
                nanoseconds: world.now + Int64.random(in: -2...2, using: &random) * second),
            release: "1")
        settings.place = place
        machine = MembershipMachine(settings)
    }

    func local(_ time: Int64) -> MonotonicTime { .at(offset + time + time / 1_000_000 * drift) }

    /// Returns the true time at which its clock shows this or slightly more.
    func truth(_ target: MonotonicTime) -> Int64 {
        var time = target - .at(offset)
        for _ in 0..<4 where local(time) != target { time += target - local(time) }
        while local(time) < target { time += 1_000 }
        return time
    }

    func isStopped(_ now: Int64) -> Bool { now < stoppedUntil }
    func isSteady(_ now: Int64) -> Bool {
        isAlive && !isStopped(now) && local(now) < steadyUntil
    }
}
