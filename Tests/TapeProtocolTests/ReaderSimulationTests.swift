import MarketModel
import Primitives
import Seeds
import TapeCodec
import TapeProtocol
import Testing

/// Runs a reader against a stream, consumers and a link with every kind of fault.
@Suite struct ReaderSimulationTests {
    @Test("whatever is lost, doubled, late or cut, each packet is taken once and in order")
    func faults() {
        var doubts: [String: Int] = [:]
        let seeds = Seeds(
            fixed: 1...300,
            kept: [
                1, 2, 3, 5, 8, 9, 10, 11, 21, 23, 27, 29, 33, 40, 50, 55, 91, 118, 120, 266,
            ])
        for seed in seeds.all() {
            let world = ReaderWorld.settled(seed, steps: 400)
            #expect(world.reader.problem == nil, world.seedNamed)
            #expect(world.reader.holes.isEmpty, world.seedNamed)
            world.auditDelivered()
            doubts.merge(world.reader.doubts, uniquingKeysWith: +)
        }
        // Otherwise the simulation has not met the situations that it should.
        #expect(
            Seeds.isOneAlone
                || Set(doubts.keys) == [
                    "reconnected", "stalled", "missed_delivery", "refused_pull",
                ])
    }

    @Test("a stream that was destroyed stops the reader with the right reason, or harms nothing")
    func disasters() {
        var problems: Set<String> = []
        let seeds = Seeds(
            fixed: 1...300, kept: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 51, 58, 77, 182, 293])
        for seed in seeds.all() {
            var world = ReaderWorld(seed: seed)
            world.run(steps: Int.random(in: 5...300, using: &world.random), writing: true)
            let disaster = Disaster.allCases[Int(seed % UInt64(Disaster.allCases.count))]
            let before = world.reader.delivered
            let history = world.stream.messages
            world.meet(disaster)
            world.settle()
            let expected = world.expectedProblem
            #expect(world.reader.problem == expected, "TAPELINE_SEED=\(seed), \(disaster)")
            // Nothing earlier is taken again, and what was taken afterwards is the stream's.
            let after = world.reader.delivered.dropFirst(before.count)
            #expect(
                world.reader.delivered.starts(with: before), "TAPELINE_SEED=\(seed), \(disaster)")
            #expect(
                after.allSatisfy { world.stream.messages.contains($0) || history.contains($0) },
                "TAPELINE_SEED=\(seed), \(disaster)")
            if let expected {
                problems.insert(expected.kind)
            } else {
                world.auditAfterDisaster(from: before.count)
            }
        }
        #expect(Seeds.isOneAlone || problems.count == 4, "\(problems)")
    }

    @Test("a new leader that has not applied all of its log stops no reader")
    func laggingLeader() {
        var doubts = 0
        for seed in Seeds(fixed: 1...100).all() {
            var world = ReaderWorld.settled(seed, isReplicated: true)
            let behind = UInt64.random(in: 1...20, using: &world.random)
            let last = world.stream.lastSequence
            world.stream.applied = last - min(behind, last)
            world.reader.cut(for: 1)
            world.run(steps: 6, writing: false)
            world.stream.applied = nil
            world.run(steps: 50, writing: true)
            world.settle()
            #expect(world.reader.problem == nil && world.reader.holes.isEmpty, world.seedNamed)
            doubts += world.reader.doubts["ends_early"] ?? 0
            world.auditDelivered()
        }
        // Its position may be in the applied part, or no call may have succeeded meanwhile.
        #expect(doubts >= Seeds.least(50), "\(doubts)")
    }

    @Test("a stream with several copies that stays put back stops its reader, half a minute later")
    func putBackWithCopies() {
        for seed in Seeds(fixed: 1...50).all() {
            var world = ReaderWorld.settled(seed, isReplicated: true)
            world.stream.restore(to: world.stream.lastSequence - 1)
            let expected = world.expectedProblem
            world.settle()
            #expect(world.reader.problem == nil, world.seedNamed)
            world.settle(steps: 600)
            #expect(expected != nil && world.reader.problem == expected, world.seedNamed)
        }
    }

    @Test("ordinals that the tape lost under a reader are named as a hole, and reading goes on")
    func holes() {
        for seed in Seeds(fixed: 1...100).all() {
            var world = ReaderWorld.settled(seed)
            let skipped = world.skipOrdinals()
            world.run(steps: 100, writing: true)
            world.settle()
            #expect(world.reader.problem == nil, world.seedNamed)
            #expect(world.reader.holes == skipped, world.seedNamed)
            world.auditDelivered()
        }
    }

    @Test("accepted at the start of a tape that lost all, exactly what it lost is a hole")
    func accepted() {
        var holes = 0
        for seed in Seeds(fixed: 1...200).all() {
            var world = ReaderWorld(seed: seed)
            world.run(steps: Int.random(in: 1...200, using: &world.random), writing: true)
            let known = world.reader.stored?.sources ?? []
            world.meet(seed % 2 == 0 ? .recreated : .emptied)
            world.run(steps: Int.random(in: 0...20, using: &world.random), writing: true)
            world.reader.restart(at: .start(sources: known))
            world.run(steps: 100, writing: true)
            world.settle()
            #expect(world.reader.problem == nil, world.seedNamed)
            #expect(world.reader.holes == world.holes(behind: known), world.seedNamed)
            world.auditDelivered()
            holes += world.reader.holes.count
        }
        #expect(holes >= Seeds.least(100))
    }

    @Test("accepted at the start where what was taken stands again, it stops in front of it")
    func acceptedTooEarly() throws {
        for seed in Seeds(fixed: 1...50).all() {
            var world = ReaderWorld.settled(seed)
            let known = try #require(world.reader.stored).sources
            world.reader.restart(at: .start(sources: known))
            world.settle()
            guard case .ordinalsGoBack? = world.reader.problem else {
                Issue.record("TAPELINE_SEED=\(seed): \(String(describing: world.reader.problem))")
                continue
            }
            #expect(world.reader.delivered.allSatisfy { $0.header.kind == .watermark })
        }
    }

    @Test("opened from a time, it takes what was stored then or later, once and in order")
    func fromTime() {
        for seed in Seeds(fixed: 1...100).all() {
            var world = ReaderWorld(seed: seed)
            world.run(steps: 50, writing: true)
            let next = Int64(world.stream.messages.count) + 1
            let time = Timestamp(nanoseconds: Int64.random(in: 0...next, using: &world.random))
            world.reader.restart(at: nil, from: time)
            world.run(steps: 100, writing: true)
            world.settle()
            #expect(world.reader.problem == nil && world.reader.holes.isEmpty, world.seedNamed)
            let due = world.stream.messages.filter { $0.time >= time }
            #expect(world.reader.delivered == due, world.seedNamed)
        }
    }
}

