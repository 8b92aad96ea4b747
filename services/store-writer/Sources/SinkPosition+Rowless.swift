import MarketModel
import Primitives
import TapeCodec

extension SinkPosition {
    /// Adds packets without rows to the counts: their records are counted as skipped. The ordinals
    /// of dropped ones are listed in `gaps`.
    mutating func add(_ run: RowlessRun, namesBeginnings: Bool = false) {
        for piece in run.pieces { add(piece, run, namesBeginnings) }
    }

    /// Adds a piece as if it were a packet. Only ordinals that were not stored before are skipped.
    private mutating func add(
        _ piece: RowlessRun.Piece, _ run: RowlessRun, _ namesBeginnings: Bool
    ) {
        var header = PacketHeader(
            kind: input.kind, partition: partition, source: piece.source,
            epoch: piece.epoch, firstOrdinal: piece.firstOrdinal, watermark: .undefined,
            sendTime: run.sentTime)
        header.tickCount = piece.tickCount
        let stored = account(piece.source)?.lastOrdinal ?? 0
        let first = max(piece.firstOrdinal, stored == .max ? .max : stored + 1)
        let skipped = piece.nextOrdinal > first ? piece.nextOrdinal - first : 0
        add(
            header,
            TickCount(skipped: skipped, givenTwice: UInt64(piece.tickCount) - skipped),
            namesBeginnings: namesBeginnings)
        guard run.cause == .dropped, skipped > 0 else { return }
        gaps.append(
            SinkGap(
                source: piece.source, ordinals: first...(first + skipped - 1), reason: .dropped,
                epoch: piece.epoch))
    }
}
