import Foundation
import MarketModel
import Membership
import Primitives
import Seeds
import TapeCodec
import TapeTransport
import Testing

@testable import TapeKeeping

/// A stream, its sources, its groups and a keeper, from a seed.
@Suite struct PurgeSimulationTests {
    @Test("nothing goes that anybody may need, and what nobody needs goes in the end")
    func worlds() throws {
        for seed in Seeds(fixed: 1...50, weight: 0.3).all() {
            var world = PurgeWorld(seed: seed)
            for _ in 0..<120 where world.problem == nil { world.step() }
            world.settle()
            #expect(world.problem == nil, "TAPELINE_SEED=\(seed): \(world.problem ?? "")")
            if world.problem != nil { return }
        }
    }
}

/// The true state of a world, and what the keeper is told of it.
struct PurgeWorld {
    struct Message {
        var subject: Int
        var isMarker: Bool
        var previous: UInt64
        var identity: PacketIdentity
        var time: Int64
    }

    struct Reader {
        var position: UInt64 = 0
        var durable: UInt64 = 0
        var identity: PacketIdentity?
        var created: Int64 = 0
        /// The checksums of messages that it will never read again.
        var done: Set<UInt64> = []
        /// True if it does not move: its process is dead, or it waits for a person.
        var isSilent = false
    }

    static let partitions = 4
    static let bytesMax: UInt64 = 400
    static let keepAge: Int64 = 20

