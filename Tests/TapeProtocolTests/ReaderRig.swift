import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

/// A reader's lane with one source whose packets have ten ticks each, and its effects.
final class ReaderRig {
    var lane = ReaderLane()
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    var bounds = ReaderLane.StreamBounds(
        created: Timestamp(nanoseconds: 7), firstSequence: 1, lastSequence: 100,
        isReplicated: false)
    let source: SourceName
    /// The effects of the last call.
    private(set) var effects: [ReaderLane.Effect] = []
    private(set) var lastPull: UInt64 = 0

    init() throws { source = try #require(SourceName("sim")) }

    private func call(
        _ body: (inout ReaderLane, inout [ReaderLane.Effect]) -> Void
    ) -> [ReaderLane.Effect] {
        effects = []
        body(&lane, &effects)
        for case .pull(_, let number) in effects { lastPull = number }
        return effects
    }

    // MARK: events

    func open(at position: TapePosition?) -> [ReaderLane.Effect] {
        call { $0.open(at: position, into: &$1) }
    }

    func open(from start: ReaderLane.Start, isRaw: Bool = false) -> [ReaderLane.Effect] {
        call { $0.open(from: start, isRaw: isRaw, into: &$1) }
    }

    func openShared(after sequence: UInt64, created: Timestamp) {
        _ = call { $0.openShared(after: sequence, streamCreated: created, into: &$1) }
    }

    func close() { lane.close() }
    func openFailed() { lane.openFailed(now: now) }
    func timePassed() -> [ReaderLane.Effect] { call { $0.timePassed(now: now, into: &$1) } }
    func reconnected() -> [ReaderLane.Effect] { call { $0.reconnected(now: now, into: &$1) } }

    /// A read of the stream's bounds. If the lane doubts it, the next read returns the same.
    func streamRead() -> [ReaderLane.Effect] {
        let effects = streamReadOnce()
        guard case .doubted(.endsEarly)? = effects.first, let deadline = lane.deadline else {
            return effects
        }
        now = max(now, deadline)
        _ = timePassed()
        return streamReadOnce()
    }

    /// One read of the stream's bounds.
    func streamReadOnce() -> [ReaderLane.Effect] {
        call { $0.streamRead(bounds, now: now, into: &$1) }
    }

    func created(_ consumerNumber: UInt64) -> [ReaderLane.Effect] {
        call { $0.consumerCreated(consumerNumber: consumerNumber, now: now, into: &$1) }
    }

    func deliver(
        _ header: PacketHeader, at sequence: UInt64, consumer: UInt64, consumerNumber: UInt64 = 1
    ) -> ReaderLane.Verdict {
        deliver(
            header,
            ReaderLane.Delivery(
                consumerNumber: consumerNumber, sequence: sequence, consumerSequence: consumer))
    }

    func deliver(
        _ header: PacketHeader, _ delivery: ReaderLane.Delivery
    ) -> ReaderLane.Verdict {
        var verdict = ReaderLane.Verdict.ignore
        _ = call { verdict = $0.packet(header, delivery, now: now, into: &$1) }
        return verdict
    }

    /// Delivers a packet through a shared consumer.
    func deliverShared(_ header: PacketHeader, at sequence: UInt64) -> ReaderLane.Verdict {
        var verdict = ReaderLane.Verdict.ignore
        _ = call { verdict = $0.sharedPacket(header, at: sequence, now: now, into: &$1) }
        return verdict
    }

    func deliverShared(_ firstOrdinal: UInt64, at sequence: UInt64) -> ReaderLane.Verdict {
        deliverShared(header(firstOrdinal), at: sequence)
    }

    func deliver(
        _ firstOrdinal: UInt64, at sequence: UInt64, consumer: UInt64, consumerNumber: UInt64 = 1
    ) -> ReaderLane.Verdict {
        deliver(
            header(firstOrdinal), at: sequence, consumer: consumer, consumerNumber: consumerNumber)
    }

    /// Delivers something that is no packet to a raw lane.
    func deliverMessage(
        at sequence: UInt64, consumer: UInt64, consumerNumber: UInt64
    ) -> ReaderLane.Verdict {
        var verdict = ReaderLane.Verdict.ignore
        let delivery = ReaderLane.Delivery(
            consumerNumber: consumerNumber, sequence: sequence, consumerSequence: consumer)
        _ = call { verdict = $0.message(delivery, now: now, into: &$1) }
        return verdict
    }

    func undecodable(
        _ error: PacketError, consumerNumber: UInt64, sequence: UInt64
    ) -> [ReaderLane.Effect] {
        let delivery = ReaderLane.Delivery(
            consumerNumber: consumerNumber, sequence: sequence, consumerSequence: 1)
        return call { $0.undecodable(error, delivery, into: &$1) }
    }

    /// `consumerNumber` is the present one if `nil`.
    func status(
        _ code: Int, _ text: String, pull: UInt64, consumerNumber: UInt64? = 1
    ) -> [ReaderLane.Effect] {
        let consumerNumber = consumerNumber ?? lane.consumerNumber
        return call {
            $0.status(code, text, pull: pull, consumerNumber: consumerNumber, now: now, into: &$1)
        }
    }

    // MARK: complete sequences

    /// Opens and makes the first consumer.
    func read(from position: TapePosition?) {
        _ = open(at: position)
        makeConsumer()
    }

    /// The same, and delivers the packet of the position, which proves it.
    func readProven(from position: TapePosition, packet: PacketHeader? = nil) {
        read(from: position)
        let there = packet ?? header(position.packet.firstOrdinal)
        _ = deliver(there, at: position.sequence, consumer: 1, consumerNumber: lane.consumerNumber)
    }

    /// Returns a rig that has proven its position, on the packet from ordinal 1 on at 20.
    static func proven() throws -> ReaderRig {
        let rig = try ReaderRig()
        rig.readProven(from: rig.position(1, at: 20))
        return rig
    }

    /// Answers what an open or a doubt asks for.
    func makeConsumer() {
        _ = streamRead()
        _ = created(lane.consumerNumber)
    }

    /// Returns a lane that has stopped: its position is beyond the end of the stream.
    func stopped() -> ReaderLane {
        _ = open(at: position(1, at: 200))
        _ = streamRead()
        return lane
    }

    // MARK: packets

    func header(
        _ firstOrdinal: UInt64, epoch: UInt64 = 3, ticks: UInt32 = 10, source: SourceName? = nil,
        kind: PacketKind = .ticks
    ) -> PacketHeader {
        var header = PacketHeader(
            kind: kind, partition: Partition(0), source: source ?? self.source, epoch: epoch,
            firstOrdinal: firstOrdinal, watermark: .undefined, sendTime: .undefined)
        header.tickCount = ticks
        header.checksum = SeededRandom.mixed(firstOrdinal &* 31 &+ epoch)
        return header
    }

    /// Returns the position on the packet that begins with `firstOrdinal`.
    func position(_ firstOrdinal: UInt64, at sequence: UInt64) -> TapePosition {
        TapePosition(
            streamCreated: Timestamp(nanoseconds: 7), sequence: sequence,
            packet: header(firstOrdinal).identity,
            sources: [sourceOrdinal(lastOrdinal: firstOrdinal + 9)])
    }

    func sourceOrdinal(lastOrdinal: UInt64, epoch: UInt64 = 3) -> SourceOrdinal {
        SourceOrdinal(source: source, epoch: epoch, lastOrdinal: lastOrdinal)
    }
}
