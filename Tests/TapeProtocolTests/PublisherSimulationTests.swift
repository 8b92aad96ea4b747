import MarketModel
import Primitives
import Seeds
import TapeCodec
import TapeProtocol
import Testing

/// Runs publishers against a subject with every kind of fault.
@Suite struct PublisherSimulationTests {
    @Test("whatever is lost, late or refused, the tape holds each tick once and in order")
    func faults() throws {
        try PublisherWorld.each(1...500) { world in
            try world.run(steps: 400, faults: true)
            try world.run(steps: 4_000, faults: false)
            try world.auditComplete()
        }
    }

    @Test("a successor fences the one before it; together they hold no tick twice")
    func takeOver() throws {
        try PublisherWorld.each(1...300) { world in
            try world.run(steps: 150, faults: true)
            try world.takeOver()
            try world.run(steps: 200, faults: true)
            try world.run(steps: 4_000, faults: false)
            try world.auditTakeOver()
        }
    }

    @Test("a tape that was put back is noticed, and its lost ordinals are named")
    func rollBack() throws {
        try PublisherWorld.each(1...200) { world in
            try world.run(steps: 100, faults: false, offering: true)
            let before = world.publisher.acknowledged.count
            let count = Int.random(in: 1...3, using: &world.random)
            world.subject.rollBack(by: count)
            // Only a publish meets the older state.
            try world.run(steps: 50, faults: false, offering: true)
            try world.run(steps: 3_000, faults: false)
            try world.auditRollBack(acknowledgedBefore: before)
        }
    }

    @Test("a new leader that has not applied all of its log is no tape that was put back")
    func laggingLeader() throws {
        try PublisherWorld.each(1...200) { world in
            world.isReplicated = true
            try world.run(steps: 100, faults: false, offering: true)
            world.subject.unapplied = Int.random(
                in: 1...min(3, world.subject.messages.count), using: &world.random)
            try world.run(steps: 10, faults: false, offering: true)
            world.subject.unapplied = 0
            try world.run(steps: 50, faults: false, offering: true)
            try world.run(steps: 3_000, faults: false)
            try world.auditComplete()
        }
    }

    @Test("a tape that was put back and written up to the same sequence is not written on blindly")
    func rewritten() throws {
        try PublisherWorld.each(1...200) { world in
            try world.run(steps: 60, faults: false, offering: true)
            try world.rewriteBehindThePacketInFlight()
            try world.run(steps: 3_000, faults: false)
            world.auditRewritten()
        }
    }
}

/// The ordinals that others remember reach a lane at any moment, in any state.
@Suite struct PublisherRaiseTests {
    @Test("raised at any moment: nothing lost or doubled, every skipped ordinal named")
    func raised() throws {
        try PublisherWorld.each(1...300) { world in
            world.rumours = true
            try world.run(steps: 300, faults: true)
            world.rumours = false
            try world.run(steps: 4_000, faults: false)
            try world.auditRaised()
        }
    }

    @Test("raised by what its successor published, it is fenced and tells of no loss")
    func successor() throws {
        try PublisherWorld.each(1...100) { world in
            try world.run(steps: 100, faults: true)
            try world.takeOver()
            world.successorIsHeard = true
            try world.run(steps: 200, faults: true)
            try world.run(steps: 4_000, faults: false)
            try world.auditTakeOver()
            #expect(world.older?.lost == [] && world.publisher.lost.isEmpty, world.seedNamed)
        }
    }

    @Test("restarted over a tape that was put back: with a record, no ordinal is given twice")
    func restarted() throws {
        try PublisherWorld.each(1...300) { world in
            try world.run(steps: 100, faults: false, offering: true)
            try world.run(steps: 3_000, faults: false)
            let record = try world.restoreAndRestart()
            // Known immediately, or only while the new owner already works.
            if Bool.random(using: &world.random) {
                try world.run(
                    steps: Int.random(in: 0...6, using: &world.random), faults: true,
                    offering: false)
            }
            world.remember(record)
            try world.run(steps: 200, faults: true)
            try world.run(steps: 4_000, faults: false)
            world.auditRestarted(record)
        }
    }
}

private struct PublisherWorld {
    /// The ticks of a second owner have numbers from here on, so that they can be distinguished.
    private static let newOwnersTicks: UInt64 = 1_000_000

    let seed: UInt64
    var random: SeededRandom
    var subject = SimulatedSubject()
    var publisher: SimulatedPublisher
    var older: SimulatedPublisher?
    var step = 0
    /// Others sometimes report how far they have read, correctly or not.
    var rumours = false
    /// The older owner learns how far readers have read what its successor published.
    var successorIsHeard = false
    /// True if the stream has several copies.
    var isReplicated: Bool

