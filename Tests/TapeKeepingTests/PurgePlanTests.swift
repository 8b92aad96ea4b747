import MarketModel
import Membership
import Primitives
import TapeCodec
import TapeTransport
import Testing

@testable import TapeKeeping

@Suite struct PurgePlanTests {
    private typealias Floor = PurgeFacts.Floor
    private typealias Subject = PurgeFacts.Subject

    private func floor(
        _ sequence: UInt64, partition: Int = 0, _ group: GroupName = .store
    ) -> PurgeFacts.Floor {
        Floor(group: group, partition: Partition(partition), sequence: sequence)
    }

    private func subject(_ partition: Int?, _ pins: UInt64...) -> PurgeFacts.Subject {
        Subject(
            name: partition.map { "md.ticks.\($0).s" } ?? "md.wm.0.s",
            partition: partition.map { Partition($0) }, pins: pins)
    }

    private func plan(
        _ floors: [PurgeFacts.Floor], _ subjects: [PurgeFacts.Subject], aged: UInt64 = 1_000,
        first: UInt64 = 1, last: UInt64 = 1_000
    ) -> PurgePlan {
        PurgePlan(
            PurgeFacts(
                firstSequence: first, lastSequence: last, agedBelow: aged, subjects: subjects,
                floors: floors))
    }

    // MARK: the plan

    @Test("nothing goes without a registered group, or while one has told nothing")
    func nobody() {
        let none = plan([], [subject(0, 900)])
        #expect(none.clearBelow == 0 && none.beyond.isEmpty && none.holder == .nobodyRegistered)
        // Of a stream that no store takes, what is old enough goes.
        let unwanted = PurgePlan(
            PurgeFacts(
                firstSequence: 1, lastSequence: 1_000, agedBelow: 400,
                subjects: [subject(0, 900)], floors: [], hasStore: true))
        #expect(unwanted.clearBelow == 400 && unwanted.pins == [900] && unwanted.holder == .age)
        let silent = floor(0, partition: 4, .operators)
        let held = plan([floor(500), silent], [subject(0, 900), subject(4, 10)])
        #expect(held.clearBelow == 0 && held.holder == .group(silent))
    }

    @Test("the lowest need of all groups and partitions decides, and pins stay")
    func lowest() {
        let plan = plan(
            [floor(500), floor(700, partition: 4), floor(600, .operators)],
            [subject(0, 900), subject(4, 20, 30), subject(nil, 999)])
        #expect(plan.clearBelow == 500 && plan.pins == [20, 30, 900, 999])
        #expect(plan.holder == .group(floor(500)))
        #expect(plan.beyond.isEmpty, "what partition 4 has read is pinned from 20 on")
    }

    @Test("a partition that lags holds the watermarks and itself, not the ticks of others")
    func beyond() {
        let plan = plan(
            [floor(100), floor(700, partition: 4), floor(600, partition: 4, .operators)],
            [subject(0, 900), subject(4, 950), subject(nil, 999)])
        #expect(plan.clearBelow == 100)
        #expect(plan.beyond == [.init(subject: "md.ticks.4.s", below: 600)])
    }

    @Test("what is young stays, and the end of the stream is never passed")
    func young() {
        let young = plan([floor(500)], [subject(0, 900)], aged: 300)
        #expect(young.clearBelow == 300 && young.holder == .age)
        let all = plan([floor(1_000)], [subject(0, 1_000)], aged: 5_000)
        #expect(all.clearBelow == 1_000)
    }

    @Test("a position above the end is of another stream, and holds everything")
    func above() {
        let only = self.plan([floor(1_001)], [subject(0, 900)])
        #expect(only.clearBelow == 0)
        let lower = self.plan([floor(2_000), floor(900, .operators)], [subject(0, 900)])
        #expect(lower.clearBelow == 0, "also when another group's is credible")
    }

    // MARK: floors

    private let created = Timestamp(nanoseconds: 7)
    private let packet = PacketIdentity(epoch: 1, firstOrdinal: 2, checksum: 3)

    private func position(_ durable: UInt64, proof: Bool = true) -> ReaderPosition {
        ReaderPosition(
            partition: Partition(0), input: .ticks, sequence: 50, durable: durable, sources: [],
            proof: proof
                ? ReaderPosition.Proof(streamCreated: created, packet: packet) : nil)
    }

    private func floor(
        of position: ReaderPosition?, created: Timestamp? = nil, standing: PacketIdentity?
    ) -> PurgeFacts.Floor {
        Floor(
            group: .store, partition: Partition(0), position: position,
            streamCreated: created ?? self.created, standing: standing)
    }

