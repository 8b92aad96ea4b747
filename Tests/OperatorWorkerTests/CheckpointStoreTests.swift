import MarketModel
import OperatorGraph
import NatsTransport
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

@Suite struct CheckpointStoreTests {
    private let server = BucketServer()
    private let keys = CheckpointKeys(partition: 0)
    private let program: GraphProgram

    init() throws { program = GraphProgram(.simple(try BarSeriesSet(["1s"]))) }

    private func store(
        _ faults: SimulatedBucket.Faults = SimulatedBucket.Faults(), partBytesMax: Int = 40
    ) -> CheckpointStore<SimulatedBucket> {
        CheckpointStore(
            SimulatedBucket(server, faults, seed: 1), partition: 0, partBytesMax: partBytesMax)
    }

    private func image(
        _ output: UInt64, generation: UInt32 = 1, definition: UInt64 = 9, padding: Int = 0
    ) throws -> CheckpointImage {
        let end = OutputLedger.End(ordinal: output, checksum: output)
        let input = CheckpointInput(
            position: TapePosition(
                streamCreated: Timestamp(nanoseconds: 7), sequence: output,
                packet: PacketIdentity(epoch: 1, firstOrdinal: 1, checksum: 1),
                sources: try (0..<padding).map {
                    SourceOrdinal(
                        source: try #require(SourceName("source-\($0 + 100)")), epoch: 1,
                        lastOrdinal: 1)
                }), publishFrom: nil, hasBegun: true)
        var image = CheckpointImage(
            definition: definition, generation: generation, output: end, sequence: output,
            bytes: [])
        let checkpoint = OperatorCheckpoint(
            definition: definition, generation: generation, output: end, input: input.bytes)
        try checkpoint.encode(into: &image.bytes) { GraphMachine(program).encode(into: &$0) }
        return image
    }

    private func newest(
        _ store: inout CheckpointStore<SimulatedBucket>
    ) throws -> StoredCheckpoints {
        try store.load(definition: 9, generation: 1, program: program)
    }

    private var liveKeys: [String] { server.keys.filter { server.value($0) != nil } }