    /// Names the seed of a failure.
    var seedNamed: Comment { "TAPELINE_SEED=\(seed)" }

    /// Runs the body in a world of each seed.
    static func each(
        _ fixed: ClosedRange<UInt64>, _ body: (inout PublisherWorld) throws -> Void
    ) throws {
        for seed in Seeds(fixed: fixed).all() {
            var world = try PublisherWorld(seed: seed)
            try body(&world)
        }
    }

    init(seed: UInt64) throws {
        self.seed = seed
        isReplicated = seed % 2 == 0
        random = SeededRandom(seed: seed)
        publisher = try SimulatedPublisher()
        publisher.lane.handle(.open, now: .at(0), into: &publisher.effects)
    }

    private func chance(_ percent: Int, _ random: inout SeededRandom) -> Bool {
        Int.random(in: 0..<100, using: &random) < percent
    }

    mutating func run(steps: Int, faults: Bool, offering: Bool? = nil) throws {
        for _ in 0..<steps {
            step += 1
            if offering ?? faults, chance(60, &random) { _ = publisher.offer() }
            if rumours, chance(6, &random) { hearRumour() }
            if !(offering ?? faults), publisher.isDone, older?.isDone ?? true { return }
            var present = publisher
            try turn(&present, faults: faults)
            publisher = present
            if var old = older {
                if chance(30, &random) { _ = old.offer() }
                if successorIsHeard, chance(30, &random), let last = subject.last {
                    old.lane.raise(
                        nextOrdinal: last.nextOrdinal,
                        aboveEpoch: Bool.random(using: &random) ? last.epoch : 0,
                        into: &old.effects)
                }
                try turn(&old, faults: faults)
                older = old
            }
        }
    }

    /// Time passes in steps of 50 ms.
    private var now: MonotonicTime { MonotonicTime(nanoseconds: Int64(step) * 50_000_000) }

    private mutating func turn(_ publisher: inout SimulatedPublisher, faults: Bool) throws {
        publisher.pump(now: now)
        arrive(&publisher, faults: faults)
        let due = publisher.answers.filter { $0.due <= step }
        publisher.answers.removeAll { $0.due <= step }
        for answer in due {
            publisher.lane.handle(answer.event, now: now, into: &publisher.effects)
        }
        publisher.lane.handle(.timePassed, now: now, into: &publisher.effects)
        try carryOut(&publisher, faults: faults)
    }

    /// Delivers what reaches the server now, and the answers that it sends.
    private mutating func arrive(_ publisher: inout SimulatedPublisher, faults: Bool) {
        let arriving = publisher.wire.filter { $0.due <= step }
        publisher.wire.removeAll { $0.due <= step }
        for message in arriving {
            if faults, chance(5, &random) { continue }
            if faults, chance(10, &random) {
                publisher.answers.append((.notStored(attempt: message.attempt), step + 1))
                continue
            }
            if faults, chance(10, &random) {
                publisher.answers.append((.inProcess(attempt: message.attempt), step + 1))
                // The packet in process may be an earlier copy of these bytes that is stored later.
                if chance(50, &random) {
                    publisher.wire.append(
                        (message.packet, message.expected, 0, step + delay(faults)))
                }
                continue
            }
            let skip = UInt64.random(in: 0...2, using: &random)
            let event: PublisherLane.Event
            switch subject.publish(message.packet, expected: message.expected, skip: skip) {
            case .stored(let sequence):
                event = .acknowledged(attempt: message.attempt, sequence: sequence)
            case .wrongLastSequence: event = .outOfSequence(attempt: message.attempt)
            }
            let lost = faults && chance(15, &random)
            if !lost { publisher.answers.append((event, step + delay(faults))) }
        }
    }

    private mutating func delay(_ faults: Bool) -> Int {
        faults && chance(20, &random) ? Int.random(in: 1...120, using: &random) : 1
    }

    private mutating func carryOut(
        _ publisher: inout SimulatedPublisher, faults: Bool
    ) throws {
        while !publisher.effects.isEmpty {
            let effects = publisher.effects
            publisher.effects.removeAll()
            for effect in effects { try carryOut(effect, for: &publisher, faults: faults) }
        }
    }

