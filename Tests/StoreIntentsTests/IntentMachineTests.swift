import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import StoreIntents

/// Single decisions. `IntentSimulationTests` has all of them together.
@Suite struct IntentMachineTests {
    /// One machine, and the tape that its batches are from.
    private struct Rig {
        var machine: IntentMachine
        var tape: SimulatedTape
        var effects: [IntentMachine.Effect] = []
        var now: Int64 = 0
        private var attempt: UInt64 = 0

        init(rule: IntentMachine.RepeatRule = .byToken, epoch: UInt64 = 5) {
            machine = IntentMachine(name: "ch/trades/0", rule: rule, epoch: epoch, instance: 1)
            var random = SeededRandom(seed: 3)
            tape = SimulatedTape(place: 0, count: 30, using: &random)
            tape.published = 30
        }

        mutating func handle(_ event: IntentMachine.Event) {
            effects = []
            machine.handle(event, now: MonotonicTime(nanoseconds: now), into: &effects)
            for case .order(_, let number) in effects { attempt = number }
        }

        /// Answers the order that is out.
        mutating func answer(_ answer: IntentMachine.Answer) {
            handle(.answered(attempt: attempt, answer))
        }

        /// A claim of a record, and what follows up to the batch that was declared.
        mutating func claim(_ record: IntentRecord?) {
            handle(.open)
            answer(.read(record, revision: record == nil ? 0 : 8))
            answer(.stored(revision: 9))
            if case .order(.survey, _)? = effects.last { answer(.surveyed([])) }
        }

        /// The record is read, and is still this owner's.
        mutating func confirm(_ intent: StoreIntent?, revision: UInt64 = 9) {
            let record = IntentRecord(epoch: 5, instance: 1, intent: intent)
            answer(.read(record, revision: revision))
        }

        func batch(after position: TapePosition? = nil) throws -> StoreIntent {
            let batch = tape.batch(after: position, packetsMax: 6, layout: 1)
            let intent = try #require(batch?.intent)
            try #require(intent.rows > 0)
            return intent
        }

        var outcome: IntentOutcome? {
            guard case .ended(let outcome)? = effects.last else { return nil }
            return outcome
        }

        var isInsert: Bool? {
            guard case .order(.insert(_, let insert), _)? = effects.last else { return nil }
            return insert.isRepeat
        }
    }

    private static func record(_ intent: StoreIntent?, epoch: UInt64 = 4) -> IntentRecord {
        IntentRecord(epoch: epoch, instance: 2, position: nil, intent: intent)
    }

    @Test("a batch is declared, inserted, and then the position; the next one goes with it")
    func order() throws {
        var rig = Rig()
        rig.claim(nil)
        #expect(rig.machine.canTake)
        let first = try rig.batch()
        let end = first.end(after: nil)
        let second = try rig.batch(after: end)
        rig.handle(.offered(first))
        guard case .order(.write(let declared, 9), _)? = rig.effects.last else {
            Issue.record("\(rig.effects)")
            return
        }
        #expect(declared.intent == first && declared.position == nil && declared.epoch == 5)
        rig.handle(.offered(second))
        #expect(!rig.machine.canTake)
        rig.answer(.stored(revision: 10))
        #expect(rig.isInsert == false)
        rig.answer(.inserted)
        guard case .order(.write(let joined, 10), _)? = rig.effects.last else {
            Issue.record("\(rig.effects)")
            return
        }
        #expect(joined.position == end && joined.intent == second)
        rig.handle(.drain)
        rig.answer(.stored(revision: 11))
        #expect(rig.isInsert == false && rig.effects.count == 2)
        rig.answer(.inserted)
        rig.answer(.stored(revision: 12))
        #expect(rig.outcome == .released)
    }

    @Test("a declared batch of an earlier owner is made again and inserted before any other")
    func replay() throws {
        var rig = Rig()
        let intent = try rig.batch()
        rig.claim(Self.record(intent))
        guard case .order(.remake(intent, nil), _)? = rig.effects.last else {
            Issue.record("\(rig.effects)")
            return
        }
        #expect(!rig.machine.canTake)
        rig.answer(.remade(intent))
        #expect(rig.isInsert == true && !rig.machine.canTake)
        rig.answer(.inserted)
        rig.answer(.stored(revision: 10))
        #expect(rig.machine.canTake)
    }