    @Test("a position counts only while its packet stands on this very stream")
    func proof() {
        #expect(floor(of: position(40), standing: packet).sequence == 40)
        #expect(floor(of: position(40), standing: packet).reason == nil)
        var other = packet
        other.checksum += 1
        let refused = [
            floor(of: nil, standing: packet), floor(of: position(0), standing: packet),
            floor(of: position(40, proof: false), standing: packet),
            floor(of: position(40), standing: nil), floor(of: position(40), standing: other),
            floor(of: position(40), created: Timestamp(nanoseconds: 8), standing: packet),
        ]
        #expect(refused.allSatisfy { $0.sequence == 0 && $0.reason != nil })
        #expect(Set(refused.compactMap(\.reason)).count == 4)
    }

    // MARK: steps

    /// Returns what a pass does on a stream of messages of one byte each.
    private func run(
        _ plan: PurgePlan, _ stream: Set<UInt64>, max: UInt64,
        owner: (UInt64) -> Int = { _ in 0 }
    ) -> (left: Set<UInt64>, steps: [PurgePass.Step]) {
        var left = stream
        var steps: [PurgePass.Step] = []
        var pass = PurgePass(
            plan, marks: PurgeMarks(bytesMax: max), bytes: UInt64(stream.count),
            messages: UInt64(stream.count))
        for _ in 0..<10_000 {
            let step = pass.next()
            steps.append(step)
            switch step {
            case .front(let below): left = left.filter { $0 >= below }
            case .seek(let from): pass.found(left.filter { $0 >= from }.min())
            case .measure: pass.measured(bytes: UInt64(left.count))
            case .subject(let purge):
                left = left.filter {
                    $0 >= purge.below || "md.ticks.\(owner($0)).s" != purge.subject
                }
            case .done: return (left, steps)
            }
        }
        return (left, steps)
    }

