package import MarketModel
import NatsTransport
import TapeProtocol
import TapeTransport
package import Primitives
package import TapeCodec
import TestSupport

/// Publishes packets of one source on one partition by hand, one at a time, each acknowledged.
package struct TestSource {
    package let tape: TestTape
    package let partition: Partition
    package let source: SourceName
    package var epoch: UInt64 = 1
    package private(set) var nextOrdinal: UInt64 = 1
    /// The ordinals to skip, which leaves a hole.
    package var skip: UInt64 = 0
    package var sendTime = Timestamp(nanoseconds: 1_700_000_000_000_000_000)
    private var builder: PacketBuilder

    package init(
        _ tape: TestTape, _ partition: Partition, source: SourceName, kind: PacketKind = .ticks
    ) {
        self.tape = tape
        self.partition = partition
        self.source = source
        builder = PacketBuilder(kind: kind, partition: partition, source: source)
    }

    package mutating func register(_ definition: SymbolDefinition) -> UInt32 {
        builder.register(definition)
    }

    package mutating func register(_ definition: SeriesDefinition) -> UInt16 {
        builder.register(definition)
    }

    package mutating func append(_ bar: Bar) { precondition(builder.append(bar)) }
    package mutating func append(_ trade: Trade) { precondition(builder.append(trade)) }
    package mutating func append(_ quote: Quote) { precondition(builder.append(quote)) }

    /// Appends any record by the builder's own call. It has to fit.
    package mutating func append(_ add: (inout PacketBuilder) -> Bool) {
        precondition(add(&builder))
    }

    package mutating func seal(watermark: Timestamp) -> SealedPacket {
        nextOrdinal += skip
        skip = 0
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: epoch, firstOrdinal: nextOrdinal, watermark: watermark, sendTime: sendTime))
        nextOrdinal = packet.header.nextOrdinal
        return packet
    }

    /// Publishes what was appended. Returns its position on the tape.
    @discardableResult
    package mutating func publish(watermark: Timestamp) throws -> UInt64 {
        try put(seal(watermark: watermark))
    }

    private func put(_ packet: SealedPacket) throws -> UInt64 {
        let subject =
            packet.header.kind == .bars
            ? tape.names.derived(partition, source) : tape.names.ticks(partition, source)
        return try Self.put(packet.bytes, on: subject, of: tape)
    }

    /// Opens the next epoch after ordinals that the tape has lost, as a gateway does.
    @discardableResult
    package mutating func publishMarker(lost: ClosedRange<UInt64>) throws -> UInt64 {
        let gap = GapRecord(
            header: TickHeader(
                symbol: TickHeader.noSymbol, providerTime: .undefined, receiveTime: sendTime),
            from: .undefined, to: sendTime, kind: .any, reason: .tapeLost, state: .open,
            firstOrdinal: lost.lowerBound, lastOrdinal: lost.upperBound)
        precondition(builder.append(gap) == .appended)
        return try open(after: 0)
    }

    /// Opens the next epoch after the packet at this sequence, as an owner does.
    @discardableResult
    package mutating func open(after sequence: UInt64) throws -> UInt64 {
        epoch += 1
        let seal = PacketBuilder.Seal(
            epoch: epoch, firstOrdinal: nextOrdinal,
            watermark: Timestamp(nanoseconds: Int64.min), sendTime: sendTime)
        let packet = builder.seal(
            seal,
            marker: EpochMarker(
                startOrdinal: nextOrdinal, previousEpoch: epoch - 1, previousSequence: sequence))
        nextOrdinal = packet.header.nextOrdinal
        return try put(packet)
    }

    /// Publishes any bytes on any subject of the tape.
    @discardableResult
    package static func put(
        _ bytes: [UInt8], on subject: String, of tape: TestTape
    ) throws -> UInt64 {
        let answer = try tape.client.connection.request(bytes, to: subject, timeout: patience)
        guard case .stored(let sequence, _) = JetStream.publishOutcome(of: answer) else {
            throw ServiceRefused(
                description: "not stored: \(JetStream.publishOutcome(of: answer))")
        }
        return sequence
    }
}

extension SealedPacket {
    /// A copy of the bytes on the wire.
    package var bytes: [UInt8] { withBytes { $0.array } }
}

extension PacketBuilder {
    /// Returns the packet with a correct length and checksum after a change of its bytes.
    package static func checked(_ packet: [UInt8]) -> [UInt8] {
        var bytes = packet
        func put(_ value: UInt64, _ count: Int, at offset: Int) {
            for index in 0..<count {
                bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (index * 8))
            }
        }
        put(UInt64(bytes.count), 4, at: WireFormat.HeaderOffset.byteCount)
        let checksum = bytes.withRawSpan {
            Checksum.of($0.extracting(WireFormat.HeaderOffset.checkedBytes..<$0.byteCount))
        }
        put(checksum, 8, at: WireFormat.HeaderOffset.checksum)
        return bytes
    }
}
