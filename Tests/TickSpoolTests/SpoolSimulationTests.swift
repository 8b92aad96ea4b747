import Foundation
import MarketModel
import Primitives
import Seeds
import TapeCodec
import Testing

@testable import TickSpool

/// Gateways that follow each other on one spool, as `SpoolTraffic` uses it: streams fail and
/// recover separately, their packets go through the spool or past it, and processes end at any
/// moment. `TAPELINE_SEED` runs one seed again.
@Suite struct SpoolSimulationTests {
    private static let seeds = Seeds(
        fixed: 1...10, failed: [8_234_378_387_358_050_713], weight: 0.1)

    @Test("whatever fails and ends, each packet is on the tape once and in order")
    func once() throws {
        var met: Set<SpoolWorld.Event> = []
        for seed in Self.seeds.all() {
            let world = try SpoolWorld(seed: seed)
            for _ in 0..<500 { try world.step() }
            try world.recoverAll()
            for partition in world.tape.indices {
                #expect(
                    world.tape[partition].packets == world.made[partition],
                    "TAPELINE_SEED=\(seed), partition \(partition)")
            }
            met.formUnion(world.met)
        }
        // Otherwise the worlds have not met what they are for.
        #expect(Seeds.isOneAlone || met == Set(SpoolWorld.Event.allCases))
    }
}

/// A tape in memory, the spool on disk, and the gateway between them.
private final class SpoolWorld {
    /// Situations that some world has to meet.
    enum Event: CaseIterable {
        case leftAlone
        case endedAfterLeaving
        case foundAmongFrames
        case notFound
        case markLost
        case markOfOneQueue
        case raised
    }

    static let partitions = 8
    static let queues = 4
    private static let ticks: UInt64 = 3

    /// One partition on the tape.
    struct Head {
        var packets: [Int] = []
        /// The ordinal that the next packet gets, and the one after the last packet.
        var next: UInt64 = 1
        var standing: UInt64 = 1
    }

    private struct InFlight {
        let packet: Int
        let firstOrdinal: UInt64
        var frame: UInt64?
        var isStored = false
    }

    private struct Lane {
        var inFlight: InFlight?
        var waiting: SpooledPacket?
        var nextOrdinal: UInt64 = 1
        var standing = SpoolStanding.below(ordinal: 1)
        /// A packet went past the spool while frames of other queues were there.
        var isPast = false
    }

    private(set) var tape = Array(repeating: Head(), count: partitions)
    /// Per partition, the packets that have to be on the tape.
    private(set) var made: [[Int]] = Array(repeating: [], count: partitions)
    private(set) var met: Set<Event> = []
    private var packets: [SealedPacket] = []
    private var numbers: [PacketContent: Int] = [:]
    private var random: SeededRandom
    private let maker: PacketMaker
    private let rig: SpoolRig
    /// Ordinals are raised, or marks are lost. After both, ordinals cannot tell what is on the
    /// tape.
    private let isRaising: Bool
    private var isWell = Array(repeating: true, count: queues)

    // The gateway.
    private var spool: Spool?
    private var lanes = Array(repeating: Lane(), count: partitions)
    private var isActive = Array(repeating: false, count: queues)
    private var takenBelow = Array(repeating: UInt64(0), count: queues)
    private var early: Set<UInt64> = []
    private var isReplaying = false

    init(seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        maker = try PacketMaker()
        rig = try SpoolRig()
        isRaising = seed % 2 == 0
        spool = try open()
    }

    private func open() throws -> Spool {
        var settings = rig.settings
        settings.queues = Self.queues
        settings.segmentBytes = 2_000
        return try Spool(settings)
    }