    @Test("three slots take turns, two checkpoints stand, and surplus parts go")
    func slots() throws {
        var store = store()
        for number: UInt64 in 1...7 {
            // Every third one is longer.
            let outcome = try store.write(
                image(number, padding: number % 3 == 0 ? 9 : 0), epoch: 1)
            #expect(outcome == .stored(number: number))
            let found = try newest(&store)
            #expect(found.candidate?.output?.ordinal == number && found.damage.isEmpty)
            #expect(
                found.head?.entries.map(\.manifest.number)
                    == (number == 1 ? [1] : [number, number - 1]))
        }
        // Slot 0 holds the long checkpoint, number 6. Slot 1 holds a short one, which never
        // replaced a longer one.
        let head = try #require(try newest(&store).head)
        let parts = head.entries.reduce(0) { $0 + $1.manifest.parts.count }
        let third = try image(5).bytes.count
        #expect(liveKeys.count == 1 + parts + (third + 39) / 40)
        // A short one into the slot of the long one, written by an owner that must first read the
        // slot.
        var other = self.store()
        for number: UInt64 in 8...9 { _ = try other.write(image(number), epoch: 1) }
        #expect(liveKeys.count == 1 + 3 * ((third + 39) / 40))
    }

    @Test("a write that breaks off at any call leaves a checkpoint that is whole")
    func torn() throws {
        var first = store()
        _ = try first.write(image(1), epoch: 1)
        _ = try first.write(image(2), epoch: 1)
        for calls in 0..<40 {
            var torn = store()
            torn.bucket.callsLeft = calls
            let before = try #require(try newest(&first).candidate?.output?.ordinal)
            let outcome = try? torn.write(image(before + 1), epoch: 1)
            let found = try newest(&first)
            let after = try #require(found.candidate?.output?.ordinal)
            #expect(found.damage.isEmpty, "\(calls) calls: \(found.damage)")
            #expect(after == before || after == before + 1)
            #expect(outcome == nil || after == before + 1)
        }
    }

    @Test("answers that are lost, and writes that come late, settle")
    func unknown() throws {
        var random = SeededRandom(seed: 5)
        for seed in 1...60 as ClosedRange<UInt64> {
            var store = CheckpointStore(
                SimulatedBucket(
                    server, SimulatedBucket.Faults(fails: 30, unknown: 250), seed: seed),
                partition: 0, partBytesMax: 40)
            for _ in 0..<5 {
                do {
                    let ordinal = (try newest(&store).candidate?.output?.ordinal ?? 0) + 1
                    _ = try store.write(image(ordinal), epoch: 1)
                } catch {
                    store.forget()
                }
                server.settle(using: &random)
            }
        }
        var calm = store()
        let found = try newest(&calm)
        #expect(found.candidate != nil && found.damage.isEmpty)
        #expect((found.head?.entries[0].manifest.number ?? 0) > 20)
    }

    @Test("an older owner leaves, also before it touches a part; an equal one goes on")
    func owners() throws {
        var old = store()
        #expect(try old.claim(epoch: 1) == [])
        _ = try old.write(image(1), epoch: 1)
        _ = try old.write(image(2), epoch: 1)
        var new = store()
        #expect(try new.claim(epoch: 2) == [])
        guard case .superseded = try old.write(image(3), epoch: 1) else {
            Issue.record("the older owner wrote after the claim")
            return
        }
        // A claim does not change the stored checkpoint.
        #expect(try newest(&new).candidate?.output?.ordinal == 2)
        _ = try new.write(image(3), epoch: 2)
        let parts = server.keys.map { server.value($0) }
        guard case .superseded(let reason) = try old.write(image(3), epoch: 1) else {
            Issue.record("the older owner wrote")
            return
        }
        #expect(reason.contains("epoch 2"))
        #expect(server.keys.map { server.value($0) } == parts)
        #expect(try new.write(image(4), epoch: 2) == .stored(number: 4))
    }

    @Test("a claim writes over the head that was read, and reads it again if that has changed")
    func claims() throws {
        var old = store()
        _ = try old.claim(epoch: 1)
        _ = try old.write(image(1), epoch: 1)
        var (next, late) = (store(), store())
        _ = try newest(&next)
        _ = try newest(&late)
        next.bucket.callsLeft = 1
        #expect(try next.claim(epoch: 2) == [])
        next.bucket.callsLeft = nil
        _ = try next.write(image(2), epoch: 2)
        // The other one has read the head before both writes.
        #expect(try late.claim(epoch: 3) == [])
        let parts = try #require(try newest(&next).head?.entries.first).manifest.parts.count
        late.bucket.callsLeft = parts
        let found = try late.load(
            definition: 9, generation: 1, program: program, isClaimed: true)
        #expect(found.candidate?.output?.ordinal == 2 && found.head?.epoch == 3)
        // One of a lower epoch changes nothing, and then knows that.
        var lower = store()
        _ = try newest(&lower)
        #expect(try lower.claim(epoch: 2) == [])
        #expect(try lower.write(image(3), epoch: 2) != .stored(number: 3))
    }

    @Test("other settings are left alone, unless a base replaces them")
    func settings() throws {
        var store = store()
        _ = try store.write(image(1), epoch: 1)
        guard case .superseded = try store.write(image(2, definition: 8), epoch: 1) else {
            Issue.record("another definition was written over")
            return
        }
        var base = try image(2, definition: 8)
        base.isBase = true
        #expect(try store.write(base, epoch: 1) == .stored(number: 2))
        // No owner goes back before a base.
        #expect(try newest(&store).head?.entries.count == 1)
        var newer = try image(3, generation: 2)
        newer.isBase = true
        _ = try store.write(newer, epoch: 1)
        guard case .superseded = try store.write(image(4), epoch: 1) else {
            Issue.record("an older generation wrote over a newer one")
            return
        }
    }

    @Test("a request is fulfilled by the checkpoint that it asked for, and not before")
    func request() throws {
        var store = store()
        #expect(try store.rebuildRequest() == nil)
        _ = server.write(keys.request, [1], expected: 0)
        #expect(try store.rebuildRequest() != nil)
        _ = try store.write(image(1), epoch: 1)
        #expect(try store.rebuildRequest() != nil)
        var base = try image(2)
        base.isBase = true
        base.endsRequest = true
        _ = try store.write(base, epoch: 1)
        #expect(try store.rebuildRequest() == nil)
    }

    @Test("a damaged head is told and written over; a damaged checkpoint is not kept")
    func damage() throws {
        var store = store()
        for number: UInt64 in 1...2 { _ = try store.write(image(number), epoch: 1) }
        let part = keys.part(0, slot: 2)
        let record = try #require(server.value(part))
        _ = server.write(part, record.value.map { $0 ^ 1 }, expected: record.revision)
        var found = try newest(&store)
        #expect(found.candidate?.output?.ordinal == 1 && found.damage.count == 1)
        _ = try store.write(image(2), epoch: 1)
        found = try newest(&store)
        #expect(found.head?.entries.map { $0.output?.ordinal } == [2, 1])
        let head = try #require(server.value(keys.head))
        _ = server.write(keys.head, Array(head.value.dropLast()), expected: head.revision)
        found = try newest(&store)
        #expect(found.head == nil && found.damage.count == 1)
        #expect(try store.claim(epoch: 3).count == 1)
        #expect(try store.write(image(5), epoch: 3) == .stored(number: 1))
        #expect(try newest(&store).candidate?.output?.ordinal == 5)
    }

    @Test("a request of a newer release is none of this one's")
    func newerRequest() throws {
        let store = store()
        #expect(try store.rebuildRequest() == nil)
        _ = server.write(keys.request, Array(#"{"v":3}"#.utf8), expected: 0)
        #expect(try store.rebuildRequest() == nil)
        let revision = try #require(server.value(keys.request)).revision
        _ = server.write(keys.request, Array(#"{"v":1}"#.utf8), expected: revision)
        #expect(try store.rebuildRequest() != nil)
    }

    @Test("keys of requests are told from others")
    func requestKeys() {
        #expect(CheckpointKeys.partition(ofRequest: keys.request) == 0)
        for key in ["operator.0.head", "operator.x.rebuild", "operator.1.2.rebuild", "rebuild"] {
            #expect(CheckpointKeys.partition(ofRequest: key) == nil)
        }
    }

    @Test("every failure is one line that says what to do")
    func failures() {
        let failures: [CheckpointFailure] = [
            .bucket(.unavailable(operation: "o", peer: "p")), .unsettled(key: "k", reason: "r"),
            .contended(key: "k"), .bytes(.truncated(expected: 2, found: 1)),
        ]
        #expect(Set(failures.map(\.description)).count == 4)
        #expect(failures.allSatisfy { !$0.description.contains("\n") })
    }
}

@Suite struct CheckpointScheduleTests {
    private func position(_ sequence: UInt64) -> TapePosition {
        var position = TapePosition.before(Timestamp(nanoseconds: 1))
        position.sequence = sequence
        return position
    }

    @Test("due after the partition's share of work, after some seconds, and at the end")
    func due() {
        var schedule = CheckpointSchedule(behind: position(4))
        schedule.sharing = 10
        #expect(!schedule.isDue(at: position(4), now: .at(0), isLast: true))
        #expect(!schedule.isDue(at: nil, now: .at(0), isLast: true))
        // The first one is due immediately, so that recomputed output need not be computed once
        // more after another crash.
        #expect(schedule.isDue(at: position(5), now: .at(0), isLast: false))
        schedule.took(imageAt: position(5), now: .at(100))
        #expect(!schedule.isDue(at: position(5), now: .at(.max - 1), isLast: true))
        #expect(!schedule.isDue(at: position(6), now: .at(200), isLast: false))
        #expect(schedule.isDue(at: position(6), now: .at(200), isLast: true))
        let interval = CheckpointTimes.intervalNanoseconds
        #expect(!schedule.isDue(at: position(6), now: .at(99 + interval), isLast: false))
        #expect(schedule.isDue(at: position(6), now: .at(100 + interval), isLast: false))
        let share = CheckpointTimes.recomputeNanosecondsMax / 10
        let packets = share / (CheckpointTimes.packetNanoseconds + CheckpointTimes.tickNanoseconds)
        for _ in 0..<packets { schedule.took(ticks: 1) }
        #expect(!schedule.isDue(at: position(6), now: .at(200), isLast: false))
        schedule.took(ticks: 1)
        #expect(schedule.isDue(at: position(6), now: .at(200), isLast: false))
        schedule.isOver = true
        #expect(!schedule.isDue(at: position(6), now: .at(200), isLast: true))
    }

    @Test("a partition goes without another image while little was computed since the last one")
    func left() {
        var schedule = CheckpointSchedule(behind: position(4))
        #expect(!schedule.isWorthStoring)
        let packets = CheckpointTimes.leftNanosecondsMax / CheckpointTimes.packetNanoseconds
        for _ in 0..<packets { schedule.took(ticks: 0) }
        #expect(!schedule.isWorthStoring)
        schedule.took(ticks: 0)
        #expect(schedule.isWorthStoring)
        schedule.took(imageAt: position(5), now: .at(0))
        #expect(!schedule.isWorthStoring)
        schedule.demand()
        #expect(schedule.isWorthStoring)
        schedule.took(imageAt: position(5), now: .at(0))
        schedule.failed(now: .at(0))
        #expect(schedule.isWorthStoring)
    }

    @Test("with little to compute and to keep, the third image and later ones are rare")
    func rests() {
        let (soon, late) = (
            CheckpointTimes.intervalNanoseconds, CheckpointTimes.restIntervalNanoseconds
        )
        let kept = CheckpointTimes.keptPacketsMax
        var schedule = CheckpointSchedule(behind: nil)
        schedule.took(imageAt: position(1), now: .at(0))
        #expect(schedule.isDue(at: position(2), now: .at(soon), isLast: false))
        schedule.took(imageAt: position(2), now: .at(0))
        #expect(!schedule.isDue(at: position(2 + kept), now: .at(late - 1), isLast: false))
        #expect(schedule.isDue(at: position(3), now: .at(late), isLast: false))
        // The tape has to keep many packets of other partitions for this one.
        #expect(!schedule.isDue(at: position(3 + kept), now: .at(soon - 1), isLast: false))
        #expect(schedule.isDue(at: position(3 + kept), now: .at(soon), isLast: false))
        // A new stream counts its packets from 1.
        #expect(!schedule.isDue(at: position(1), now: .at(soon), isLast: false))
        schedule.failed(now: .at(0))
        #expect(schedule.isDue(at: position(3), now: .at(soon), isLast: false))
    }

    @Test("what was not stored is due again; a base after a pause")
    func failed() {
        var schedule = CheckpointSchedule(behind: nil)
        #expect(schedule.isBaseDue(now: .at(5)))
        schedule.took(imageAt: position(5), now: .at(5))
        #expect(!schedule.isBaseDue(now: .at(.max - 1)))
        schedule.failed(now: .at(5))
        #expect(schedule.isDue(at: position(5), now: .at(6), isLast: true))
        #expect(!schedule.isBaseDue(now: .at(4 + CheckpointTimes.retryNanoseconds)))
        #expect(schedule.isBaseDue(now: .at(5 + CheckpointTimes.retryNanoseconds)))
    }
}
