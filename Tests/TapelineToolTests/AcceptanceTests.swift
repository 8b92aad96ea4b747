import Membership
import MarketModel
import Primitives
import Seeds
import TapeCodec
import TapeProtocol
import Testing

@testable import TapelineTool

@Suite("Where a reader goes on after tape data were destroyed")
struct AcceptanceTests {
    private let created = Timestamp(nanoseconds: 1_750_000_000_000_000_000)

    private func source(_ name: String) throws -> SourceName { try #require(SourceName(name)) }

    /// Returns a packet of `count` ordinals from `first` on. With 0 it is a marker.
    private func packet(
        _ sequence: UInt64, _ source: SourceName, epoch: UInt64, _ first: UInt64, _ count: UInt64
    ) -> Acceptance.Packet {
        Acceptance.Packet(
            sequence: sequence, source: source,
            identity: PacketIdentity(epoch: epoch, firstOrdinal: first, checksum: sequence &* 77),
            nextOrdinal: first + count)
    }

    private func position(
        at sequence: UInt64, _ sources: [(SourceName, last: UInt64, epoch: UInt64)]
    ) -> GroupPosition {
        var position = GroupPosition(group: .store, input: .ticks, partition: Partition(0))
        position.packet = GroupPosition.Packet(
            streamCreated: Timestamp(nanoseconds: 1), sequence: sequence,
            identity: PacketIdentity(epoch: 9, firstOrdinal: 9, checksum: 9))
        position.sources = sources.map {
            GroupPosition.Source(
                source: $0.0, lastOrdinal: $0.last, tapeOrdinal: $0.last, epoch: $0.epoch)
        }
        return position
    }

    private func accept(
        _ position: GroupPosition, on tape: [Acceptance.Packet], isStanding: Bool = false
    ) throws -> Acceptance {
        let sources = Set(tape.map(\.source)).sorted()
        return try Acceptance(
            position, isStanding: isStanding, tapeSources: sources, streamCreated: created,
            lastSequence: tape.last?.sequence ?? 0
        ) { source, sequence in
            tape.first { $0.source == source && $0.sequence >= sequence }
        }
    }

    @Test("a gateway that lived: its new epoch goes on behind what it knew, the rest is lost")
    func putBackUnderALivingGateway() throws {
        let a = try source("a")
        // Read up to 100 in epoch 1; restored to 80; what was acknowledged up to 120 is lost.
        let tape = [
            packet(1, a, epoch: 1, 1, 40), packet(2, a, epoch: 1, 41, 40),
            packet(3, a, epoch: 2, 121, 0), packet(4, a, epoch: 2, 121, 5),
        ]
        let found = try accept(position(at: 7, [(a, 100, 1)]), on: tape)
        #expect(found.packet?.sequence == 2 && found.packet?.streamCreated == created)
        #expect(found.packet?.identity == tape[1].identity)
        #expect(
            found.changes == [
                Acceptance.SourceChange(
                    source: a, storedOrdinal: 100, lost: 101...120, givenTwice: nil,
                    lastOrdinal: 120, tapeOrdinal: 120, epoch: 1)
            ])
        #expect(!found.isNothing && found.lostCount == 20 && found.givenTwiceCount == 0)
    }

