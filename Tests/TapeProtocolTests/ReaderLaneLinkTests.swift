import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

/// Deliveries, the link, and the close.
extension ReaderLaneTests {
    // MARK: deliveries

    @Test("a delivery that is missing, doubled or out of turn makes the consumer anew")
    func missedDelivery() throws {
        for found in [UInt64(3), 1, 0, UInt64.max] {
            let rig = try ReaderRig.proven()
            #expect(rig.deliver(11, at: 21, consumer: found) == .ignore)
            #expect(
                rig.effects == [
                    .doubted(.missedDelivery(expected: 2, found: found)),
                    .readStream,
                ])
            #expect(rig.lane.position == rig.position(1, at: 20))
        }
    }

    @Test("what an older consumer still delivers is ignored, and nothing follows from it")
    func staleTenure() throws {
        let rig = try ReaderRig.proven()
        _ = rig.reconnected()
        for consumerNumber in [UInt64(0), 1, 2, 4] {
            #expect(rig.deliver(11, at: 21, consumer: 2, consumerNumber: consumerNumber) == .ignore)
            #expect(
                rig.status(409, "Consumer Deleted", pull: 1, consumerNumber: consumerNumber).isEmpty
            )
        }
        _ = rig.streamRead()
        #expect(rig.created(1).isEmpty && rig.created(2).isEmpty, "an older consumer's making")
        _ = rig.created(3)
        #expect(rig.deliver(11, at: 21, consumer: 2, consumerNumber: 1) == .ignore)
        #expect(rig.status(409, "Consumer Deleted", pull: 1, consumerNumber: 1).isEmpty)
        #expect(rig.lane.state == .verifying)
    }

    @Test("a pull that has brought all its messages is renewed; two are always open")
    func pullsRenewed() throws {
        let rig = try ReaderRig()
        rig.read(from: nil)
        for number in 1...UInt64(ReaderLane.pullMessages * 3) {
            let ordinal = (number - 1) * 10 + 1
            #expect(rig.deliver(ordinal, at: number, consumer: number) == .deliver)
            let isLast = number % UInt64(ReaderLane.pullMessages) == 0
            let next = number / UInt64(ReaderLane.pullMessages) + 2
            #expect(rig.effects == (isLast ? [.pull(consumerNumber: 1, number: next)] : []))
        }
    }

    // MARK: statuses

    @Test(
        "what ends a pull opens the next one",
        arguments: [
            (404, "No Messages"), (408, "Request Timeout"), (409, "Message Size Exceeds MaxBytes"),
            (409, "message size exceeds maxbytes"), (409, "Batch Completed"),
        ])
    func pullEnds(code: Int, text: String) throws {
        let rig = try ReaderRig.proven()
        #expect(rig.status(code, text, pull: 2) == [.pull(consumerNumber: 1, number: 3)])
        #expect(rig.status(code, text, pull: 2).isEmpty, "a pull ends once")
        #expect(rig.status(code, text, pull: 1) == [.pull(consumerNumber: 1, number: 4)])
        #expect(rig.lane.isReading)
    }

    @Test("a packet larger than a pull is asked for by one large pull, until the next consumer")
    func largePull() throws {
        let size = "Message Size Exceeds MaxBytes"
        let rig = try ReaderRig.proven()
        // Both pulls have brought something before; the message after them fits into new ones.
        #expect(rig.status(409, size, pull: 1) == [.pull(consumerNumber: 1, number: 3)])
        #expect(rig.status(409, size, pull: 2) == [.pull(consumerNumber: 1, number: 4)])
        #expect(rig.deliver(11, at: 21, consumer: 2) == .deliver)
        #expect(!rig.lane.pullsAreLarge)
        // The third in a row, which is new, does not fit either.
        #expect(rig.status(409, size, pull: 3) == [.pull(consumerNumber: 1, number: 5)])
        #expect(rig.status(409, size, pull: 4) == [.pull(consumerNumber: 1, number: 6)])
        #expect(rig.status(409, size, pull: 5).isEmpty)
        #expect(rig.lane.pullsAreLarge)
        #expect(rig.status(409, size, pull: 6) == [.pull(consumerNumber: 1, number: 7)])
        #expect(rig.deliver(21, at: 22, consumer: 3) == .deliver)
        #expect(rig.status(409, size, pull: 7) == [.pull(consumerNumber: 1, number: 8)])
        #expect(rig.lane.pullsAreLarge)
        _ = rig.status(409, "Consumer Deleted", pull: 8)
        _ = rig.streamRead()
        #expect(!rig.lane.pullsAreLarge)
    }

    @Test("of the open pulls one asks for heartbeats, whichever of them ends")
    func heartbeatsAsked() throws {
        let rig = try ReaderRig.proven()
        func asking() -> [UInt64] { (1...9).filter { rig.lane.asksForHeartbeats(pull: $0) } }
        #expect(asking() == [1])
        _ = rig.status(408, "Request Timeout", pull: 2)
        #expect(asking() == [1])
        _ = rig.status(408, "Request Timeout", pull: 1)
        #expect(asking() == [4])
        _ = rig.status(408, "Request Timeout", pull: 4)
        #expect(asking() == [5])
        // One large pull takes the place of two.
        let size = "Message Size Exceeds MaxBytes"
        for pull in [3, 5, 6] as [UInt64] { _ = rig.status(409, size, pull: pull) }
        #expect(rig.lane.pullsAreLarge)
        _ = rig.status(409, size, pull: 7)
        #expect(asking() == [8])
    }

    @Test("a heartbeat is only a sign of life")
    func heartbeat() throws {
        let rig = try ReaderRig.proven()
        rig.now += 2 * second
        #expect(rig.status(100, "Idle Heartbeat", pull: 1).isEmpty)
        #expect(rig.lane.deadline == rig.now + 3 * second)
    }

    @Test(
        "what ends the consumer makes it anew",
        arguments: [
            (409, "Consumer Deleted"), (409, "Leadership Change"), (409, "Server Shutdown"),
            (423, "Nats-Pin-Id mismatch"), (503, ""), (400, "Bad Request"), (0, ""),
        ])
    func refusedPull(code: Int, text: String) throws {
        for proven in [true, false] {
            let rig = try ReaderRig()
            rig.read(from: rig.position(1, at: 20))
            if proven { _ = rig.deliver(1, at: 20, consumer: 1) }
            #expect(
                rig.status(code, text, pull: 1) == [
                    .doubted(.refusedPull(code: code, text)),
                    .readStream,
                ])
        }
    }

    // MARK: silence and the link

    @Test("silence makes the consumer anew, in whichever state")
    func stalls() throws {
        for deliveries in 0...2 {
            let rig = try ReaderRig()
            _ = rig.open(at: rig.position(1, at: 20))
            _ = rig.streamRead()
            if deliveries > 0 { _ = rig.created(1) }
            if deliveries > 1 { _ = rig.deliver(1, at: 20, consumer: 1) }
            rig.now += 3 * second - 1
            #expect(rig.timePassed().isEmpty)
            rig.now += 1
            #expect(
                rig.timePassed() == [.doubted(.stalled), .readStream])
            #expect(rig.streamRead() == [.createConsumer(consumerNumber: 3, start: .sequence(20))])
        }
    }

    @Test("a packet is a sign of life")
    func packetsAreHeard() throws {
        let rig = try ReaderRig.proven()
        rig.now += 2 * second
        _ = rig.deliver(11, at: 21, consumer: 2)
        #expect(rig.lane.deadline == rig.now + 3 * second)
    }

    @Test("a new link makes the consumer anew, or ends a wait")
    func reconnects() throws {
        let rig = try ReaderRig()
        #expect(rig.reconnected().isEmpty, "closed")
        _ = rig.open(at: nil)
        rig.openFailed()
        #expect(rig.reconnected() == [.readStream])
        #expect(rig.lane.deadline == nil)
        _ = rig.streamRead()
        let expected: [ReaderLane.Effect] = [
            .doubted(.reconnected), .readStream,
        ]
        #expect(rig.reconnected() == expected)
        rig.makeConsumer()
        #expect(rig.reconnected().count == 2)
        rig.lane = try ReaderRig().stopped()
        #expect(rig.reconnected().isEmpty)
    }

    @Test("a server that refuses every pull is not asked without a pause")
    func refusedAgainAndAgain() throws {
        let rig = try ReaderRig.proven()
        var waited: Int64 = 0
        for round in 0..<8 {
            let effects = rig.status(
                409, "Leadership Change", pull: rig.lastPull, consumerNumber: nil)
            #expect(effects.contains(.readStream) == (round == 0), "the first time at once")
            if round > 0 {
                let deadline = try #require(rig.lane.deadline)
                waited = deadline - rig.now
                rig.now = deadline
                #expect(rig.timePassed() == [.readStream])
            }
            rig.makeConsumer()
        }
        #expect(waited == second)
        // A delivery ends the series of failures.
        _ = rig.deliver(1, at: 20, consumer: 1, consumerNumber: rig.lane.consumerNumber)
        #expect(
            rig.deliver(11, at: 21, consumer: 2, consumerNumber: rig.lane.consumerNumber)
                == .deliver)
        let effects = rig.status(409, "Leadership Change", pull: rig.lastPull, consumerNumber: nil)
        #expect(effects.contains(.readStream))
    }

    // MARK: the end

    @Test("closed it ignores all; opened again it begins at the position that it is given")
    func closeAndOpen() throws {
        let rig = try ReaderRig()
        rig.close()
        rig.readProven(from: rig.position(1, at: 20))
        rig.close()
        #expect(rig.lane.deadline == nil)
        #expect(
            rig.deliver(11, at: 21, consumer: 2, consumerNumber: rig.lane.consumerNumber) == .ignore
        )
        #expect(rig.timePassed().isEmpty && rig.reconnected().isEmpty && rig.streamRead().isEmpty)
        rig.openFailed()
        #expect(rig.lane.state == .closed)
        #expect(rig.open(at: rig.position(1, at: 20)) == [.readStream])
        #expect(rig.streamRead().count == 1)
        #expect(rig.created(rig.lane.consumerNumber).count == 2)
        #expect(rig.lane.state == .verifying)
    }

    @Test("stopped it does nothing more until it is closed and opened")
    func stopped() throws {
        let rig = try ReaderRig()
        rig.lane = try ReaderRig().stopped()
        let state = rig.lane.state
        rig.now += 60 * second
        #expect(rig.timePassed().isEmpty && rig.streamRead().isEmpty && rig.open(at: nil).isEmpty)
        #expect(rig.status(503, "", pull: 1, consumerNumber: 1).isEmpty)
        #expect(rig.deliver(11, at: 21, consumer: 2) == .ignore && rig.effects.isEmpty)
        rig.openFailed()
        #expect(rig.lane.state == state)
        rig.close()
        #expect(rig.open(at: nil) == [.readStream])
    }

    @Test("problems and doubts say what, where and what was expected, on one line")
    func descriptions() throws {
        let rig = try ReaderRig()
        let identity = rig.header(1).identity
        let problems: [ReaderProblem] = [
            .streamRecreated(was: Timestamp(nanoseconds: 1), is: Timestamp(nanoseconds: 2)),
            .positionAboveEnd(sequence: 41, last: 40), .positionBelowStart(sequence: 41, first: 42),
            .otherPacket(sequence: 41, was: identity, is: identity),
            .ordinalsGoBack(sequence: 41, expected: 5, found: 4),
            .undecodable(
                sequence: 41, PacketError(.tooLarge, offset: 0, expected: 1, found: 2)),
        ]
        for problem in problems {
            #expect(!problem.description.contains("\n"))
            if case .streamRecreated = problem { continue }
            #expect(problem.description.contains("41"))
        }
        let doubts: [ReaderDoubt] = [
            .reconnected, .stalled, .missedDelivery(expected: 1, found: 2),
            .missingOrdinals(expected: 1, found: 2), .refusedPull(code: 409, "x"),
        ]
        #expect(Set(doubts.map(\.label)).count == doubts.count)
        #expect(Set(doubts.map(\.description)).count == doubts.count)
    }
}
