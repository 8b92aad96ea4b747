import MarketModel
import NatsTransport
import Primitives
import StoreSinks
import TapeCodec

/// A packet on its way from its reader to the worker of its partition.
struct QueuedPacket: Sendable, QueueItem {
    enum Content: Sendable {
        /// The whole packet.
        case packet(PacketHeader, NatsMessage)
        /// Packets without rows: only their ordinals are left.
        case rowless(RowlessRun)
    }

    /// The number of its input: the ticks or the bars of a partition.
    let input: Int
    /// The number of the partition's reading (`WorkerQueue`). Packets of an earlier reading are
    /// ignored.
    let reading: UInt64
    /// The number of its records that make a row; 0 when their tables are switched off, and when it
    /// was dropped.
    private(set) var rows: Int
    /// The reader's position after the packet, or after the last packet of the run.
    private(set) var position: TapePosition
    /// When the tape took it, or the last packet of the run: the highest time so far, in the order
    /// of reading.
    private(set) var tapeTime: Timestamp
    private(set) var content: Content

    /// A packet of which no record makes a row waits as a run, so that its bytes are not kept.
    init(
        input: Int, reading: UInt64, position: TapePosition, header: PacketHeader,
        message: NatsMessage, count: RecordCount, tapeTime: Timestamp = .undefined
    ) {
        self.input = input
        self.reading = reading
        self.position = position
        self.tapeTime = tapeTime
        rows = count.rows
        content =
            rows > 0
            ? .packet(header, message)
            : .rowless(RowlessRun(header, .switchedOff, skipped: count.skipped))
    }

    var bytes: Int {
        if case .packet(let header, _) = content { Int(header.byteCount) } else { 0 }
    }

    /// The number of its records, with rows or without.
    var records: UInt64 {
        switch content {
        case .packet(let header, _): UInt64(header.tickCount)
        case .rowless(let run): run.tickCount
        }
    }

    func dropped() -> QueuedPacket {
        var left = self
        left.rows = 0
        switch content {
        case .packet(let header, _): left.content = .rowless(RowlessRun(header, .dropped))
        case .rowless(let run): left.content = .rowless(run.dropped())
        }
        return left
    }

    func isOfSameInput(as other: QueuedPacket) -> Bool { input == other.input }

    mutating func absorb(_ later: QueuedPacket) -> Bool {
        guard input == later.input, reading == later.reading,
            case .rowless(var run) = content, case .rowless(let more) = later.content,
            run.append(more)
        else { return false }
        content = .rowless(run)
        position = later.position
        tapeTime = later.tapeTime
        return true
    }
}

/// The ordinals of packets of one input that follow each other on the tape, and that make no rows.
struct RowlessRun: Hashable, Sendable {
    /// Why they make no rows.
    enum Cause: Hashable, Sendable {
        /// The tables of all their records are switched off (STORE_TABLES), or they have none.
        case switchedOff
        /// The queue had no room for them, and its policy is to drop. The table `gaps` names them.
        case dropped
    }

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

    private(set) var cause: Cause
    private(set) var pieces: [Piece]
    /// The number of records by their table, which is switched off.
    private(set) var skipped: [SinkName: UInt64]
    /// When one of them was sent: the highest time.
    private(set) var sentTime: Timestamp

    init(_ header: PacketHeader, _ cause: Cause, skipped: [SinkName: UInt64] = [:]) {
        self.cause = cause
        self.skipped = skipped
        sentTime = header.sendTime
        pieces = [
            Piece(
                source: header.source, epoch: header.epoch, firstOrdinal: header.firstOrdinal,
                tickCount: header.tickCount)
        ]
    }

    /// The same ordinals, as ones that were dropped.
    func dropped() -> RowlessRun {
        var run = self
        run.cause = .dropped
        run.skipped = [:]
        return run
    }

    /// The number of records.
    var tickCount: UInt64 { pieces.reduce(0) { $0 + UInt64($1.tickCount) } }

    /// Appends a later run of the same input. Returns false, and appends nothing, when it has
    /// another cause, or when there would be too many pieces.
    mutating func append(_ later: RowlessRun) -> Bool {
        guard cause == later.cause else { return false }
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
        sentTime = max(sentTime, later.sentTime)
        skipped.merge(later.skipped, uniquingKeysWith: +)
        return true
    }
}