extension ReaderProblem {
    fileprivate var kind: String {
        switch self {
        case .streamRecreated: "recreated"
        case .positionAboveEnd: "above"
        case .positionBelowStart: "below"
        case .otherPacket: "other"
        case .ordinalsGoBack: "back"
        case .undecodable: "undecodable"
        }
    }
}

enum Disaster: CaseIterable {
    case recreated, restored, restoredAndRewritten, purged, emptied
}

private struct ReaderWorld {
    let seed: UInt64
    var random: SeededRandom
    var stream: SimulatedStream
    var reader = SimulatedReader()
    private let faults: SimulatedReader.Faults

    /// Names the seed of a failure.
    var seedNamed: Comment { "TAPELINE_SEED=\(seed)" }

    /// Returns a world that has written and read so many steps, and is at rest.
    static func settled(_ seed: UInt64, steps: Int = 50, isReplicated: Bool = false) -> ReaderWorld
    {
        var world = ReaderWorld(seed: seed)
        if isReplicated { world.stream.isReplicated = true }
        world.run(steps: steps, writing: true)
        world.settle()
        return world
    }

    init(seed: UInt64) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        stream = SimulatedStream(sources: Int.random(in: 1...3, using: &random))
        // The faults differ between worlds.
        var dice = random
        func chance(_ perMille: Int) -> Int {
            Bool.random(using: &dice) ? Int.random(in: 1...perMille, using: &dice) : 0
        }
        faults = SimulatedReader.Faults(
            lost: chance(60), doubled: chance(40), late: chance(40), consumerDies: chance(30),
            linkBreaks: chance(30), callFails: chance(300), restarts: chance(10))
        reader.open()
    }

    mutating func run(steps: Int, writing: Bool) {
        for _ in 0..<steps {
            if writing {
                for _ in 0..<Int.random(in: 0...3, using: &random) { stream.write(using: &random) }
            }
            reader.turn(stream, faults, using: &random)
            auditPosition()
        }
    }

    /// Ends all faults. A last new link resolves every doubt.
    mutating func settle(steps: Int = 80) {
        reader.cut(for: 1)
        for _ in 0..<steps {
            reader.turn(stream, .none, using: &random)
            auditPosition()
        }
    }

    private func auditPosition() {
        // Checked at every step; an `#expect` would cost more than all the rest.
        guard let last = reader.delivered.last, let stored = reader.stored,
            stored.sequence == last.sequence, stored.packet == last.header.identity
        else {
            if reader.delivered.isEmpty, !(reader.stored?.hasPacket ?? false) { return }
            Issue.record("TAPELINE_SEED=\(seed): the position is not what was taken")
            return
        }
    }

    /// Returns the ordinals of each source that the stream lacks after the known ones.
    func holes(behind known: [SourceOrdinal]) -> [ClosedRange<UInt64>] {
        var holes: [ClosedRange<UInt64>] = []
        var next = [SourceName: UInt64](
            uniqueKeysWithValues: known.map { ($0.source, $0.lastOrdinal + 1) })
        for message in stream.messages where message.header.kind == .ticks {
            let header = message.header
            if let due = next[header.source], due < header.firstOrdinal {
                holes.append(due...(header.firstOrdinal - 1))
            }
            next[header.source] = header.nextOrdinal
        }
        return holes
    }

    /// Checks that everything in the stream was taken once, in order, and that the position agrees.
    func auditDelivered() {
        #expect(reader.delivered == stream.messages, seedNamed)
        for source in stream.sources {
            let last = stream.messages.last {
                $0.header.source == source.name && $0.header.kind == .ticks
            }
            let known = reader.stored?.source(source.name)
            #expect(known?.lastOrdinal == last.map { $0.header.nextOrdinal - 1 }, seedNamed)
            #expect(known?.epoch == last?.header.epoch, seedNamed)
        }
    }

    func auditAfterDisaster(from index: Int) {
        // Everything on the stream after the position of that moment was taken once.
        let from = index > 0 ? reader.delivered[index - 1].sequence : 0
        let due = stream.messages.filter { $0.sequence > from }
        #expect(Array(reader.delivered.dropFirst(index).suffix(due.count)) == due, seedNamed)
    }

    mutating func meet(_ disaster: Disaster) {
        let last = stream.lastSequence
        let somewhere = UInt64.random(in: 0...last, using: &random)
        switch disaster {
        case .recreated: stream.recreate()
        case .restored: stream.restore(to: somewhere)
        case .restoredAndRewritten:
            stream.restore(to: somewhere)
            stream.forgetOwners()
            while stream.lastSequence <= last { stream.write(using: &random) }
        case .purged: stream.purge(below: somewhere + 1)
        case .emptied: stream.purge(below: last + 1)
        }
        switch disaster {
        // The server was restarted; a purge is noticed in passing.
        case .recreated, .restored, .restoredAndRewritten: reader.cut(for: 3)
        case .purged, .emptied: break
        }
    }

    /// Derived from what the reader took last and the present stream.
    var expectedProblem: ReaderProblem? {
        guard let position = reader.stored else { return nil }
        if position.streamCreated != stream.created {
            return .streamRecreated(was: position.streamCreated, is: stream.created)
        }
        if position.sequence > stream.lastSequence {
            return .positionAboveEnd(sequence: position.sequence, last: stream.lastSequence)
        }
        if position.sequence < stream.firstSequence {
            return .positionBelowStart(
                sequence: position.sequence, first: stream.firstSequence)
        }
        let there = stream.message(from: position.sequence)
        if let there, there.header.identity == position.packet { return nil }
        return there.map {
            .otherPacket(
                sequence: position.sequence, was: position.packet, is: $0.header.identity)
        }
    }

    /// Each source's owner was restored from a backup and continues after the highest acknowledged
    /// ordinal.
    mutating func skipOrdinals() -> [ClosedRange<UInt64>] {
        var skipped: [ClosedRange<UInt64>] = []
        for index in stream.sources.indices {
            let name = stream.sources[index].name
            let next = stream.sources[index].nextOrdinal
            stream.sources[index].nextOrdinal += UInt64.random(in: 1...9, using: &random)
            stream.open(index)
            // A source of which nothing was taken yet may begin anywhere.
            guard reader.stored?.source(name) != nil else { continue }
            skipped.append(next...(stream.sources[index].nextOrdinal - 1))
        }
        return skipped
    }
}
