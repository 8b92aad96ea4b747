internal import MarketModel
internal import Primitives
internal import TapeCodec

// The order of a lane's packets: each follows the last one of its source, or what is missing is
// proven.
extension ReaderLane {
    /// Checks that the packet of the position is still there. Returns false when it was purged, the
    /// lane may be let go, and this packet is the first one after it.
    mutating func verify(
        _ header: PacketHeader, _ delivery: Delivery, into effects: inout [Effect]
    ) -> Bool {
        guard let position else { return true }
        if mayBeLetGo, delivery.sequence > position.sequence {
            // The packet is met again after the doubt about the ordinals that are missing.
            if suspect != delivery.sequence {
                effects.append(.letGo(sequence: position.sequence, first: delivery.sequence))
            }
            // The stream's description says it, too. A second look would be at another packet while
            // the purge continues.
            if letGo.isProven { suspect = delivery.sequence }
            state = .reading
            return false
        }
        guard delivery.sequence == position.sequence, header.identity == position.packet else {
            stop(
                .otherPacket(
                    sequence: position.sequence, was: position.packet, is: header.identity),
                into: &effects)
            return true
        }
        state = .reading
        return true
    }

    /// Moves the position onto the packet, if its ordinals follow. Returns whether they do. Packets
    /// of watermarks are not checked: a missing one does no harm.
    mutating func take(
        _ header: PacketHeader, _ delivery: Delivery, now: MonotonicTime,
        into effects: inout [Effect]
    ) -> Bool {
        if header.kind != .watermark,
            !follows(header, delivery, now: now, into: &effects)
        {
            return false
        }
        suspect = nil
        failed.doubts = 0
        // The position is changed in place: copying the sources for each packet would allocate.
        if position == nil {
            position = TapePosition(
                streamCreated: streamCreated, sequence: 0, packet: header.identity, sources: [])
        }
        position?.streamCreated = streamCreated
        position?.sequence = delivery.sequence
        position?.packet = header.identity
        if header.kind != .watermark {
            position?.advance(by: header)
            letGo.took(header.source)
        }
        return true
    }

    /// Returns whether the packet's ordinals follow the last ones read from its source.
    private mutating func follows(
        _ header: PacketHeader, _ delivery: Delivery, now: MonotonicTime,
        into effects: inout [Effect]
    ) -> Bool {
        guard let known = position?.source(header.source) else { return true }
        let next = known.lastOrdinal &+ 1
        if header.firstOrdinal == next, header.epoch >= known.epoch { return true }
        if header.firstOrdinal < next || header.epoch < known.epoch {
            stop(
                .ordinalsGoBack(
                    sequence: delivery.sequence, expected: next, found: header.firstOrdinal),
                into: &effects)
            return false
        }
        if suspect == delivery.sequence {
            effects.append(
                .hole(
                    source: header.source, ordinals: next...(header.firstOrdinal - 1),
                    isLetGo: letGo.isFirst(of: header.source)))
            return true
        }
        suspect = delivery.sequence
        doubt(
            .missingOrdinals(expected: next, found: header.firstOrdinal), now: now, into: &effects)
        return false
    }
}
