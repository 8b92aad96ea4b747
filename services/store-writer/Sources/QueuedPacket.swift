import MarketModel
import NatsTransport
import TapeCodec

/// A packet on its way from its reader to the worker of its partition.
struct QueuedPacket: Sendable, LaneItem {
    enum Content: Sendable {
        case packet(PacketHeader, NatsMessage)
        /// There was no room for it.
        case dropped(DroppedRun)
    }

    let input: Int
    /// Which reading of its partition it is of; that of an earlier one is left out.
    let reading: UInt64
    /// Where the reader stands behind it.
    private(set) var position: TapePosition
    private(set) var content: Content

    init(
        input: Int, reading: UInt64, position: TapePosition, header: PacketHeader,
        message: NatsMessage
    ) {
        self.input = input
        self.reading = reading
        self.position = position
        content = .packet(header, message)
    }

    var rows: Int {
        if case .packet(let header, _) = content { Int(header.tickCount) } else { 0 }
    }

    var bytes: Int {
        if case .packet(let header, _) = content { Int(header.byteCount) } else { 0 }
    }

    func dropped() -> QueuedPacket {
        guard case .packet(let header, _) = content else { return self }
        var left = self
        left.content = .dropped(DroppedRun(header))
        return left
    }

    func isOfSameInput(as other: QueuedPacket) -> Bool { input == other.input }

    mutating func absorb(_ later: QueuedPacket) -> Bool {
        guard input == later.input, reading == later.reading,
            case .dropped(var run) = content, case .dropped(let more) = later.content,
            run.append(more)
        else { return false }
        content = .dropped(run)
        position = later.position
        return true
    }
}

/// What packets of one input that found no room would have given.
struct DroppedRun: Hashable, Sendable {
    /// Ordinals of one source that follow each other. None: a packet without ticks.
    struct Piece: Hashable, Sendable {
        let source: SourceName
        let epoch: UInt64
        let firstOrdinal: UInt64
        var tickCount: UInt32

        var nextOrdinal: UInt64 { firstOrdinal &+ UInt64(tickCount) }
    }

    /// As many as a run may have: interleaved sources are one each, so this is a lot.
    static let piecesMax = 256

    private(set) var pieces: [Piece]

    init(_ header: PacketHeader) {
        pieces = [
            Piece(
                source: header.source, epoch: header.epoch, firstOrdinal: header.firstOrdinal,
                tickCount: header.tickCount)
        ]
    }

    var tickCount: UInt64 { pieces.reduce(0) { $0 + UInt64($1.tickCount) } }

    /// False, and nothing was taken: it would be too many.
    mutating func append(_ later: DroppedRun) -> Bool {
        var joined = pieces
        for piece in later.pieces {
            guard let index = joined.lastIndex(where: { $0.source == piece.source }),
                joined[index].epoch == piece.epoch, joined[index].nextOrdinal == piece.firstOrdinal
            else {
                joined.append(piece)
                continue
            }
            let (sum, overflow) = joined[index].tickCount.addingReportingOverflow(piece.tickCount)
            if overflow { joined.append(piece) } else { joined[index].tickCount = sum }
        }
        guard joined.count <= Self.piecesMax else { return false }
        pieces = joined
        return true
    }
}
