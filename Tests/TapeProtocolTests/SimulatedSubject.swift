import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

/// One subject of a stream, with exactly the guarantees of JetStream: compare-and-set on the last
/// sequence, and one order. Any answer may be late or lost.
struct SimulatedSubject {
    struct Stored {
        var sequence: UInt64
        var header: PacketHeader
        var bytes: [UInt8]
    }

    private(set) var messages: [Stored] = []
    /// The stream's sequence. Other subjects of the stream use up numbers, too.
    private(set) var sequence: UInt64 = 0

    enum Outcome {
        case stored(UInt64)
        case wrongLastSequence
    }

    mutating func publish(_ packet: SealedPacket, expected: UInt64, skip: UInt64) -> Outcome {
        guard expected == (last?.sequence ?? 0) else { return .wrongLastSequence }
        sequence += 1 + skip
        messages.append(
            Stored(
                sequence: sequence, header: packet.header,
                bytes: packet.withBytes { $0.array }))
        return .stored(sequence)
    }

    /// The number of last messages that the stream's new leader has not applied yet.
    var unapplied = 0

    var last: LastPacket? {
        messages.dropLast(unapplied).last.map {
            LastPacket(sequence: $0.sequence, header: $0.header)
        }
    }

    /// Restores an older state of the store, as after a power cut without fsync.
    mutating func rollBack(by count: Int) {
        messages.removeLast(min(count, messages.count))
        sequence = messages.last?.sequence ?? 0
    }

    /// The last sequence that `write` used.
    private(set) var rivalEnd: UInt64 = 0

    /// Another owner writes a marker and packets of ticks, so that the last one is at `end`.
    mutating func write(upTo end: UInt64, epoch: UInt64, ticksPerPacket: Int) throws {
        var rival = try SimulatedPublisher(firstTick: 5_000_000)
        var ordinal: UInt64 = 1
        while sequence < end {
            let isMarker = messages.isEmpty
            let seal = PacketBuilder.Seal(
                epoch: epoch, firstOrdinal: ordinal, watermark: .undefined,
                sendTime: Timestamp(nanoseconds: 1))
            if !isMarker { for _ in 0..<ticksPerPacket { _ = rival.offer() } }
            let packet = rival.builder.seal(
                seal,
                marker: isMarker
                    ? EpochMarker(
                        startOrdinal: 1, previousEpoch: 0, previousSequence: 0, definition: 0,
                        generation: 0) : nil)
            _ = publish(packet, expected: messages.last?.sequence ?? 0, skip: 0)
            ordinal = packet.header.nextOrdinal
        }
        rivalEnd = sequence
    }
}

/// A publisher on a simulated subject. It carries out effects as the shell does.
struct SimulatedPublisher {
    var lane: PublisherLane
    var builder: PacketBuilder
    let symbol: UInt32
    var effects: [PublisherLane.Effect] = []
    /// The provider ids of ticks that the tape acknowledged.
    var acknowledged: [UInt64] = []
    /// The ordinal after everything that was acknowledged.
    var acknowledgedUpTo: UInt64 = 1
    /// The number of ticks handed over, in order.
    var offered: UInt64 = 0
    var fencedBy: UInt64?
    var lost: [ClosedRange<UInt64>] = []
    /// The highest ordinal to which it was raised, and the packets that were at hand at those
    /// times.
    var floor: UInt64 = 0
    private var atHand: Set<PacketIdentity> = []
    /// Packets on their way to the server, and events on their way back, with the step at which
    /// they are due.
    var wire: [(packet: SealedPacket, expected: UInt64, attempt: UInt64, due: Int)] = []
    var answers: [(event: PublisherLane.Event, due: Int)] = []

    init(firstTick: UInt64 = 0) throws {
        lane = PublisherLane()
        (builder, symbol) = try PacketBuilder.ofOneSymbol()
        offered = firstTick
    }

    mutating func offer() -> Bool {
        let trade = Trade(
            header: TickHeader(
                symbol: symbol, providerTime: Timestamp(nanoseconds: Int64(offered)),
                receiveTime: Timestamp(nanoseconds: Int64(offered)), providerID: offered + 1),
            price: Price(raw: 1), size: Quantity(raw: 1))
        guard builder.append(trade) else { return false }
        offered += 1
        return true
    }

    mutating func noteAtHand() {
        switch lane.state {
        case .inFlight(let packet, _, _), .waiting(let packet, _, _), .resolving(let packet, _, _):
            atHand.insert(packet.identity)
        case .closed, .opening, .marking, .ready, .fenced: return
        }
    }

    func isAtHand(_ packet: SealedPacket) -> Bool { atHand.contains(packet.identity) }

    /// True if everything offered is settled, and nothing is under way.
    var isDone: Bool {
        lane.isFenced || (lane.isIdle && builder.tickCount == 0 && answers.isEmpty && wire.isEmpty)
    }

    func seal() -> PacketBuilder.Seal {
        PacketBuilder.Seal(
            epoch: lane.epoch, firstOrdinal: lane.nextOrdinal, watermark: .undefined,
            sendTime: Timestamp(nanoseconds: 0))
    }

    mutating func pump(now: MonotonicTime) {
        if lane.isReady, builder.tickCount > 0 {
            let packet = builder.seal(seal())
            lane.publish(packet, now: now, into: &effects)
        }
    }
}
