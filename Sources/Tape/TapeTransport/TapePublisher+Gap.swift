internal import MarketModel
internal import Primitives
internal import ServiceRuntime
internal import TapeCodec
internal import TapeProtocol

extension TapePublisher {
    /// Returns the gap record of what the tape has lost, for the next marker; `nil` when it has
    /// lost nothing. `isEmpty`: the marker is the subject's first packet.
    ///
    /// Lost ticks are not older than the watermark of the subject's last packet, and came before
    /// now. On a tape that is new, they came after the last one whose row is stored, and have no
    /// ordinals: those are given out again.
    func gap(_ lost: ClosedRange<UInt64>?, _ lane: Int, isEmpty: Bool) -> GapRecord? {
        let (now, stored) = (clock.now(), isEmpty ? lanes[lane].machine.stored : nil)
        guard lost != nil || stored != nil else { return nil }
        let watermark = lanes[lane].watermark
        let known = watermark.nanoseconds == Int64.min ? .undefined : watermark
        return GapRecord(
            header: TickHeader(
                symbol: TickHeader.noSymbol, providerTime: .undefined, receiveTime: now),
            from: stored.map { min($0.until, now) } ?? known, to: now, kind: .any,
            reason: .tapeLost, state: .open, firstOrdinal: lost?.lowerBound ?? 0,
            lastOrdinal: lost?.upperBound ?? 0,
            detail: stored == nil ? "" : "the tape was made again after a restore")
    }
}