    private mutating func carryOut(
        _ effect: PublisherLane.Effect, for publisher: inout SimulatedPublisher, faults: Bool
    ) throws {
        switch effect {
        case .publish(let packet, let expected, let attempt):
            // After the packets at hand when it was raised, no tick has an ordinal below the floor.
            #expect(
                packet.header.firstOrdinal >= publisher.floor || packet.header.tickCount == 0
                    || publisher.isAtHand(packet), seedNamed)
            publisher.wire.append((packet, expected, attempt, step + delay(faults)))
        case .readLast:
            let failed = faults && chance(20, &random)
            let event: PublisherLane.Event =
                failed ? .readFailed : .lastRead(subject.last, isReplicated: isReplicated)
            publisher.answers.append((event, step + 1))
        case .makeMarker(let marker, _):
            // Acknowledged ticks keep their ordinals, whatever happens to the tape.
            #expect(marker.startOrdinal >= publisher.acknowledgedUpTo, seedNamed)
            var markers = PacketBuilder(
                kind: .ticks, partition: Partition(0), source: publisher.builder.source)
            let packet = markers.seal(publisher.seal(), marker: marker)
            publisher.lane.publishMarker(packet, now: now, into: &publisher.effects)
        case .acknowledged(let packet, _):
            #expect(packet.header.firstOrdinal >= publisher.acknowledgedUpTo, seedNamed)
            publisher.acknowledgedUpTo = packet.header.nextOrdinal
            publisher.acknowledged += ids(packet.withBytes { $0.array })
        case .fenced(_, let theirs): publisher.fencedBy = theirs
        case .rolledBack(let lost, _):
            if let lost { publisher.lost.append(lost) }
        }
    }

    private func ids(_ bytes: [UInt8]) -> [UInt64] {
        bytes.withRawSpan { span in
            var found: [UInt64] = []
            var cursor = RecordCursor()
            while let record = cursor.next(in: span) {
                if case .trade(let trade) = record { found.append(trade.header.providerID) }
            }
            return found
        }
    }

    private var tapeIDs: [UInt64] { subject.messages.flatMap { ids($0.bytes) } }

    /// Checks that ordinals are dense, that epochs never go back, and that each epoch is opened by
    /// its marker.
    private func auditTape(holesAllowed: Bool = false) {
        var next: UInt64 = 1
        var epoch: UInt64 = 0
        for message in subject.messages {
            let header = message.header
            #expect(header.epoch >= epoch, seedNamed)
            if header.epoch > epoch {
                #expect(header.flags.contains(.epochMarker), seedNamed)
            }
            if !(holesAllowed && header.flags.contains(.epochMarker)) {
                #expect(header.firstOrdinal == next, seedNamed)
            }
            next = header.nextOrdinal
            epoch = header.epoch
        }
    }

    /// Checks that each offered tick is stored and acknowledged, once and in order.
    private func auditTicks() {
        let everything = publisher.offered > 0 ? Array(1...publisher.offered) : []
        #expect(tapeIDs == everything, seedNamed)
        #expect(publisher.acknowledged == everything, seedNamed)
    }

    /// Checks that everything offered is on the tape, and that nothing was lost.
    func auditComplete() throws {
        auditTape()
        auditTicks()
        #expect(publisher.fencedBy == nil, seedNamed)
        #expect(publisher.lost.isEmpty, seedNamed)
    }

    /// Starts a second owner beside the first one.
    mutating func takeOver() throws {
        // An owner whose marker is not stored yet would open after its successor and so be the
        // later one.
        while publisher.lane.lastSequence == 0 { try run(steps: 1, faults: false, offering: true) }
        older = publisher
        publisher = try SimulatedPublisher(firstTick: Self.newOwnersTicks)
        publisher.lane.handle(.open, now: now, into: &publisher.effects)
    }

    /// Checks that all ticks of the second owner are stored after those of the first one that were
    /// acknowledged, each once.
    func auditTakeOver() throws {
        auditTape()
        let old = try #require(older)
        let ids = tapeIDs
        #expect(Set(ids).count == ids.count, seedNamed)
        let own = publisher.acknowledged
        #expect(ids.filter { $0 > Self.newOwnersTicks } == own, seedNamed)
        #expect(own.count == Int(publisher.offered - Self.newOwnersTicks), seedNamed)
        let oldOnTape = ids.filter { $0 <= Self.newOwnersTicks }
        #expect(oldOnTape.starts(with: old.acknowledged), seedNamed)
        if old.lane.state.isInFlightOrFenced { return }
        #expect(old.builder.tickCount == 0, "TAPELINE_SEED=\(seed): the old owner goes on")
    }

    /// The packet in flight never arrives. The store is restored to before this owner's epoch.
    /// Another owner, which takes the same epoch, writes up to exactly the last sequence.
    mutating func rewriteBehindThePacketInFlight() throws {
        while publisher.wire.isEmpty {
            try run(steps: 1, faults: false, offering: true)
            _ = publisher.offer()
        }
        publisher.wire = []
        publisher.answers = []
        let end = publisher.lane.lastSequence
        subject.rollBack(by: subject.messages.count)
        // The rival's marker, then ticks: any number of ordinals in the same sequences.
        let ticks = Int.random(in: 1...5, using: &random)
        try subject.write(upTo: end, epoch: publisher.lane.epoch, ticksPerPacket: ticks)
    }

    /// Checks that the owner continues after the rival, above its epoch, and names what it lost.
    func auditRewritten() {
        let rival = subject.messages.prefix { $0.sequence <= subject.rivalEnd }
        let own = subject.messages.dropFirst(rival.count)
        #expect(own.first?.header.flags.contains(.epochMarker) == true, seedNamed)
        #expect(own.allSatisfy { $0.header.epoch > rival.last?.header.epoch ?? 0 }, seedNamed)
        #expect(tapeIDs.last == publisher.offered, seedNamed)
        // Every acknowledged ordinal that the rival did not write again is named.
        let next = rival.last?.header.nextOrdinal ?? 1
        let before = own.first?.header.firstOrdinal ?? 0
        #expect(publisher.lost == (next < before ? [next...(before - 1)] : []), seedNamed)
    }

    /// Remembers a record of some other process, which may be right or not.
    private mutating func hearRumour() {
        let lane = publisher.lane
        let next = lane.nextOrdinal + UInt64.random(in: 0...8, using: &random)
        let epoch = lane.epoch + UInt64.random(in: 0...2, using: &random)
        remember((nextOrdinal: max(next, 3) - 2, epoch: max(epoch, 1) - 1))
    }

    typealias Record = (nextOrdinal: UInt64, epoch: UInt64)

    /// Raises the lane above what a record has, as the shell does.
    mutating func remember(_ record: Record) {
        if !publisher.lane.isReady { publisher.noteAtHand() }
        publisher.floor = max(publisher.floor, record.nextOrdinal)
        publisher.lane.raise(
            nextOrdinal: record.nextOrdinal, aboveEpoch: record.epoch, into: &publisher.effects)
    }

    /// Checks that every ordinal up to the last one is either on the tape or named.
    private func auditOrdinals() {
        let stored = subject.messages.flatMap { $0.header.firstOrdinal..<$0.header.nextOrdinal }
        let lost = Set(publisher.lost.flatMap { Array($0) })
        #expect(lost.isDisjoint(with: stored), seedNamed)
        #expect(lost.union(stored) == Set(1..<publisher.lane.nextOrdinal), seedNamed)
    }

    /// Checks that everything offered is on the tape, after the ordinals that were remembered.
    func auditRaised() throws {
        auditTape(holesAllowed: true)
        auditTicks()
        #expect(publisher.lane.nextOrdinal >= publisher.floor, seedNamed)
        #expect(publisher.lane.epoch > 0 && publisher.fencedBy == nil, seedNamed)
        auditOrdinals()
    }

    /// The store goes back while there is no owner. Then a new process starts with the old one's
    /// record.
    mutating func restoreAndRestart() throws -> Record {
        let record = (publisher.lane.nextOrdinal, publisher.lane.epoch)
        subject.rollBack(by: Int.random(in: 0...subject.messages.count, using: &random))
        publisher = try SimulatedPublisher(firstTick: Self.newOwnersTicks)
        publisher.lane.handle(.open, now: now, into: &publisher.effects)
        return record
    }

    /// Checks that no ordinal acknowledged to the old owner was used again by the new one.
    func auditRestarted(_ record: Record) {
        auditTape(holesAllowed: true)
        for message in subject.messages {
            let isNew = ids(message.bytes).contains { $0 > Self.newOwnersTicks }
            if isNew {
                #expect(message.header.firstOrdinal >= record.nextOrdinal, seedNamed)
                #expect(message.header.epoch > record.epoch, seedNamed)
            }
        }
        let own = tapeIDs.filter { $0 > Self.newOwnersTicks }
        #expect(own == publisher.acknowledged && own.count > 0, seedNamed)
        #expect(own.count == Int(publisher.offered - Self.newOwnersTicks), seedNamed)
        auditOrdinals()
    }

    /// Checks that each acknowledged tick that the tape lost is named, and all others are stored.
    func auditRollBack(acknowledgedBefore: Int) throws {
        auditTape(holesAllowed: true)
        #expect(acknowledgedBefore > 0, seedNamed)
        let missing = Set(publisher.acknowledged).subtracting(tapeIDs)
        let named = publisher.lost.reduce(0) { $0 + $1.count }
        #expect(missing.count == named, seedNamed)
        #expect(tapeIDs.last == publisher.offered, seedNamed)
        #expect(Set(tapeIDs).count == tapeIDs.count, seedNamed)
    }
}

extension PublisherLane.State {
    fileprivate var isInFlightOrFenced: Bool {
        switch self {
        case .fenced, .inFlight, .waiting, .resolving: return true
        case .closed, .opening, .marking, .ready: return false
        }
    }
}