    @Test("a declared batch whose packets are gone is passed, and not inserted")
    func gone() throws {
        var rig = Rig()
        let intent = try rig.batch()
        rig.claim(Self.record(intent))
        rig.answer(.gone)
        guard case .order(.write(let passed, _), _)? = rig.effects.last else {
            Issue.record("\(rig.effects)")
            return
        }
        #expect(passed.intent == nil && passed.position == intent.end(after: nil))
        #expect(!rig.machine.canTake)
        rig.answer(.stored(revision: 10))
        #expect(rig.machine.canTake)
    }

    @Test("a batch that cannot be made again as it was is not inserted")
    func otherBatch() throws {
        var rig = Rig()
        let intent = try rig.batch()
        var other = intent
        other.digest += 1
        rig.claim(Self.record(intent))
        rig.answer(.remade(other))
        rig.confirm(intent)
        #expect(rig.outcome == .batchDiffers(declared: intent, made: other))
        rig = Rig()
        rig.claim(Self.record(intent))
        rig.answer(.unmakeable("its layout"))
        rig.confirm(intent)
        #expect(rig.outcome == .unmakeable("its layout"))
        rig = Rig()
        rig.claim(Self.record(intent))
        rig.answer(.remade(intent))
        rig.answer(.differs("1 of 2"))
        rig.confirm(intent)
        #expect(rig.outcome == .storeDiffers("1 of 2"))
    }

    @Test("an owner does not claim above a record of the same or a higher epoch")
    func fenced() {
        for epoch in [5, 6] as [UInt64] {
            var rig = Rig()
            rig.handle(.open)
            rig.answer(.read(Self.record(nil, epoch: epoch), revision: 8))
            #expect(rig.outcome == .fenced(ours: 5, theirs: epoch))
        }
    }

    @Test("an owner whose record has another revision ends, and inserts nothing more")
    func replaced() throws {
        for theirs in [nil, 4, 6] as [UInt64?] {
            var rig = Rig()
            rig.claim(nil)
            rig.handle(.offered(try rig.batch()))
            rig.answer(.stored(revision: 10))
            rig.answer(.unsettled)
            rig.now = rig.machine.deadline?.nanoseconds ?? 0
            rig.handle(.timePassed)
            guard case .order(.read, _)? = rig.effects.last else {
                Issue.record("\(rig.effects)")
                return
            }
            rig.answer(.read(theirs.map { Self.record(nil, epoch: $0) }, revision: 11))
            #expect(rig.outcome == (theirs == 6 ? .fenced(ours: 5, theirs: 6) : .recordChanged))
        }
    }

    @Test("after a pause the record is read before anything is inserted")
    func pause() throws {
        var rig = Rig()
        rig.claim(nil)
        let batch = try rig.batch()
        rig.handle(.offered(batch))
        rig.now += IntentMachine.insertNanosecondsMax
        rig.answer(.stored(revision: 10))
        guard case .order(.read, _)? = rig.effects.last else {
            Issue.record("\(rig.effects)")
            return
        }
        rig.confirm(batch, revision: 10)
        guard case .order(.insert(batch, let insert), _)? = rig.effects.last else {
            Issue.record("\(rig.effects)")
            return
        }
        #expect(insert.until.nanoseconds == rig.now + IntentMachine.insertNanosecondsMax)
    }

    @Test("a write whose answer is lost is read, and written again if it is not stored")
    func unsettled() throws {
        var rig = Rig()
        rig.claim(nil)
        let batch = try rig.batch()
        rig.handle(.offered(batch))
        let claimed = IntentRecord(epoch: 5, instance: 1)
        rig.answer(.unsettled)
        rig.answer(.read(claimed, revision: 9))
        rig.now = rig.machine.deadline?.nanoseconds ?? 0
        rig.handle(.timePassed)
        guard case .order(.write(let again, 9), _)? = rig.effects.last else {
            Issue.record("\(rig.effects)")
            return
        }
        rig.answer(.conflict)
        rig.answer(.read(again, revision: 10))
        #expect(rig.isInsert == false && again.intent == batch)
    }

