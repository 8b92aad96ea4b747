internal import MarketModel
public import Primitives

extension PacketBuilder {
    /// The fields of the header that the builder does not know. The lane of the publisher gives
    /// epoch and ordinal, and the owner of the publisher the watermark.
    public struct Seal: Sendable {
        public var epoch: UInt64
        public var firstOrdinal: UInt64
        /// The watermark after the packet's ticks.
        public var watermark: Timestamp
        /// The time of the sealing, by the wall clock.
        public var sendTime: Timestamp

        public init(
            epoch: UInt64, firstOrdinal: UInt64, watermark: Timestamp, sendTime: Timestamp
        ) {
            self.epoch = epoch
            self.firstOrdinal = firstOrdinal
            self.watermark = watermark
            self.sendTime = sendTime
        }
    }

    /// Closes the packet, returns it, and empties the builder for the next one. A packet without
    /// ticks is sealed, too. `output` is the state of a packet of bars, `marker` that of the packet
    /// that opens an epoch, and `flags` its further flags. `recycled` is an acknowledged packet,
    /// whose buffer becomes the builder's. So a subject needs two buffers: one is in flight while
    /// the other one is filled.
    public mutating func seal(
        _ seal: Seal, output: OutputState? = nil, marker: EpochMarker? = nil,
        flags: PacketFlags = [], recycling recycled: consuming SealedPacket? = nil
    ) -> SealedPacket {
        if let output { put(output) }
        if let marker { put(marker) }
        var header = PacketHeader(
            kind: kind, flags: marker == nil ? flags : flags.union(.epochMarker),
            partition: partition,
            source: source, epoch: seal.epoch, firstOrdinal: seal.firstOrdinal,
            watermark: seal.watermark, sendTime: seal.sendTime)
        header.tickCount = UInt32(tickCount)
        header.byteCount = UInt32(used)
        header.checksum = bytes.writeHeader(header)
        let packet = SealedPacket(
            header: header, oldestEventTime: oldestEventTime, bytes: bytes)
        reset(with: recycled?.bytes)
        return packet
    }

    private mutating func put(_ marker: EpochMarker) {
        let body = begin(WireFormat.Template.epochMarker, block: WireFormat.Block.epochMarker)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(marker.startOrdinal, at: body)
            unsafe buffer.put(marker.previousEpoch, at: body + 8)
            unsafe buffer.put(marker.definition, at: body + 16)
            unsafe buffer.put(UInt64(marker.generation), at: body + 24)
            unsafe buffer.put(marker.previousSequence, at: body + 32)
        }
    }

    private mutating func put(_ output: OutputState) {
        let needed =
            output.input.sources.count
            * (WireFormat.messageHeaderBytes + WireFormat.Block.sourceOrdinal)
            + WireFormat.messageHeaderBytes + WireFormat.Block.outputState
            + output.states.count
            * (WireFormat.messageHeaderBytes + WireFormat.Block.sourceStateWithWatermark)
            + output.members.count
            * (WireFormat.messageHeaderBytes + WireFormat.Block.groupMember)
        // The buffer's room is for ticks, and the number of sources has no limit here.
        if used + needed > bytes.count {
            bytes.append(contentsOf: repeatElement(0, count: used + needed - bytes.count))
        }
        let body = begin(WireFormat.Template.outputState, block: WireFormat.Block.outputState)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(output.input.streamCreated.nanoseconds, at: body)
            unsafe buffer.put(output.input.sequence, at: body + 8)
            unsafe buffer.put(output.input.packet.epoch, at: body + 16)
            unsafe buffer.put(output.input.packet.firstOrdinal, at: body + 24)
            unsafe buffer.put(output.input.packet.checksum, at: body + 32)
            unsafe buffer.put(output.checksum, at: body + 40)
            unsafe buffer.put(UInt64(output.generation), at: body + 48)
        }
        for source in output.input.sources {
            let body = begin(
                WireFormat.Template.sourceOrdinal, block: WireFormat.Block.sourceOrdinal)
            unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe buffer.put(source.source, at: body)
                unsafe buffer.put(source.epoch, at: body + 24)
                unsafe buffer.put(source.lastOrdinal, at: body + 32)
            }
        }
        for member in output.members {
            let body = begin(WireFormat.Template.groupMember, block: WireFormat.Block.groupMember)
            unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe buffer.put(member.source, at: body)
                unsafe buffer.put(member.group, at: body + 24)
            }
        }
        for state in output.states {
            // The watermark is a field of version 2. Without it the message is one of version 1.
            let hasWatermark = state.watermark.isDefined
            let body = begin(
                WireFormat.Template.sourceState,
                block: hasWatermark
                    ? WireFormat.Block.sourceStateWithWatermark : WireFormat.Block.sourceState,
                version: hasWatermark ? 2 : WireFormat.version)
            unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe buffer.put(state.since.nanoseconds, at: body)
                unsafe buffer.put(state.source, at: body + 8)
                let rest = UInt64(state.presence.rawValue) | UInt64(state.kind.number) << 8
                unsafe buffer.put(rest, at: body + 32)
                if hasWatermark {
                    unsafe buffer.put(state.watermark.nanoseconds, at: body + 40)
                }
            }
        }
    }
}

extension [UInt8] {
    /// Writes the packet header at the front. The checksum covers most of the header, so it is
    /// computed and written last. Returns the checksum.
    mutating func writeHeader(_ header: PacketHeader) -> UInt64 {
        precondition(count >= Int(header.byteCount))
        unsafe withUnsafeMutableBytes { buffer in
            unsafe buffer.put(UInt16(WireFormat.Block.packetHeader), at: 0)
            unsafe buffer.put(WireFormat.Template.packetHeader, at: 2)
            unsafe buffer.put(WireFormat.schemaID, at: 4)
            unsafe buffer.put(WireFormat.version, at: 6)
            unsafe buffer.put(header.byteCount, at: WireFormat.HeaderOffset.byteCount)
            unsafe buffer.put(header.tickCount, at: WireFormat.HeaderOffset.tickCount)
            unsafe buffer.put(header.epoch, at: WireFormat.HeaderOffset.epoch)
            unsafe buffer.put(header.firstOrdinal, at: WireFormat.HeaderOffset.firstOrdinal)
            unsafe buffer.put(
                header.watermark.nanoseconds, at: WireFormat.HeaderOffset.watermark)
            unsafe buffer.put(header.sendTime.nanoseconds, at: WireFormat.HeaderOffset.sendTime)
            unsafe buffer.put(
                UInt16(header.partition.number), at: WireFormat.HeaderOffset.partition)
            unsafe buffer.put(header.kind.rawValue, at: WireFormat.HeaderOffset.kind)
            unsafe buffer.put(header.flags.rawValue, at: WireFormat.HeaderOffset.flags)
            unsafe buffer.put(UInt32(0), at: WireFormat.HeaderOffset.flags + 1)
            unsafe buffer.put(header.source, at: WireFormat.HeaderOffset.source)
        }
        let checksum = withRawSpan { span in
            Checksum.of(
                span.extracting(WireFormat.HeaderOffset.checkedBytes..<Int(header.byteCount)))
        }
        unsafe withUnsafeMutableBytes {
            unsafe $0.put(checksum, at: WireFormat.HeaderOffset.checksum)
        }
        return checksum
    }
}

extension UnsafeMutableRawBufferPointer {
    func put(_ source: SourceName, at offset: Int) {
        unsafe put(source.words.first, at: offset)
        unsafe put(source.words.second, at: offset + 8)
        unsafe put(source.words.third, at: offset + 16)
    }
}
