import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

extension PacketBuilder {
    /// Returns a builder of ticks, with the number of the one symbol that it has.
    static func ofOneSymbol() throws -> (PacketBuilder, symbol: UInt32) {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("sim")))
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "sim",
                since: Timestamp(nanoseconds: 0)))
        return (builder, symbol)
    }
}

/// A lane with its effects.
final class LaneRig {
    var lane: PublisherLane
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    private var builder: PacketBuilder
    private let symbol: UInt32
    private var ticks: Int64 = 0
    /// The marker as stored on the tape.
    private(set) var storedMarker: LastPacket?

    init(epochFloor: UInt64 = 0, openAt sequence: UInt64? = nil) throws {
        lane = PublisherLane(
            epochFloor: epochFloor,
            marking: PublisherLane.Marking(definition: 5, generation: 6))
        (builder, symbol) = try PacketBuilder.ofOneSymbol()
        guard let sequence else { return }
        _ = handle(.open)
        let marker = try #require(handle(.lastRead(nil)).marker)
        let sent = try #require(publishMarker(marker))
        storedMarker = LastPacket(sequence: sequence, header: sent.packet.header)
        _ = handle(.acknowledged(attempt: sent.attempt, sequence: sequence))
    }

    /// Handles an event on a stream with one copy. If the lane doubts a read, the next read returns
    /// the same.
    func handle(_ event: PublisherLane.Event) -> [PublisherLane.Effect] {
        guard case .lastRead(let last, _) = event else { return handleOnce(event) }
        let wasInDoubt = lane.isInDoubt
        let effects = handleOnce(.lastRead(last, isReplicated: false))
        guard lane.isInDoubt, !wasInDoubt, let deadline = lane.deadline else { return effects }
        now = max(now, deadline)
        return handleOnce(.timePassed) + handleOnce(.lastRead(last, isReplicated: false))
    }

    /// Handles an event, and nothing that the lane asks for then.
    func handleOnce(_ event: PublisherLane.Event) -> [PublisherLane.Effect] {
        var effects: [PublisherLane.Effect] = []
        lane.handle(event, now: now, into: &effects)
        return effects
    }

    /// Raises the lane. `stored`: up to which ordinal the database has rows.
    func raise(
        _ nextOrdinal: UInt64, aboveEpoch: UInt64 = 0, stored: UInt64 = 0
    ) -> [PublisherLane.Effect] {
        var effects: [PublisherLane.Effect] = []
        lane.raise(
            nextOrdinal: nextOrdinal, aboveEpoch: aboveEpoch,
            stored: stored == 0 ? nil : StoredRows(lastOrdinal: stored, until: .undefined),
            into: &effects)
        return effects
    }

    private var seal: PacketBuilder.Seal {
        PacketBuilder.Seal(
            epoch: lane.epoch, firstOrdinal: lane.nextOrdinal, watermark: .undefined,
            sendTime: Timestamp(nanoseconds: 0))
    }

    /// Publishes a packet of so many ticks. Returns what the lane sends.
    func publish(ticks count: Int) -> Published? {
        for _ in 0..<count {
            let time = Timestamp(nanoseconds: ticks)
            ticks += 1
            _ = builder.append(
                Trade(
                    header: TickHeader(symbol: symbol, providerTime: time, receiveTime: time),
                    price: Price(raw: 1), size: Quantity(raw: 1)))
        }
        var effects: [PublisherLane.Effect] = []
        lane.publish(builder.seal(seal), now: now, into: &effects)
        return effects.published
    }

    func publishMarker(_ marker: EpochMarker) -> Published? {
        var effects: [PublisherLane.Effect] = []
        lane.publishMarker(builder.seal(seal, marker: marker), now: now, into: &effects)
        return effects.published
    }

    /// Publishes a packet that is answered as out of sequence.
    @discardableResult
    func outOfSequence(ticks: Int) throws -> Published {
        let sent = try #require(publish(ticks: ticks))
        _ = handle(.outOfSequence(attempt: sent.attempt))
        return sent
    }

    /// Publishes a packet that is stored.
    @discardableResult
    func land(ticks: Int, at sequence: UInt64) throws -> Published {
        let sent = try #require(publish(ticks: ticks))
        _ = handle(.acknowledged(attempt: sent.attempt, sequence: sequence))
        return sent
    }

    /// Lets the deadline pass, at which the lane reads the tape.
    func waitForRead(_ location: SourceLocation = #_sourceLocation) throws {
        now = try #require(lane.deadline, sourceLocation: location)
        #expect(handle(.timePassed).readsLast == 1, sourceLocation: location)
    }

    /// Lets the deadline pass, at which the lane publishes again.
    func waitForPublish(_ location: SourceLocation = #_sourceLocation) throws -> Published {
        now = try #require(lane.deadline, sourceLocation: location)
        return try #require(handle(.timePassed).published, sourceLocation: location)
    }

    /// Returns a rig that waits for the first read of the tape.
    static func opening() throws -> LaneRig {
        let rig = try LaneRig()
        _ = rig.handle(.open)
        return rig
    }

    /// Returns the last packet of a subject, as a read says it.
    func last(
        epoch: UInt64, firstOrdinal: UInt64, ticks: UInt32, sequence: UInt64
    ) -> LastPacket {
        var header = PacketHeader(
            kind: .ticks, partition: Partition(0), source: builder.source, epoch: epoch,
            firstOrdinal: firstOrdinal, watermark: .undefined, sendTime: .undefined)
        header.tickCount = ticks
        header.checksum = 0xfeed
        return LastPacket(sequence: sequence, header: header)
    }
}

typealias Published = (packet: SealedPacket, expected: UInt64, attempt: UInt64)

extension [PublisherLane.Effect] {
    /// How many reads of the last packet are wanted.
    var readsLast: Int { count { if case .readLast = $0 { true } else { false } } }

    var published: Published? {
        lazy.compactMap {
            guard case .publish(let packet, let expected, let attempt) = $0 else { return nil }
            return (packet, expected, attempt)
        }.first
    }

    var marker: EpochMarker? {
        lazy.compactMap { if case .makeMarker(let marker, _) = $0 { marker } else { nil } }.first
    }

    var markerLost: ClosedRange<UInt64>? {
        lazy.compactMap { if case .makeMarker(_, let lost) = $0 { lost } else { nil } }.first
    }

    var acknowledged: [UInt64] {
        compactMap { if case .acknowledged(_, let sequence) = $0 { sequence } else { nil } }
    }

    var fence: (ours: UInt64, theirs: UInt64)? {
        lazy.compactMap {
            guard case .fenced(let ours, let theirs) = $0 else { return nil }
            return (ours, theirs)
        }.first
    }

    var lost: (ordinals: ClosedRange<UInt64>?, sequence: UInt64)? {
        lazy.compactMap {
            guard case .rolledBack(let lost, let sequence) = $0 else { return nil }
            return (lost, sequence)
        }.first
    }
}
