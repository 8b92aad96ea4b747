import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

/// Every transition of a reader's lane, one at a time.
@Suite struct ReaderLaneTests {
    let second: Int64 = 1_000_000_000

    // MARK: opening

    @Test("without a position it begins at the tape's start and proves nothing")
    func opensAtStart() throws {
        let rig = try ReaderRig()
        #expect(rig.open(at: nil) == [.readStream])
        #expect(rig.open(at: nil).isEmpty && rig.open(from: .end).isEmpty, "opening twice is once")
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .first)])
        #expect(!rig.lane.isReading)
        #expect(
            rig.created(1) == [
                .pull(consumerNumber: 1, number: 1), .pull(consumerNumber: 1, number: 2),
            ])
        #expect(rig.lane.isReading && rig.lane.position == nil)
        #expect(rig.lane.streamCreated == rig.bounds.created)
        #expect(rig.deliver(1, at: 5, consumer: 1) == .deliver)
        let position = try #require(rig.lane.position)
        #expect(position.sequence == 5 && position.streamCreated == rig.bounds.created)
        #expect(position.packet == rig.header(1).identity)
        #expect(position.sources == [rig.sourceOrdinal(lastOrdinal: 10)])
    }

    @Test("at a position it reads the packet there again, and goes on behind it")
    func opensAtPosition() throws {
        let rig = try ReaderRig()
        let position = rig.position(1, at: 20)
        _ = rig.open(at: position)
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .sequence(20))])
        _ = rig.created(1)
        #expect(rig.lane.state == .verifying)
        #expect(rig.deliver(1, at: 20, consumer: 1) == .ignore)
        #expect(rig.lane.isReading && rig.lane.position == position)
        #expect(rig.deliver(11, at: 23, consumer: 2) == .deliver)
        #expect(rig.lane.position == rig.position(11, at: 23))
    }

    @Test("at the end it takes what comes, keeps no position, and begins at the end again")
    func opensAtEnd() throws {
        let rig = try ReaderRig()
        #expect(rig.open(from: .end) == [.readStream])
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .end)])
        _ = rig.created(1)
        #expect(rig.deliver(500, at: 70, consumer: 1) == .deliver)
        #expect(rig.deliver(5, at: 71, consumer: 2) == .deliver, "nothing is proven")
        #expect(rig.lane.position == nil && rig.lane.streamSequence == 71)
        #expect(rig.reconnected().contains(.readStream))
        #expect(rig.streamRead().last == .createConsumer(consumerNumber: 3, start: .end))
    }

    @Test("a stream that is not the position's stops it")
    func streamProblems() throws {
        let other = Timestamp(nanoseconds: 8)
        let cases: [((inout ReaderLane.StreamBounds) -> Void, ReaderProblem)] = try {
            let rig = try ReaderRig()
            return [
                (
                    { $0.created = other },
                    .streamRecreated(was: rig.bounds.created, is: other)
                ),
                ({ $0.lastSequence = 19 }, .positionAboveEnd(sequence: 20, last: 19)),
                ({ $0.firstSequence = 21 }, .positionBelowStart(sequence: 20, first: 21)),
            ]
        }()
        for (change, problem) in cases {
            let rig = try ReaderRig()
            _ = rig.open(at: rig.position(1, at: 20))
            change(&rig.bounds)
            #expect(rig.streamRead().last == .stopped(problem))
            #expect(rig.lane.state == .stopped(problem) && rig.lane.deadline == nil)
        }
    }

    @Test("a lane that may be let go continues behind what was purged, with a hole")
    func letGo() throws {
        let rig = try ReaderRig()
        rig.lane.mayBeLetGo = true
        _ = rig.open(at: rig.position(1, at: 20))
        rig.bounds.firstSequence = 30
        #expect(
            rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .sequence(20))])
        _ = rig.created(1)
        #expect(rig.deliver(91, at: 31, consumer: 1) == .deliver)
        #expect(
            rig.effects == [
                .letGo(sequence: 20, first: 31),
                .hole(source: rig.source, ordinals: 11...90, isLetGo: true),
            ])
        #expect(rig.lane.position == rig.position(91, at: 31))
        // What is missing later is no longer what it was let go of.
        #expect(rig.deliver(151, at: 32, consumer: 2) == .ignore)
        _ = rig.streamRead()
        _ = rig.created(rig.lane.consumerNumber)
        let again = rig.lane.consumerNumber
        #expect(rig.deliver(91, at: 31, consumer: 1, consumerNumber: again) == .ignore)
        #expect(rig.deliver(151, at: 32, consumer: 2, consumerNumber: again) == .deliver)
        #expect(rig.effects == [.hole(source: rig.source, ordinals: 101...150)])
    }

    @Test("it does not look twice for a packet while the purge goes on")
    func letGoWhilePurged() throws {
        let rig = try ReaderRig()
        rig.lane.mayBeLetGo = true
        _ = rig.open(at: rig.position(1, at: 20))
        _ = rig.streamRead()
        _ = rig.created(1)
        // The stream had the position when it was described.
        #expect(rig.deliver(91, at: 31, consumer: 1) == .ignore)
        #expect(
            rig.effects == [
                .letGo(sequence: 20, first: 31),
                .doubted(.missingOrdinals(expected: 11, found: 91)), .readStream,
            ])
        rig.bounds.firstSequence = 40
        _ = rig.streamRead()
        _ = rig.created(rig.lane.consumerNumber)
        let again = rig.lane.consumerNumber
        #expect(rig.deliver(191, at: 41, consumer: 1, consumerNumber: again) == .deliver)
        #expect(rig.lane.position == rig.position(191, at: 41))
    }

    @Test("a lane that may be let go stops as others do where another packet has its sequence")
    func notLetGo() throws {
        let rig = try ReaderRig()
        rig.lane.mayBeLetGo = true
        _ = rig.open(at: rig.position(1, at: 20))
        _ = rig.streamRead()
        _ = rig.created(1)
        #expect(rig.deliver(5, at: 20, consumer: 1) == .ignore)
        guard case .stopped(.otherPacket)? = rig.effects.last else {
            Issue.record("\(rig.effects)")
            return
        }
    }

    @Test("a position on the first, the last and the only message holds")
    func streamEdges() throws {
        for (first, last) in [(UInt64(20), UInt64(90)), (1, 20), (20, 20)] {
            let rig = try ReaderRig()
            rig.bounds.firstSequence = first
            rig.bounds.lastSequence = last
            _ = rig.open(at: rig.position(1, at: 20))
            #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .sequence(20))])
        }
    }

    @Test("without a position no stream is wrong")
    func anyStream() throws {
        let rig = try ReaderRig()
        _ = rig.open(at: nil)
        rig.bounds = ReaderLane.StreamBounds(
            created: Timestamp(nanoseconds: 1), firstSequence: 900, lastSequence: 899,
            isReplicated: false)
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .first)])
    }

    @Test("opening that fails is repeated with growing waits up to a limit")
    func openFails() throws {
        let rig = try ReaderRig()
        _ = rig.open(at: nil)
        var waits: [Int64] = []
        for round in 0..<8 {
            // In half of the rounds the stream was read, but the consumer could not be made.
            if round % 2 == 1 { _ = rig.streamRead() }
            rig.openFailed()
            let deadline = try #require(rig.lane.deadline)
            waits.append((deadline - rig.now) / 1_000_000)
            rig.now = deadline - 1
            #expect(rig.timePassed().isEmpty)
            rig.now = deadline
            #expect(rig.timePassed() == [.readStream])
            #expect(rig.timePassed().isEmpty, "asked once")
        }
        #expect(waits == [50, 100, 200, 400, 800, 1_000, 1_000, 1_000])
    }

    // MARK: the start with what is known, and a time

    @Test("a position before the first packet begins at the tape's start, and proves nothing")
    func opensAtKnownStart() throws {
        for created in [Timestamp.undefined, Timestamp(nanoseconds: 7)] {
            let rig = try ReaderRig()
            rig.bounds.firstSequence = 40
            var start = TapePosition.start(sources: [rig.sourceOrdinal(lastOrdinal: 30)])
            #expect(start.sequence == 0 && !start.hasPacket && !start.streamCreated.isDefined)
            start.streamCreated = created
            _ = rig.open(at: start)
            #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .first)])
            _ = rig.created(1)
            #expect(rig.lane.isReading)
            #expect(rig.deliver(31, at: 41, consumer: 1) == .deliver && rig.effects.isEmpty)
            #expect(rig.lane.position == rig.position(31, at: 41), "of this stream from now on")
            // From here on it is a position like any other.
            _ = rig.reconnected()
            #expect(rig.streamRead() == [.createConsumer(consumerNumber: 3, start: .sequence(41))])
        }
    }

    @Test("a start of a stream that is named is compared with it; of an empty one, too")
    func knownStartOfAnotherStream() throws {
        let rig = try ReaderRig()
        rig.bounds.lastSequence = 0
        var start = TapePosition.start(sources: [])
        _ = rig.open(at: start)
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .first)])
        let other = try ReaderRig()
        start.streamCreated = Timestamp(nanoseconds: 6)
        _ = other.open(at: start)
        #expect(
            other.streamRead().last
                == .stopped(.streamRecreated(was: start.streamCreated, is: rig.bounds.created)))
    }

    @Test("behind a known start, missing ordinals are a hole, and ordinals that go back stop it")
    func knownStartOrdinals() throws {
        let rig = try ReaderRig()
        rig.read(from: .start(sources: [rig.sourceOrdinal(lastOrdinal: 30)]))
        #expect(rig.deliver(51, at: 9, consumer: 1) == .ignore)
        #expect(rig.effects.first == .doubted(.missingOrdinals(expected: 31, found: 51)))
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 3, start: .first)])
        _ = rig.created(3)
        #expect(rig.deliver(51, at: 9, consumer: 1, consumerNumber: 3) == .deliver)
        #expect(rig.effects == [.hole(source: rig.source, ordinals: 31...50)])
        let back = try ReaderRig()
        back.read(from: .start(sources: [back.sourceOrdinal(lastOrdinal: 30)]))
        #expect(back.deliver(30, at: 9, consumer: 1) == .ignore)
        #expect(
            back.effects.last == .stopped(.ordinalsGoBack(sequence: 9, expected: 31, found: 30)))
    }

    @Test("a start knows its sources in order of their names")
    func startSorts() throws {
        let names = try ["b", "c", "a"].map { try #require(SourceName($0)) }
        let start = TapePosition.start(
            sources: names.map { SourceOrdinal(source: $0, epoch: 1, lastOrdinal: 2) })
        #expect(start.sources.map(\.source) == names.sorted())
    }

    @Test("from a time it has no position, and begins there again until a packet was taken")
    func opensFromTime() throws {
        let rig = try ReaderRig()
        let time = Timestamp(nanoseconds: 99)
        #expect(rig.open(from: .time(time)) == [.readStream] && rig.open(from: .time(time)).isEmpty)
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .time(time))])
        _ = rig.created(1)
        #expect(rig.lane.isReading && rig.lane.position == nil)
        _ = rig.reconnected()
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 3, start: .time(time))])
        _ = rig.created(3)
        #expect(rig.deliver(31, at: 41, consumer: 1, consumerNumber: 3) == .deliver)
        #expect(rig.lane.position == rig.position(31, at: 41))
        _ = rig.reconnected()
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 5, start: .sequence(41))])
        #expect(rig.created(5).count == 2 && rig.lane.state == .verifying)
    }

    @Test("how it was opened before does not matter once it is opened again")
    func openedAnew() throws {
        let rig = try ReaderRig()
        for first in 0..<2 {
            _ = rig.open(from: first == 0 ? .end : .time(Timestamp(nanoseconds: 99)))
            rig.close()
            _ = rig.open(at: nil)
            #expect(
                rig.streamRead() == [
                    .createConsumer(consumerNumber: rig.lane.consumerNumber, start: .first)
                ])
            rig.close()
        }
    }

    // MARK: raw

    @Test("raw it takes whatever is stored, and goes on behind the message that it took last")
    func raw() throws {
        let rig = try ReaderRig()
        #expect(rig.open(from: .sequence(5), isRaw: true) == [.readStream])
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 1, start: .sequence(5))])
        _ = rig.reconnected()
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 3, start: .sequence(5))])
        _ = rig.created(3)
        #expect(rig.lane.isReading)
        #expect(rig.deliver(31, at: 40, consumer: 1, consumerNumber: 3) == .deliver)
        #expect(
            rig.deliver(5, at: 41, consumer: 2, consumerNumber: 3) == .deliver, "ordinals go back")
        #expect(rig.deliverMessage(at: 44, consumer: 3, consumerNumber: 2) == .ignore)
        #expect(
            rig.deliverMessage(at: 44, consumer: 3, consumerNumber: 3) == .deliver
                && rig.effects.isEmpty)
        #expect(rig.lane.position == nil && rig.lane.streamSequence == 44)
        #expect(rig.deliverMessage(at: 46, consumer: 5, consumerNumber: 3) == .ignore)
        #expect(
            rig.effects == [.doubted(.missedDelivery(expected: 4, found: 5)), .readStream])
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 5, start: .sequence(45))])
        #expect(rig.created(5).count == 2 && rig.lane.isReading, "nothing to prove")
    }

    @Test("raw it stops on a stream that is another or ends too early, and not on a purged one")
    func rawBounds() throws {
        for (created, last, problem) in [
            (
                Int64(8), UInt64(100),
                ReaderProblem.streamRecreated(
                    was: Timestamp(nanoseconds: 7), is: Timestamp(nanoseconds: 8))
            ),
            (7, 39, .positionAboveEnd(sequence: 40, last: 39)), (7, 40, nil),
        ] as [(Int64, UInt64, ReaderProblem?)] {
            let rig = try ReaderRig()
            _ = rig.open(from: .first, isRaw: true)
            _ = rig.streamRead()
            _ = rig.created(1)
            _ = rig.deliverMessage(at: 40, consumer: 1, consumerNumber: 1)
            rig.bounds = ReaderLane.StreamBounds(
                created: Timestamp(nanoseconds: created), firstSequence: 41, lastSequence: last,
                isReplicated: false)
            _ = rig.reconnected()
            let next = ReaderLane.Effect.createConsumer(consumerNumber: 3, start: .sequence(41))
            #expect(rig.streamRead().last == problem.map { .stopped($0) } ?? next)
        }
    }

    // MARK: proof

    @Test("another packet at the position stops it, by epoch, ordinal, checksum or place")
    func otherPacket() throws {
        let changes: [(inout PacketHeader) -> Void] = [
            { $0.epoch += 1 }, { $0.firstOrdinal += 1 }, { $0.checksum ^= 1 },
        ]
        for change in changes {
            let rig = try ReaderRig()
            rig.read(from: rig.position(1, at: 20))
            var header = rig.header(1)
            change(&header)
            #expect(rig.deliver(header, at: 20, consumer: 1) == .ignore)
            let problem = ReaderProblem.otherPacket(
                sequence: 20, was: rig.header(1).identity, is: header.identity)
            #expect(rig.effects == [.stopped(problem)])
            #expect(rig.lane.state == .stopped(problem))
        }
        let rig = try ReaderRig()
        rig.read(from: rig.position(1, at: 20))
        #expect(rig.deliver(1, at: 21, consumer: 1) == .ignore)
        guard case .stopped(.otherPacket) = rig.lane.state else {
            Issue.record("the packet of the position stands elsewhere: \(rig.lane.state)")
            return
        }
    }

    @Test("what cannot be decoded stops it, in whichever state, but not from an older consumer")
    func undecodable() throws {
        let error = PacketError(.truncated, offset: 1, expected: 2, found: 3)
        for proven in [false, true] {
            let rig = try ReaderRig()
            rig.read(from: rig.position(1, at: 20))
            if proven { _ = rig.deliver(1, at: 20, consumer: 1) }
            #expect(rig.undecodable(error, consumerNumber: 0, sequence: 21).isEmpty)
            let effects = rig.undecodable(error, consumerNumber: 1, sequence: 21)
            let problem = ReaderProblem.undecodable(sequence: 21, error)
            #expect(effects == [.stopped(problem)])
            #expect(rig.undecodable(error, consumerNumber: 1, sequence: 21).isEmpty)
        }
    }

    // MARK: ordinals

    @Test("ordinals that go back, and epochs that go back, stop it")
    func ordinalsGoBack() throws {
        for (ordinal, epoch) in [(UInt64(10), UInt64(3)), (1, 4), (11, 2), (12, 2)] {
            let rig = try ReaderRig.proven()
            #expect(rig.deliver(rig.header(ordinal, epoch: epoch), at: 21, consumer: 2) == .ignore)
            #expect(
                rig.effects.last
                    == .stopped(.ordinalsGoBack(sequence: 21, expected: 11, found: ordinal)))
            #expect(rig.lane.position == rig.position(1, at: 20))
        }
    }

    @Test("missing ordinals are read for again; met again they are a hole on the tape")
    func hole() throws {
        let rig = try ReaderRig.proven()
        #expect(rig.deliver(31, at: 25, consumer: 2) == .ignore)
        #expect(
            rig.effects == [
                .doubted(.missingOrdinals(expected: 11, found: 31)),
                .readStream,
            ])
        #expect(rig.streamRead() == [.createConsumer(consumerNumber: 3, start: .sequence(20))])
        _ = rig.created(3)
        #expect(rig.deliver(1, at: 20, consumer: 1, consumerNumber: 3) == .ignore)
        #expect(rig.deliver(31, at: 25, consumer: 2, consumerNumber: 3) == .deliver)
        #expect(rig.effects == [.hole(source: rig.source, ordinals: 11...30)])
        #expect(rig.lane.position == rig.position(31, at: 25))
        // The next hole is doubted again.
        #expect(rig.deliver(50, at: 26, consumer: 3, consumerNumber: 3) == .ignore)
        #expect(rig.effects.first == .doubted(.missingOrdinals(expected: 41, found: 50)))
    }

    @Test("a hole that was suspected before a close is doubted again after it")
    func suspectAndClose() throws {
        let rig = try ReaderRig.proven()
        _ = rig.deliver(31, at: 25, consumer: 2)
        rig.close()
        rig.readProven(from: rig.position(1, at: 20))
        #expect(
            rig.deliver(31, at: 25, consumer: 2, consumerNumber: rig.lane.consumerNumber) == .ignore
        )
        #expect(rig.effects.first == .doubted(.missingOrdinals(expected: 11, found: 31)))
    }

    @Test("missing ordinals that come after all were no hole")
    func noHole() throws {
        let rig = try ReaderRig.proven()
        _ = rig.deliver(21, at: 25, consumer: 2)
        rig.makeConsumer()
        _ = rig.deliver(1, at: 20, consumer: 1, consumerNumber: 3)
        #expect(rig.deliver(11, at: 22, consumer: 2, consumerNumber: 3) == .deliver)
        #expect(rig.deliver(21, at: 25, consumer: 3, consumerNumber: 3) == .deliver)
        #expect(rig.effects.isEmpty)
    }

    @Test("a hole to the end of all ordinals does not trap")
    func hugeHole() throws {
        let rig = try ReaderRig.proven()
        for consumerNumber in [UInt64(1), 3] {
            if consumerNumber == 3 {
                rig.makeConsumer()
                _ = rig.deliver(1, at: 20, consumer: 1, consumerNumber: 3)
            }
            _ = rig.deliver(
                rig.header(UInt64.max), at: 25, consumer: 2, consumerNumber: consumerNumber)
        }
        #expect(rig.effects == [.hole(source: rig.source, ordinals: 11...UInt64.max - 1)])
    }

    @Test("sources have ordinals of their own, and are kept in order of their names")
    func sources() throws {
        let rig = try ReaderRig()
        rig.read(from: nil)
        let names = ["m", "a", "z", "b"].compactMap { SourceName($0) }
        for (index, name) in names.enumerated() {
            let header = rig.header(UInt64(100 * index + 1), source: name)
            let at = UInt64(index + 1)
            #expect(rig.deliver(header, at: at, consumer: at) == .deliver)
        }
        let position = try #require(rig.lane.position)
        #expect(position.sources.map(\.source) == names.sorted())
        let lasts = names.map { position.source($0)?.lastOrdinal }
        #expect(lasts == [10, 110, 210, 310])
        #expect(position.source(rig.source) == nil)
        #expect(rig.deliver(rig.header(11, source: names[0]), at: 9, consumer: 5) == .deliver)
        #expect(rig.lane.position?.source(names[0])?.lastOrdinal == 20)
        #expect(rig.lane.position?.source(names[1])?.lastOrdinal == 110)
    }

    @Test("markers use up no ordinal; a watermark moves the position and no ordinal")
    func markersAndWatermarks() throws {
        let rig = try ReaderRig.proven()
        var marker = rig.header(11, epoch: 4, ticks: 0)
        marker.flags = .epochMarker
        #expect(rig.deliver(marker, at: 21, consumer: 2) == .deliver)
        #expect(rig.lane.position?.sources == [rig.sourceOrdinal(lastOrdinal: 10, epoch: 4)])
        let watermark = rig.header(77_000, epoch: 1, ticks: 0, kind: .watermark)
        #expect(rig.deliver(watermark, at: 22, consumer: 3) == .deliver)
        let position = try #require(rig.lane.position)
        #expect(position.sequence == 22 && position.packet == watermark.identity)
        #expect(position.sources == [rig.sourceOrdinal(lastOrdinal: 10, epoch: 4)])
        #expect(rig.deliver(rig.header(11, epoch: 4), at: 23, consumer: 4) == .deliver)
        // A position on a watermark is proven by it.
        rig.close()
        let again = try ReaderRig()
        again.readProven(from: position, packet: watermark)
        #expect(again.lane.isReading)
    }
}