    @Test("a gateway that has forgotten gives ordinals twice; the new ones are read")
    func forgetfulGateway() throws {
        let (a, b) = (try source("a"), try source("b"))
        let tape = [
            packet(1, a, epoch: 1, 1, 80), packet(2, b, epoch: 4, 1, 10),
            packet(3, b, epoch: 4, 11, 5), packet(4, a, epoch: 2, 81, 0),
            packet(5, a, epoch: 2, 81, 30),
        ]
        let found = try accept(position(at: 9, [(a, 100, 1), (b, 10, 4)]), on: tape)
        // b's packet at 3 was never read, so nothing after 2 may be skipped.
        #expect(found.packet?.sequence == 2)
        #expect(
            found.changes == [
                Acceptance.SourceChange(
                    source: a, storedOrdinal: 100, lost: nil, givenTwice: 81...100,
                    lastOrdinal: 100, tapeOrdinal: 80, epoch: 1),
                Acceptance.SourceChange(
                    source: b, storedOrdinal: 10, lost: nil, givenTwice: nil, lastOrdinal: 10,
                    tapeOrdinal: 10, epoch: 4),
            ])
        #expect(found.givenTwiceCount == 20)
    }

    @Test("a purged or empty tape: from the start, with the ordinals kept")
    func start() throws {
        let a = try source("a")
        let purged = try accept(
            position(at: 50, [(a, 100, 1)]), on: [packet(70, a, epoch: 1, 131, 4)])
        #expect(purged.packet == nil && purged.changes.first?.lost == 101...130)
        let empty = try accept(position(at: 50, [(a, 100, 1)]), on: [])
        #expect(empty.packet == nil && !empty.isNothing)
        #expect(empty.changes.first?.tapeOrdinal == 100 && empty.changes.first?.lost == nil)
    }

    @Test("where nothing happened there is nothing to accept")
    func nothing() throws {
        let a = try source("a")
        let tape = (1...9).map { packet($0, a, epoch: 1, ($0 - 1) * 10 + 1, 10) }
        var here = position(at: 4, [(a, 40, 1)])
        here.packet = GroupPosition.Packet(
            streamCreated: created, sequence: 4, identity: tape[3].identity)
        #expect(try accept(here, on: tape).isNothing)
        // An epoch that was not recorded is no reason against it.
        here.sources = [
            GroupPosition.Source(source: a, lastOrdinal: 40, tapeOrdinal: 40, epoch: 0)
        ]
        #expect(try accept(here, on: tape).isNothing)
    }

    @Test("packets without ordinals behind a position that stands were not read")
    func emptyPackets() throws {
        let a = try source("a")
        let tape = [packet(1, a, epoch: 1, 1, 10), packet(2, a, epoch: 1, 11, 0)]
        var here = position(at: 1, [(a, 10, 1)])
        here.packet = GroupPosition.Packet(
            streamCreated: created, sequence: 1, identity: tape[0].identity)
        #expect(try accept(here, on: tape, isStanding: true).isNothing)
        // A source without ordinals is not in the books, but the packet is stored all the same.
        here.sources = []
        #expect(try accept(here, on: tape, isStanding: true).isNothing)
        here.sources = position(at: 1, [(a, 10, 1)]).sources
        // A tape that goes back after the position is a change, even if the position's packet is
        // stored.
        let back = [tape[0], packet(2, a, epoch: 2, 4, 3)]
        let found = try accept(here, on: back, isStanding: true)
        #expect(found.packet == here.packet && !found.isNothing)
    }

    @Test("ordinals to the end of the numbers trap nothing")
    func ends() throws {
        let a = try source("a")
        let tape = [packet(UInt64.max - 1, a, epoch: 1, UInt64.max, 0)]
        let found = try accept(position(at: 1, [(a, 1, 1)]), on: tape)
        #expect(found.lostCount == UInt64.max - 2)
    }

    // MARK: any history

    /// A tape that was written, read, destroyed and written again, by the rules of the gateways.
    private struct History {
        struct Written {
            var packet: Acceptance.Packet
            /// True if it was written after the destruction.
            var isNew = false
        }

        var random: SeededRandom
        var old: [Written] = []
        var tape: [Written] = []
        /// How many packets of the old tape were read.
        var readCount = 0
        private var next: [SourceName: UInt64] = [:]
        private var epochs: [SourceName: UInt64] = [:]
        private var sequence: UInt64 = 0
        let sources: [SourceName]

        init(seed: UInt64, sources: [SourceName]) {
            random = SeededRandom(seed: seed)
            self.sources = Array(sources.prefix(1 + Int(random.next() % UInt64(sources.count))))
            for source in self.sources {
                next[source] = 1
                epochs[source] = 1 + random.next() % 3
            }
            for _ in 0..<(1 + random.next() % 40) { old.append(Written(packet: write())) }
            readCount = Int(random.next() % UInt64(old.count + 1))
            destroy()
            for _ in 0..<(random.next() % 20) {
                tape.append(Written(packet: write(), isNew: true))
            }
        }

        private mutating func write() -> Acceptance.Packet {
            let source = sources[Int(random.next() % UInt64(sources.count))]
            let first = next[source, default: 1]
            let count = random.next() % 6
            // Other partitions' packets are in between.
            sequence += 1 + random.next() % 3
            next[source] = first + count
            return Acceptance.Packet(
                sequence: sequence, source: source,
                identity: PacketIdentity(
                    epoch: epochs[source, default: 1], firstOrdinal: first,
                    checksum: random.next()),
                nextOrdinal: first + count)
        }

        private mutating func destroy() {
            let kept: [Written]
            switch random.next() % 4 {
            case 0: kept = Array(old.prefix(Int(random.next() % UInt64(old.count + 1))))
            case 1: kept = Array(old.suffix(Int(random.next() % UInt64(old.count + 1))))
            case 2: kept = []
            default: kept = old
            }
            tape = kept
            let wasPutBack = (kept.last?.packet.sequence ?? 0) < sequence
            if wasPutBack, kept.first?.packet == old.first?.packet || random.next() % 2 == 0 {
                sequence = kept.last?.packet.sequence ?? 0
            }
            for source in sources {
                let standing = kept.last { $0.packet.source == source }?.packet.nextOrdinal ?? 1
                // The gateway survived or remembers its ordinals, or it knows only the tape.
                let isAlive = random.next() % 2 == 0
                if standing < next[source, default: 1] || random.next() % 3 == 0 {
                    epochs[source, default: 1] += 1
                    if !isAlive { next[source] = standing }
                }
            }
        }

        /// The position of a reader that read the first packets of the old tape.
        var position: GroupPosition {
            var position = GroupPosition(group: .store, input: .ticks, partition: Partition(0))
            let read = old.prefix(readCount).map(\.packet)
            guard let last = read.last else { return position }
            position.packet = GroupPosition.Packet(
                streamCreated: Timestamp(nanoseconds: 1), sequence: last.sequence,
                identity: last.identity)
            for source in sources {
                guard let latest = read.last(where: { $0.source == source }) else { continue }
                position.sources.append(
                    GroupPosition.Source(
                        source: source, lastOrdinal: latest.nextOrdinal - 1,
                        tapeOrdinal: latest.nextOrdinal - 1, epoch: latest.identity.epoch))
            }
            return position
        }
    }

    @Test("whatever was destroyed, what is new is read, and what is lost is named", arguments: [0])
    func anyHistory(_: Int) throws {
        let names = try ["a", "b", "c"].map { try source($0) }
        for seed in Seeds(fixed: 1...1_500).all() {
            let history = History(seed: seed, sources: names)
            let position = history.position
            let tape = history.tape.map(\.packet)
            let found = try accept(position, on: tape)
            let start = found.packet?.sequence ?? 0
            let read = Set(history.old.prefix(history.readCount).map(\.packet.identity))
            for written in history.tape {
                let isBehind = written.packet.sequence > start
                let wasRead = !written.isNew && read.contains(written.packet.identity)
                // Whatever was never read comes after the position, unless it contains no tick.
                let isEmpty = written.packet.firstOrdinal == written.packet.nextOrdinal
                #expect(isBehind || wasRead || isEmpty, "TAPELINE_SEED=\(seed): \(written)")
            }
            for source in position.sources {
                let change = try #require(found.changes.first { $0.source == source.source })
                let coming = tape.first { $0.source == source.source && $0.sequence > start }
                let lost = coming.flatMap { packet -> ClosedRange<UInt64>? in
                    packet.firstOrdinal > source.lastOrdinal + 1
                        ? (source.lastOrdinal + 1)...(packet.firstOrdinal - 1) : nil
                }
                #expect(change.lost == lost, "TAPELINE_SEED=\(seed): \(source)")
                let again = tape.filter { $0.source == source.source && $0.sequence > start }
                    .flatMap { Array($0.firstOrdinal..<$0.nextOrdinal) }
                    .filter { $0 <= source.lastOrdinal }
                #expect(change.givenTwice.map(Array.init) ?? [] == again, "TAPELINE_SEED=\(seed)")
                if let coming {
                    #expect(change.tapeOrdinal == coming.firstOrdinal - 1, "TAPELINE_SEED=\(seed)")
                }
            }
        }
    }
}