    @Test("a store that has more than its record says is not written; rows by key are")
    func ahead() throws {
        let source = try #require(SimulatedTape.sources.first)
        var rig = Rig()
        rig.handle(.open)
        rig.answer(.read(nil, revision: 0))
        rig.answer(.stored(revision: 1))
        rig.answer(.surveyed([SourceOrdinal(source: source, epoch: 0, lastOrdinal: 7)]))
        #expect(rig.outcome == nil)
        rig.confirm(nil, revision: 1)
        #expect(rig.outcome == .storeAhead(source: source, stored: 7, known: 0))
        // Or a successor has stored it meanwhile.
        rig = Rig()
        rig.handle(.open)
        rig.answer(.read(nil, revision: 0))
        rig.answer(.stored(revision: 1))
        rig.answer(.surveyed([SourceOrdinal(source: source, epoch: 0, lastOrdinal: 7)]))
        rig.answer(.read(Self.record(nil, epoch: 6), revision: 2))
        #expect(rig.outcome == .fenced(ours: 5, theirs: 6))
        rig = Rig(rule: .byKey)
        rig.claim(nil)
        #expect(rig.machine.canTake)
    }

    @Test("a record that cannot be read is not written")
    func refused() {
        var rig = Rig()
        rig.handle(.open)
        rig.answer(.refused(.damaged("x")))
        #expect(rig.outcome == .recordRefused(.damaged("x")))
    }

    @Test("a position has at most so many sources")
    func tooManySources() throws {
        var rig = Rig()
        rig.claim(nil)
        var batch = try rig.batch()
        batch.ranges = try (0...IntentRecord.sourcesMax).map {
            OrdinalRange(
                source: try #require(SourceName("s\($0)")), epoch: 1, first: 1, last: 1)
        }
        rig.handle(.offered(batch))
        #expect(rig.outcome == .tooManySources(IntentRecord.sourcesMax + 1))
    }

    @Test("waits grow to their maximum, and answers to earlier orders change nothing")
    func waits() {
        var rig = Rig()
        rig.handle(.open)
        var waits: [Int64] = []
        for _ in 0..<12 {
            rig.answer(.unsettled)
            let deadline = rig.machine.deadline?.nanoseconds ?? 0
            waits.append(deadline - rig.now)
            rig.handle(.timePassed)
            #expect(rig.effects.isEmpty)
            rig.now = deadline
            rig.handle(.timePassed)
            rig.handle(.answered(attempt: 1, .read(nil, revision: 0)))
            #expect(rig.effects.isEmpty)
        }
        #expect(waits.first == IntentMachine.retryNanosecondsFirst)
        #expect(waits.last == IntentMachine.retryNanosecondsMax)
    }

    @Test("an owner that lost its partition gives no order")
    func lost() throws {
        var rig = Rig()
        rig.claim(nil)
        rig.handle(.lost)
        #expect(rig.outcome == .lost && !rig.machine.canTake)
        rig.answer(.stored(revision: 10))
        #expect(rig.effects.isEmpty)
    }

    @Test("each outcome is one line")
    func descriptions() throws {
        let rig = Rig()
        let intent = try rig.batch()
        let source = try #require(SimulatedTape.sources.first)
        let outcomes: [IntentOutcome] = [
            .released, .lost, .fenced(ours: 1, theirs: 2), .recordChanged,
            .recordRefused(.damaged("x")), .storeAhead(source: source, stored: 2, known: 1),
            .batchDiffers(declared: intent, made: intent), .unmakeable("x"), .storeDiffers("x"),
            .tooManySources(2),
        ]
        #expect(outcomes.allSatisfy { !"\($0)".isEmpty && !"\($0)".contains("\n") })
        #expect(Set(outcomes.map { "\($0)" }).count == outcomes.count)
    }

    @Test("a batch with ordinals that are declared is a bug of the shell")
    func trapsRepeated() async {
        await #expect(processExitsWith: .failure) {
            var rig = Rig()
            rig.claim(nil)
            let batch = try rig.batch()
            rig.handle(.offered(batch))
            rig.handle(.offered(batch))
        }
    }
}
