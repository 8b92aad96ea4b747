import MarketModel
import NatsTransport
import TapeCodec

/// A packet on its way from its reader to the worker of its partition.
struct QueuedPacket: Sendable, QueueItem {
    enum Content: Sendable {
        /// The whole packet.
        case packet(PacketHeader, NatsMessage)
        /// Packets that were dropped, because there was no room: only their ordinals are left.
        case dropped(DroppedRun)
    }

    /// The number of its input: the ticks or the bars of a partition.
    let input: Int
    /// The number of the partition's reading (`WorkerQueue`). Packets of an earlier reading are
    /// ignored.
    let reading: UInt64
    /// The reader's position after the packet, or after the last packet of the run.
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

/// The ordinals of dropped packets of one input, which follow each other on the tape.
struct DroppedRun: Hashable, Sendable {
    /// Consecutive ordinals of one source and epoch. A packet without records makes an empty piece,
    /// which keeps the epoch.
    struct Piece: Hashable, Sendable {
        let source: SourceName
        let epoch: UInt64
        let firstOrdinal: UInt64
        var tickCount: UInt32

        var nextOrdinal: UInt64 { firstOrdinal &+ UInt64(tickCount) }
    }

    /// The maximum number of pieces of a run. A source needs another piece only after a change of
    /// its epoch, missing ordinals, or ordinals that the tape gives out again: a run has few.
    static let piecesMax = 256

    private(set) var pieces: [Piece]

    init(_ header: PacketHeader) {
        pieces = [
            Piece(
                source: header.source, epoch: header.epoch, firstOrdinal: header.firstOrdinal,
                tickCount: header.tickCount)
        ]
    }

    /// The number of dropped records.
    var tickCount: UInt64 { pieces.reduce(0) { $0 + UInt64($1.tickCount) } }

    /// Appends a later run of the same input. Returns false, and appends nothing, when there would
    /// be too many pieces.
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
