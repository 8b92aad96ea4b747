import MarketModel
import Membership
import Primitives

/// A worker of a large group: the shipped machine with its own clock, its thread for records, and
/// a data plane. A class, because copying all of it would dominate the time of a debug build.
final class ScaleMember {
    let name: MemberName
    let instance: UInt64
    var machine: MembershipMachine
    var plane = SimulatedPlane()
    let offset: Int64
    /// Messages of NATS reach it this much later than the first members.
    let place: Int

    var isAlive = true
    /// The true time until which the process is stopped, and the events that wait meanwhile.
    var stoppedUntil = Int64.min
    var waiting: [MembershipMachine.Event] = []
    /// By its own clock.
    var steadyUntil = MonotonicTime.distantPast
    var timerAt = Int64.max

    // The calls of the records' thread, and the number of those in progress.
    var calls: [RecordCall] = []
    var isCalling = 0

    init(name: MemberName, at now: Int64, in world: ScaleWorld, using random: inout SeededRandom) {
        self.name = name
        instance = random.next() | 1
        offset = Int64.random(in: 0...1_000, using: &random) * second
        place = Int.random(in: 0..<ScaleWorld.places, using: &random)
        machine = MembershipMachine(
            MembershipMachine.Settings(
                member: name, instance: instance, leaseNanoseconds: world.lease,
                partitions: world.partitions, rank: 0, since: Timestamp(nanoseconds: now),
                release: "0.1.0", revision: "0123456789abcdef"))
    }

    func local(_ time: Int64) -> MonotonicTime { .at(offset + time) }
    func isStopped(_ now: Int64) -> Bool { now < stoppedUntil }
    func isSteady(_ now: Int64) -> Bool {
        isAlive && !isStopped(now) && local(now) < steadyUntil
    }
}