    @Test("in front of what stays everything goes, behind it subject by subject")
    func steps() {
        let plan = plan([floor(200)], [subject(0, 990), subject(4, 130)])
        let (left, steps) = run(plan, Set(1...1_000), max: 1_000) { $0 == 130 ? 4 : 0 }
        #expect(left == Set(200...1_000).union([130]))
        #expect(
            Array(steps.filter { $0 != .measure }.prefix(8)) == [
                .front(below: 26), .front(below: 51), .front(below: 76), .front(below: 101),
                .front(below: 126), .front(below: 130), .seek(from: 131),
                .subject(.init(subject: "md.ticks.0.s", below: 156)),
            ])
        #expect(steps.last == .done(.held))
    }

    @Test("behind a pin a piece is a share of the stream, and no subject loses what is pinned")
    func pieces() {
        let plan = plan(
            [floor(9_000), floor(9_500, partition: 4)],
            [subject(0, 9_990), subject(4, 2, 700), subject(8, 1)], aged: 10_000, last: 10_000)
        let owner = { (sequence: UInt64) in
            sequence == 1 ? 8 : sequence == 2 || sequence % 7 == 0 ? 4 : 0
        }
        let (left, steps) = run(plan, Set(1...10_000), max: 10_000, owner: owner)
        #expect(left.isSuperset(of: [1, 2, 693, 700, 707]) && !left.contains(1_000))
        let purges = steps.compactMap { step -> PurgePlan.SubjectPurge? in
            if case .subject(let purge) = step { purge } else { nil }
        }
        #expect(purges.allSatisfy { $0.subject != "md.ticks.8.s" })
        #expect(purges.filter { $0.subject == "md.ticks.4.s" }.allSatisfy { $0.below <= 2 })
        #expect(purges.first?.below == 3 + 250)
    }

    @Test("who has read all of an idle partition holds nobody up; who has not, does")
    func idle() {
        let idle = plan(
            [floor(800), floor(5, partition: 4)], [subject(0, 990), subject(4, 5)])
        #expect(idle.clearBelow == 800 && idle.pins == [5, 990])
        let behind = plan(
            [floor(800), floor(4, partition: 4)], [subject(0, 990), subject(4, 5)])
        #expect(behind.clearBelow == 4)
        let watermarks = plan(
            [floor(800), floor(5, partition: 4)],
            [subject(0, 990), subject(4, 5), subject(nil, 6)])
        #expect(watermarks.clearBelow == 5, "its readers take watermarks, too")
        let unknown = plan([floor(800), floor(5, partition: 4)], [subject(0, 990), subject(4)])
        #expect(unknown.clearBelow == 5, "nothing is known of its subject")
        let untold = plan([floor(800), floor(0, partition: 4)], [subject(0, 990)])
        #expect(untold.clearBelow == 0, "it may be about to read what is written there now")
    }

    // MARK: groups that are not needed

    private func unneeded(
        _ sequence: UInt64, partition: Int = 0
    ) -> PurgeFacts.Floor {
        Floor(
            group: letGo, partition: Partition(partition), sequence: sequence, isNeeded: false)
    }

    private let letGo = GroupName("store-b") ?? .store

    /// What the floors are, how far a purge may go, and whom a purge to there lets go.
    struct LettingGo: Sendable {
        let needed: [UInt64]
        let unneeded: [UInt64]
        let clearBelow: UInt64
        let letGoBelow: [UInt64: Int]
    }

    @Test(
        "a group that is not needed holds nothing back, and is let go where a purge passes it",
        arguments: [
            LettingGo(
                needed: [800], unneeded: [300], clearBelow: 800,
                letGoBelow: [1: 0, 300: 0, 301: 1, 800: 1]),
            LettingGo(needed: [200], unneeded: [300], clearBelow: 200, letGoBelow: [200: 0]),
            LettingGo(needed: [800], unneeded: [0, 500], clearBelow: 800, letGoBelow: [400: 1]),
            LettingGo(needed: [0], unneeded: [900], clearBelow: 0, letGoBelow: [0: 0]),
            // Nobody else has what it has not read.
            LettingGo(
                needed: [], unneeded: [300, 900], clearBelow: 300, letGoBelow: [300: 0, 700: 0]),
        ])
    func lettingGo(_ given: LettingGo) {
        let plan = plan(
            given.needed.map { floor($0) } + given.unneeded.map { unneeded($0) },
            [subject(0, 1_000)])
        #expect(plan.clearBelow == given.clearBelow)
        for (below, count) in given.letGoBelow {
            #expect(plan.letGo(below: below).count == count, "below \(below)")
        }
        if let lowest = given.needed.min() {
            #expect(plan.holder == .group(floor(lowest)))
        }
    }

    @Test("a store is let go only of what a store that is needed has: no other group has its rows")
    func onlyStore() {
        let alone = plan([floor(800, .operators), unneeded(300)], [subject(0, 1_000)])
        #expect(alone.clearBelow == 300 && alone.holder == .group(unneeded(300)))
        #expect(alone.letGo(below: 1_000).isEmpty)
        let beside = plan(
            [floor(800, .operators), floor(600), unneeded(300)], [subject(0, 1_000)])
        #expect(beside.clearBelow == 600)
        #expect(beside.letGo(below: 600).map(\.floor) == [unneeded(300)])
    }

    @Test("programs of people that are not needed hold nothing back, wherever no store is needed")
    func follower() {
        let features = Floor(
            group: GroupName("features") ?? .store, partition: Partition(0), sequence: 300,
            isNeeded: false)
        let beside = plan([floor(800), features], [subject(0, 1_000)])
        #expect(beside.clearBelow == 800)
        #expect(beside.letGo(below: 800).map(\.floor) == [features])
        let alone = plan([floor(700, .operators), features], [subject(0, 1_000)])
        #expect(alone.clearBelow == 700)
        #expect(alone.letGo(below: 700).map(\.floor) == [features])
    }

    @Test("of a partition without messages no group is let go, and of one at most of the newest")
    func letGoOfQuiet() {
        let plan = plan(
            [floor(900), floor(900, partition: 4), unneeded(300), unneeded(0, partition: 4)],
            [subject(0, 650)])
        #expect(plan.letGo(below: 700) == [.init(floor: unneeded(300), below: 650)])
        var table = LetGoTable()
        #expect(table.add(plan.letGo(below: 700)) == [letGo: 1])
        var group = RegisteredGroup(group: letGo, registered: .undefined, reads: [.ticks])
        group.positions = [
            ReaderPosition(
                partition: Partition(0), input: .ticks, sequence: 650, durable: 650, sources: [])
        ]
        table.removeContinued([group], .ticks)
        #expect(table.isEmpty, "it has read the newest message")
    }

    @Test("a purge lets go of a group only if the stream would stay above its goal without that")
    func letGoOnlyIfNecessary() {
        for (position, isLetGo) in [(UInt64(300), true), (700, false)] {
            let plan = plan([floor(900), unneeded(position)], [subject(0, 1_000)])
            var pass = PurgePass(
                plan, marks: PurgeMarks(bytesMax: 1_000), bytes: 1_000, messages: 1_000)
            var steps = 0
            while steps < 1_000 {
                steps += 1
                let step = pass.next()
                if step == .measure { pass.measured(bytes: 1_001 - pass.cursor) }
                if case .done(let outcome) = step {
                    #expect(outcome == .reached)
                    break
                }
            }
            #expect((300...330).contains(pass.cursor), "\(pass.cursor)")
            #expect(plan.letGo(below: pass.cursor).isEmpty != isLetGo)
        }
    }

    @Test("a purge of one subject lets go who has not read its partition")
    func letGoOfSubject() {
        let plan = plan(
            [floor(100), floor(900, partition: 4), unneeded(500), unneeded(500, partition: 4)],
            [subject(0, 990), subject(4, 950)])
        #expect(plan.beyond == [.init(subject: "md.ticks.4.s", below: 900)])
        #expect(plan.letGo(below: 100).isEmpty)
        #expect(
            plan.letGo(below: 100, beyond: plan.beyond)
                == [.init(floor: unneeded(500, partition: 4), below: 900)])
    }

    @Test("a group that was let go counts as such until its position is after what was purged")
    func letGoTable() {
        var table = LetGoTable()
        func purged(_ below: UInt64) -> [PurgePlan.LetGo] {
            [unneeded(5), unneeded(7, partition: 4)].map { .init(floor: $0, below: below) }
        }
        #expect(table.add(purged(100)) == [letGo: 2])
        #expect(table.add(purged(200)) == [:])
        #expect(table.partitions == [letGo: 2])
        var group = RegisteredGroup(
            group: letGo, registered: .undefined, reads: [.ticks, .bars])
        group.positions = [
            ReaderPosition(
                partition: Partition(0), input: .ticks, sequence: 200, durable: 200, sources: []),
            ReaderPosition(
                partition: Partition(4), input: .ticks, sequence: 300, durable: 199, sources: []),
            ReaderPosition(
                partition: Partition(4), input: .bars, sequence: 900, durable: 900, sources: []),
        ]
        table.removeContinued([group], .ticks)
        #expect(table.partitions == [letGo: 1])
        table.removeContinued([], .ticks)
        #expect(table.isEmpty)
    }

    @Test("it ends when the stream is small enough, after few steps too many")
    func goal() {
        let plan = plan([floor(1_000)], [subject(0, 1_000)])
        let (left, steps) = run(plan, Set(1...1_000), max: 1_250)
        #expect((843...875).contains(left.count))
        #expect(steps.last == .done(.reached))
    }

    @Test("holes are passed over, not tried one by one")
    func holes() {
        let plan = plan([floor(900)], [subject(0, 990), subject(4, 1)])
        let stream = Set<UInt64>(800...1_000).union([1]).subtracting(850...860)
        let (left, steps) = run(plan, stream, max: 140) { $0 == 1 ? 4 : 0 }
        #expect(left == Set<UInt64>(900...1_000).union([1]))
        #expect(steps.count < 100)
    }

    @Test("subjects that others hold up go only when the stream is nearly full")
    func urgent() {
        let plan = plan(
            [floor(100), floor(700, partition: 4)], [subject(0, 900), subject(4, 950)])
        let easy = run(plan, Set(100...1_000), max: 1_050)
        #expect(easy.steps.last == .done(.held) && easy.left.count == 901)
        let urgent = run(plan, Set(100...1_000), max: 1_000) { $0 % 2 == 0 ? 4 : 0 }
        #expect(urgent.steps.contains(.subject(.init(subject: "md.ticks.4.s", below: 700))))
        #expect(urgent.left.count == 601 && urgent.steps.last == .done(.reached))
    }

    @Test("marks are shares of the limit, also of the largest")
    func marks() {
        let marks = PurgeMarks(bytesMax: 1_000)
        #expect((marks.startBytes, marks.goalBytes, marks.urgentBytes) == (750, 700, 900))
        #expect(PurgeMarks(bytesMax: .max).startBytes > UInt64.max / 100 * 74)
    }

    @Test("a stream is looked at again before it can be full enough for a purge")
    func checks() {
        let marks = PurgeMarks(bytesMax: 400_000_000)
        let pause = { marks.nanosecondsToStart(bytes: $0, max: 2_000_000_000) }
        #expect(pause(0) == 2_000_000_000)
        #expect(pause(200_000_000) == 1_000_000_000)
        #expect(pause(299_999_999) == 10)
        #expect(pause(300_000_000) == 0 && pause(.max) == 0)
        #expect(PurgeMarks(bytesMax: .max).nanosecondsToStart(bytes: 0, max: 7) == 7)
    }

    @Test("publishers have the stream for themselves the longer, the emptier it is")
    func pace() {
        let marks = PurgeMarks(bytesMax: 1_000)
        #expect(PurgePace.pause(after: 1_000_000, bytes: 600, marks: marks) == 4_000_000)
        #expect(PurgePace.pause(after: 1_000_000, bytes: 800, marks: marks) == 2_000_000)
        #expect(PurgePace.pause(after: 1_000_000_000, bytes: 800, marks: marks) == 50_000_000)
        #expect(PurgePace.pause(after: 1_000_000, bytes: 900, marks: marks) == 0)
        #expect(PurgePace.pause(after: -5, bytes: 0, marks: marks) == 0)
    }
}