    private func opened() throws -> Spool { try #require(spool) }

    private func chance(of count: Int) -> Int { Int(random.next() % UInt64(count)) }

    private func queue(_ partition: Int) -> Int { partition % Self.queues }

    // MARK: what happens

    func step() throws {
        let partition = chance(of: Self.partitions)
        switch chance(of: 64) {
        case 0..<20: try make(partition)
        case 20..<34: store(partition)
        case 34..<48: try acknowledge(partition)
        case 48..<58:
            try flow()
            try leave()
        case 58, 59: isWell[queue(partition)].toggle()
        case 60: raise(partition)
        case 61: try rest()
        default: try end()
        }
    }

    /// Lets everything recover, and expects that all is on the tape then.
    func recoverAll() throws {
        isWell = isWell.map { _ in true }
        for _ in 0..<10_000 where try isBusy() {
            for partition in tape.indices {
                store(partition)
                try acknowledge(partition)
            }
            try flow()
            try leave()
        }
        #expect(try !isBusy())
    }

    private func isBusy() throws -> Bool {
        try isActive.contains(true) || !opened().isEmpty
            || lanes.contains { $0.inFlight != nil }
    }

    /// A new packet; a new gateway makes none before the spool of the last one is empty.
    private func make(_ partition: Int) throws {
        guard !isReplaying else { return }
        let packet = try maker.packet(partition)
        let number = packets.count
        packets.append(packet)
        numbers[packet.content] = number
        made[partition].append(number)
        if !isActive[queue(partition)] {
            guard lanes[partition].inFlight != nil else {
                lanes[partition].inFlight = InFlight(
                    packet: number, firstOrdinal: tape[partition].next)
                lanes[partition].isPast = try !opened().isEmpty
                return
            }
            try enter(queue(partition))
        }
        _ = try append(number, partition, lanes[partition].nextOrdinal)
        lanes[partition].nextOrdinal += Self.ticks
    }

    private func append(_ number: Int, _ partition: Int, _ ordinal: UInt64) throws -> UInt64? {
        let packet = packets[number].resealed(epoch: 1, firstOrdinal: ordinal)
        guard case .appended(let frame) = try opened().append(packet) else { return nil }
        return frame
    }

    private func enter(_ queue: Int) throws {
        isActive[queue] = true
        for partition in lanes.indices where self.queue(partition) == queue {
            lanes[partition].nextOrdinal = tape[partition].next
            guard let sent = lanes[partition].inFlight else { continue }
            lanes[partition].inFlight?.frame = try append(
                sent.packet, partition, sent.firstOrdinal)
            if !sent.isStored { lanes[partition].nextOrdinal += Self.ticks }
        }
    }

    private func store(_ partition: Int, evenIfIll: Bool = false) {
        guard let sent = lanes[partition].inFlight, !sent.isStored,
            isWell[queue(partition)] || evenIfIll
        else { return }
        lanes[partition].inFlight?.isStored = true
        tape[partition].packets.append(sent.packet)
        tape[partition].next = sent.firstOrdinal + Self.ticks
        tape[partition].standing = tape[partition].next
    }

    private func acknowledge(_ partition: Int) throws {
        guard let sent = lanes[partition].inFlight, sent.isStored else { return }
        lanes[partition].inFlight = nil
        guard let frame = sent.frame else { return }
        if frame < takenBelow[queue(partition)] {
            try opened().consume(frame)
        } else {
            early.insert(frame)
        }
    }

    /// Others hold higher ordinals of this partition.
    private func raise(_ partition: Int) {
        guard isRaising, lanes[partition].inFlight == nil else { return }
        tape[partition].next += 1_000
        met.insert(.raised)
    }

    // MARK: the way out of the spool

    private func flow() throws {
        for partition in lanes.indices where lanes[partition].inFlight == nil {
            guard let packet = lanes[partition].waiting else { continue }
            lanes[partition].waiting = nil
            send(packet, partition)
        }
        let spool = try opened()
        for queue in 0..<Self.queues {
            while let head = try spool.peek(queue),
                lanes[head.packet.header.partition.number].waiting == nil,
                let packet = try spool.take(queue)
            {
                takenBelow[queue] = packet.number + 1
                try arrive(packet, packet.packet.header.partition.number)
            }
        }
        #expect(spool.damages.isEmpty)
    }

    private func arrive(_ packet: SpooledPacket, _ partition: Int) throws {
        let lane = lanes[partition]
        if early.remove(packet.number) != nil
            || isReplaying
                && lane.standing.includes(
                    number: packet.number, nextOrdinal: packet.packet.header.nextOrdinal)
        {
            try opened().consume(packet.number)
        } else if lane.inFlight == nil {
            send(packet, partition)
        } else if lane.inFlight?.frame != packet.number {
            lanes[partition].waiting = packet
        }
    }

    private func send(_ packet: SpooledPacket, _ partition: Int) {
        guard let number = numbers[packet.packet.content] else { return }
        lanes[partition].inFlight = InFlight(
            packet: number, firstOrdinal: tape[partition].next, frame: packet.number)
    }

    private func leave() throws {
        let spool = try opened()
        let drained = (0..<Self.queues).filter { queue in
            isActive[queue] && spool.isEmpty(queue: queue)
                && lanes.indices.allSatisfy {
                    self.queue($0) != queue
                        || lanes[$0].inFlight == nil && lanes[$0].waiting == nil
                }
        }
        guard !drained.isEmpty else { return }
        try spool.storeMark()
        for queue in drained { isActive[queue] = false }
        if !isActive.contains(true) {
            isReplaying = false
        } else {
            met.insert(.leftAlone)
        }
    }

    // MARK: the end of a gateway

    /// A gateway ends in order: what is not on the tape is kept. Its successor is in the same
    /// process, or in another one.
    private func rest() throws {
        if !isReplaying {
            for queue in 0..<Self.queues where !isActive[queue] { try enter(queue) }
        }
        try opened().rewind()
        if chance(of: 2) == 0 { spool = nil }
        try begin()
    }

    /// The process is killed. Packets that were not in the spool and are not on the tape are made
    /// again by their provider, as others.
    private func end() throws {
        spool = nil
        if lanes.contains(where: \.isPast) { met.insert(.endedAfterLeaving) }
        try harmMark()
        try begin()
    }

    private func harmMark() throws {
        let path = "\(rig.active)/\(SpoolMark.fileName)"
        guard !isRaising else { return }
        switch chance(of: 6) {
        case 0:
            met.insert(.markLost)
            try Data([7]).write(to: URL(fileURLWithPath: path))
        case 1:
            met.insert(.markOfOneQueue)
            let lowest = try SpoolMark.read(in: rig.active).lowest
            let mark = SpoolMark(queues: [SpoolMark.Queue(below: lowest, isSure: false)])
            try Data(mark.bytes).write(to: URL(fileURLWithPath: path))
        default: break
        }
    }

    private func begin() throws {
        for partition in lanes.indices {
            guard let sent = lanes[partition].inFlight, !sent.isStored else { continue }
            if chance(of: 2) == 0 {
                store(partition, evenIfIll: true)
            } else if sent.frame == nil {
                made[partition].removeAll { $0 == sent.packet }
            }
        }
        lanes = Array(repeating: Lane(), count: Self.partitions)
        isActive = Array(repeating: false, count: Self.queues)
        takenBelow = Array(repeating: 0, count: Self.queues)
        early = []
        isReplaying = false
        let spool = try self.spool ?? open()
        self.spool = spool
        guard !spool.isEmpty else { return try spool.storeMark() }
        var contents: [Partition: PacketContent] = [:]
        for (partition, head) in tape.enumerated() {
            contents[Partition(partition)] = head.packets.last.map { packets[$0].content }
        }
        let found = try spool.find(contents)
        isReplaying = true
        isActive = Array(repeating: true, count: Self.queues)
        for partition in lanes.indices {
            lanes[partition].standing = found.standing(
                Partition(partition), nextOrdinal: tape[partition].standing)
        }
        met.insert(found.numbers.isEmpty ? .notFound : .foundAmongFrames)
    }
}