    var random: SeededRandom
    var messages: [UInt64: Message] = [:]
    var last: UInt64 = 0
    var created: Int64 = 1
    var now: Int64 = 0
    var copy: (messages: [UInt64: Message], last: UInt64)?
    var groups: [GroupName: [Reader]] = [:]
    /// The recorded positions.
    var told: [GroupName: [ReaderPosition?]] = [:]
    /// Partitions that get no more ticks.
    var idle: Set<Int> = []
    var newest: [Int: UInt64] = [:]
    var problem: String?
    var checksum: UInt64 = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        groups[.operators] = Array(repeating: Reader(), count: Self.partitions)
        if chance(2) { groups[.store] = Array(repeating: Reader(), count: Self.partitions) }
    }

    var names: [GroupName] { groups.keys.sorted { $0.text < $1.text } }

    mutating func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }

    // MARK: what happens

    mutating func step() {
        now += 1
        for _ in 0..<Int.random(in: 1...30, using: &random) { publish() }
        for group in names {
            for partition in 0..<Self.partitions { read(group, partition) }
        }
        if chance(2) { tell() }
        if chance(3) { keep() }
        disturb()
    }

    private mutating func disturb() {
        if chance(25) {
            let partition = Int.random(in: 0..<Self.partitions, using: &random)
            if idle.remove(partition) == nil { idle.insert(partition) }
        }
        if chance(20), let group = names.first {
            let partition = Int.random(in: 0..<Self.partitions, using: &random)
            groups[group]?[partition].isSilent.toggle()
        }
        if chance(80) { (groups[.store], told[.store]) = (nil, nil) }
        if chance(60), groups[.store] == nil {
            groups[.store] = Array(repeating: Reader(), count: Self.partitions)
        }
        if chance(90) { copy = (messages, last) }
        if chance(120) { putBack() }
        if chance(250) {
            (messages, last, newest, copy) = ([:], 0, [:], nil)
            created += 1
        }
        if chance(15) { accept() }
    }

    /// Restores the stream from a backup. Everything purged since then comes back, including
    /// messages from before a group was registered. A reader whose packet is stored continues after
    /// it and never reads what comes before the ticks it has. All others must read what they have
    /// not read.
    private mutating func putBack() {
        guard let copy else { return }
        (messages, last) = copy
        newest = [:]
        for (sequence, message) in messages {
            newest[message.subject] = max(newest[message.subject] ?? 0, sequence)
            for group in names {
                for partition in 0..<Self.partitions {
                    guard let reader = groups[group]?[partition], sequence < reader.durable,
                        stands(reader)
                    else { continue }
                    groups[group]?[partition].done.insert(message.identity.checksum)
                }
            }
        }
    }

    /// Publishes on a subject per partition, and watermarks after them.
    private mutating func publish() {
        guard UInt64(messages.count) < Self.bytesMax else { return }
        let subject = Int.random(in: 0...Self.partitions, using: &random)
        guard !idle.contains(subject) else { return }
        last += 1
        checksum += 1
        messages[last] = Message(
            subject: subject, isMarker: chance(6), previous: newest[subject] ?? 0,
            identity: PacketIdentity(epoch: 1, firstOrdinal: last, checksum: checksum), time: now)
        newest[subject] = last
    }

    /// Returns true if the reader's packet is stored, so that it may continue.
    private func stands(_ reader: Reader) -> Bool {
        guard reader.position > 0 else { return true }
        return reader.created == created
            && messages[reader.position]?.identity == reader.identity
    }

    private mutating func read(_ group: GroupName, _ partition: Int) {
        guard var reader = groups[group]?[partition], !reader.isSilent, stands(reader),
            !chance(3)
        else { return }
        let ahead = messages.keys.filter {
            let subject = messages[$0]?.subject
            return $0 > reader.position && (subject == partition || subject == Self.partitions)
        }.sorted().prefix(40)
        if let next = ahead.last {
            (reader.position, reader.identity) = (next, messages[next]?.identity)
            reader.created = created
        }
        // Writes a checkpoint, some way back.
        if chance(2), reader.position > 0 {
            let back = UInt64.random(in: 0...10, using: &random)
            reader.durable = max(reader.durable, reader.position - min(reader.position, back))
            for (sequence, message) in messages where sequence < reader.durable {
                guard message.subject == partition || message.subject == Self.partitions else {
                    continue
                }
                reader.done.insert(message.identity.checksum)
            }
        }
        groups[group]?[partition] = reader
    }

    /// A person lets stopped readers continue: from the start, or from what is still stored.
    private mutating func accept() {
        for group in names {
            for partition in 0..<Self.partitions {
                guard let reader = groups[group]?[partition], !stands(reader) else { continue }
                // It keeps what it has; it may read that once more.
                groups[group]?[partition] = Reader()
                groups[group]?[partition].done = reader.done
            }
        }
    }

    // MARK: the keeper

    private mutating func tell() {
        for (group, readers) in groups {
            var positions = told[group] ?? Array(repeating: nil, count: Self.partitions)
            for (partition, reader) in readers.enumerated() where !reader.isSilent {
                positions[partition] = ReaderPosition(
                    partition: Partition(partition), input: .ticks, sequence: reader.position,
                    durable: reader.durable, sources: [],
                    proof: reader.identity.map {
                        ReaderPosition.Proof(
                            streamCreated: Timestamp(nanoseconds: reader.created), packet: $0)
                    })
            }
            told[group] = positions
        }
    }

    private func pins(_ subject: Int) -> [UInt64] {
        guard var sequence = newest[subject], messages[sequence] != nil else { return [] }
        var pins = [sequence]
        while let message = messages[sequence], message.isMarker, message.previous > 0,
            messages[message.previous]?.subject == subject
        {
            sequence = message.previous
            pins.append(sequence)
        }
        return pins.reversed()
    }

    private func facts() -> PurgeFacts {
        let floors = groups.keys.flatMap { group in
            (0..<Self.partitions).map { partition in
                let position = told[group]?[partition]
                return PurgeFacts.Floor(
                    group: group, partition: Partition(partition), position: position,
                    streamCreated: Timestamp(nanoseconds: created),
                    standing: position.flatMap { messages[$0.sequence]?.identity })
            }
        }
        let young = messages.filter { $0.value.time >= now - Self.keepAge }.keys.min()
        return PurgeFacts(
            firstSequence: messages.keys.min() ?? last + 1, lastSequence: last,
            agedBelow: young ?? last + 1,
            subjects: (0...Self.partitions).map {
                PurgeFacts.Subject(
                    name: "\($0)", partition: $0 < Self.partitions ? Partition($0) : nil,
                    pins: pins($0))
            }, floors: floors)
    }

    private mutating func keep() {
        let marks = PurgeMarks(bytesMax: Self.bytesMax)
        guard UInt64(messages.count) > marks.startBytes else { return }
        var pass = PurgePass(
            PurgePlan(facts()), marks: marks, bytes: UInt64(messages.count),
            messages: UInt64(messages.count))
        for _ in 0..<5_000 where problem == nil {
            switch pass.next() {
            case .front(let below):
                if below > last { problem = "a purge behind the end" }
                for sequence in messages.keys where sequence < below { remove(sequence) }
            case .seek(let from): pass.found(messages.keys.filter { $0 >= from }.min())
            case .measure: pass.measured(bytes: UInt64(messages.count))
            case .subject(let purge):
                for (sequence, message) in messages
                where "\(message.subject)" == purge.subject && sequence < purge.below {
                    remove(sequence)
                }
            case .done: return
            }
            // The world changes meanwhile.
            if chance(10) { publish() }
        }
        if problem == nil { problem = "a purge that does not end" }
    }

    // MARK: invariants

    private mutating func remove(_ sequence: UInt64) {
        guard let message = messages.removeValue(forKey: sequence) else { return }
        if newest[message.subject] == sequence { problem = "the newest of \(message.subject)" }
        if message.time >= now - Self.keepAge { problem = "\(sequence) is young" }
        var pin = newest[message.subject] ?? 0
        while let above = messages[pin], above.isMarker {
            pin = above.previous
            if pin == sequence { problem = "\(sequence) is behind markers" }
        }
        for (group, readers) in groups {
            for (partition, reader) in readers.enumerated()
            where message.subject == partition || message.subject == Self.partitions {
                if !reader.done.contains(message.identity.checksum) {
                    problem = "\(sequence): group \(group), partition \(partition) needs it"
                }
            }
        }
    }

    /// Ends the faults. All groups read to the end and report, and then the stream falls below its
    /// mark.
    mutating func settle() {
        guard problem == nil else { return }
        accept()
        for group in names {
            for partition in 0..<Self.partitions { groups[group]?[partition].isSilent = false }
        }
        for _ in 0..<60 where problem == nil {
            now += Self.keepAge / 4
            for _ in 0..<8 { publish() }
            for group in names {
                for partition in 0..<Self.partitions { read(group, partition) }
            }
            tell()
            keep()
        }
        let marks = PurgeMarks(bytesMax: Self.bytesMax)
        if problem == nil, UInt64(messages.count) > marks.startBytes {
            problem = "\(messages.count) messages are left: \(PurgePlan(facts()).holder)"
        }
    }
}
