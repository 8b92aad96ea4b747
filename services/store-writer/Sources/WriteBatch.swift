import MarketModel
import NatsTransport
import Primitives
import StoreSinks
import TapeCodec
import TapeProtocol

/// The packets that a worker writes in one transaction, in the order of the queue. They are kept as
/// they came from the tape. Their rows are made while a COPY sends them, so the rows take no
/// memory.
struct WriteBatch {
    /// A packet of the batch.
    struct Item {
        /// The number of its input.
        let input: Int
        let header: PacketHeader
        let message: NatsMessage
        /// The reader's position after this packet.
        let position: TapePosition
        /// The source's last ordinal that is stored already; 0 when there is none. Records of the
        /// packet up to this ordinal are left out. Normally the packet's first ordinal is above it.
        /// It is not when the tape gives out ordinals again, after a restore from a backup.
        var storedOrdinal: UInt64 = 0
        /// The number of its records whose tables are switched on; `nil`: of all.
        var rows: Int?
        /// As in `QueuedPacket`.
        var tapeTime = Timestamp.undefined

        /// The number of its records whose ordinals are stored already.
        var givenTwice: UInt64 {
            guard storedOrdinal >= header.firstOrdinal else { return 0 }
            return min(UInt64(header.tickCount), storedOrdinal - header.firstOrdinal + 1)
        }
    }

    /// Packets without rows; only their ordinals and the position after them are written.
    struct Rowless {
        /// The number of their input.
        let input: Int
        let run: RowlessRun
        let position: TapePosition
        /// As in `QueuedPacket`.
        let tapeTime: Timestamp
        /// The number of items of the batch that came before it.
        let itemsBefore: Int
    }

    /// The store that it is for, which names itself in rows of gaps.
    var store = Sink.owner
    /// The group of tables for which alone it is; `nil`: for all but those in `apart`.
    var group: TableGroup?
    /// The table for which the group waits apart; `nil`: it takes rows.
    var blocked: SinkName?
    /// By input, the groups of tables that wait apart, and get nothing of it.
    var apart: [Int: Set<TableGroup>] = [:]
    /// The groups of tables that may be left, if they do not take their rows.
    var leavable: Set<TableGroup> = []
    private(set) var items: [Item] = []
    private(set) var rowless: [Rowless] = []
    /// The number of records of all items that make a row.
    private(set) var rows = 0
    /// The bytes of all items.
    private(set) var bytes = 0

    var isEmpty: Bool { items.isEmpty && rowless.isEmpty }

    /// Whether no more may be added. Only `waitingForDays` grows so far: a batch from the queue is
    /// bounded by its portion.
    var isFull: Bool {
        rows >= WriterSettings.batchRowsMax || bytes >= WriterSettings.batchBytesMax
            || items.count >= WriterSettings.batchPacketsMax
    }

    /// Returns whether a table gets rows of this item.
    @inline(__always)
    func isFor(_ table: SinkName, item: Int) -> Bool {
        if apart.isEmpty { return true }
        return apart[items[item].input]?.contains(TableGroup(of: table)) != true
    }

    /// The inputs of all packets.
    var inputs: Set<Int> { Set(items.map(\.input)).union(rowless.map(\.input)) }

    /// Adds a packet.
    mutating func add(_ item: Item) {
        items.append(item)
        rows += item.rows ?? Int(item.header.tickCount)
        bytes += Int(item.header.byteCount)
    }

    /// Adds packets without rows.
    mutating func add(
        _ run: RowlessRun, input: Int, position: TapePosition, tapeTime: Timestamp = .undefined
    ) {
        rowless.append(
            Rowless(
                input: input, run: run, position: position, tapeTime: tapeTime,
                itemsBefore: items.count))
    }

    /// Removes everything, and keeps the memory.
    mutating func removeAll() {
        items.removeAll(keepingCapacity: true)
        rowless.removeAll(keepingCapacity: true)
        rows = 0
        bytes = 0
    }

    /// Removes all packets of these inputs.
    mutating func remove(inputs: Set<Int>) {
        let all = self
        removeAll()
        append(all) { !inputs.contains($0) }
    }

    /// Removes all packets of these inputs, and returns them as a batch in the same order.
    mutating func split(off inputs: Set<Int>) -> WriteBatch {
        var taken = WriteBatch(store: store)
        taken.append(self) { inputs.contains($0) }
        remove(inputs: inputs)
        return taken
    }

    /// Appends the packets of another batch, in their order. `isWanted` selects them by their
    /// input.
    mutating func append(_ later: WriteBatch, where isWanted: (Int) -> Bool = { _ in true }) {
        var left = later.rowless[...]
        func addRowless(before count: Int) {
            while let next = left.first, next.itemsBefore <= count {
                left.removeFirst()
                guard isWanted(next.input) else { continue }
                add(
                    next.run, input: next.input, position: next.position,
                    tapeTime: next.tapeTime)
            }
        }
        for (index, item) in later.items.enumerated() {
            addRowless(before: index)
            if isWanted(item.input) { add(item) }
        }
        addRowless(before: later.items.count)
    }

    /// Returns the position of each input after the batch, with its counts and gaps. `stored`
    /// returns the position before it; `nil` for an input that is not claimed, which is left out.
    /// `keepsBars` is false when the tables of bars are switched off. `mayBeLetGo`: the tape may
    /// have been purged of what the store has not read. Of a source that is new where it had read
    /// others before, that is then named, too. For a group that waits apart it is always named: the
    /// store knows what the group was left.
    func advanced(
        by outcome: BatchOutcome, keepsBars: Bool = true, mayBeLetGo: Bool = false,
        from stored: (Int) -> SinkPosition?
    ) -> [Int: SinkPosition] {
        var positions: [Int: SinkPosition] = [:]
        func advance(
            _ input: Int, to place: TapePosition, _ time: Timestamp,
            _ add: (inout SinkPosition, _ namesBeginnings: Bool) -> Void
        ) {
            guard var position = positions[input] ?? stored(input) else { return }
            position.position = place
            if time.isDefined { position.tapeTime = time }
            if position.input == .bars, !keepsBars { position.hasLeftOut = true }
            add(
                &position,
                group != nil || mayBeLetGo && stored(input)?.position?.hasPacket ?? false)
            positions[input] = position
        }
        var left = rowless[...]
        for index in 0...items.count {
            while let next = left.first, next.itemsBefore <= index {
                left.removeFirst()
                advance(next.input, to: next.position, next.tapeTime) {
                    $0.add(next.run, namesBeginnings: $1)
                }
            }
            guard index < items.count else { break }
            let item = items[index]
            advance(item.input, to: item.position, item.tapeTime) {
                $0.add(
                    item.header, outcome.counts[index], takenAt: item.tapeTime,
                    namesBeginnings: $1)
                $0.add(outcome, ofItem: index)
            }
        }
        return positions
    }
}
