import MarketModel
import NatsTransport
import Primitives
import TapeCodec

/// Packets that are written in one transaction. The packets are kept unchanged. Their rows are made
/// while they are copied to the server, so a retry costs only the copy.
struct WriteBatch {
    /// A packet of the batch.
    struct Item {
        /// The number of its input.
        let input: Int
        let header: PacketHeader
        let message: NatsMessage
        /// The reader's position after this packet.
        let position: TapePosition
        /// The source's last ordinal that is stored already. Ticks of the packet up to it are left
        /// out. It is normally below the packet's first ordinal.
        var storedOrdinal: UInt64 = 0

        /// The number of its ticks whose ordinals are stored already.
        var givenTwice: UInt64 {
            guard storedOrdinal >= header.firstOrdinal else { return 0 }
            return min(UInt64(header.tickCount), storedOrdinal - header.firstOrdinal + 1)
        }
    }

    /// Packets that the queue dropped. They have no rows, only a position after them.
    struct Dropped {
        let input: Int
        let run: DroppedRun
        let position: TapePosition
        /// The number of items of the batch that came before it.
        let itemsBefore: Int
    }

    private(set) var items: [Item] = []
    private(set) var dropped: [Dropped] = []
    /// The ticks of all items, each of which makes a row at most, and their bytes.
    private(set) var rows = 0
    private(set) var bytes = 0
    /// When the first packet came, monotonic.
    private(set) var since = MonotonicTime.distantPast

    var isEmpty: Bool { items.isEmpty && dropped.isEmpty }

    /// Whether it has to be written before more may be added.
    var isFull: Bool {
        rows >= WriterSettings.batchRowsMax || bytes >= WriterSettings.batchBytesMax
            || items.count >= WriterSettings.batchPacketsMax
    }

    /// The inputs of all items and dropped packets.
    var inputs: Set<Int> { Set(items.map(\.input)).union(dropped.map(\.input)) }

    mutating func add(_ item: Item, now: MonotonicTime) {
        if isEmpty { since = now }
        items.append(item)
        rows += Int(item.header.tickCount)
        bytes += Int(item.header.byteCount)
    }

    /// Adds dropped packets.
    mutating func add(_ run: DroppedRun, input: Int, position: TapePosition) {
        dropped.append(
            Dropped(input: input, run: run, position: position, itemsBefore: items.count))
    }

    mutating func removeAll() {
        items.removeAll(keepingCapacity: true)
        dropped.removeAll(keepingCapacity: true)
        rows = 0
        bytes = 0
    }

    /// Removes the packets of partitions that another writer owns now.
    mutating func remove(inputs: Set<Int>) {
        let all = self
        removeAll()
        append(all) { !inputs.contains($0) }
    }

    /// Moves the items of these inputs into another batch.
    mutating func split(off inputs: Set<Int>) -> WriteBatch {
        var taken = WriteBatch()
        taken.append(self) { inputs.contains($0) }
        remove(inputs: inputs)
        return taken
    }

    /// Appends another batch. The order within each input stays.
    mutating func append(_ later: WriteBatch, where isWanted: (Int) -> Bool = { _ in true }) {
        var left = later.dropped[...]
        func addDropped(before count: Int) {
            while let next = left.first, next.itemsBefore <= count {
                left.removeFirst()
                guard isWanted(next.input) else { continue }
                add(next.run, input: next.input, position: next.position)
            }
        }
        for (index, item) in later.items.enumerated() {
            addDropped(before: index)
            if isWanted(item.input) { add(item, now: later.since) }
        }
        addDropped(before: later.items.count)
    }

    /// Returns the position of each input after the batch, from those before it. `stored` returns
    /// the present one; `nil` for an input that is not claimed.
    func advanced(
        by outcome: BatchOutcome, from stored: (Int) -> SinkPosition?
    ) -> [Int: SinkPosition] {
        var positions: [Int: SinkPosition] = [:]
        func advance(_ input: Int, to place: TapePosition, _ add: (inout SinkPosition) -> Void) {
            guard var position = positions[input] ?? stored(input) else { return }
            position.position = place
            add(&position)
            positions[input] = position
        }
        var left = dropped[...]
        for index in 0...items.count {
            while let next = left.first, next.itemsBefore <= index {
                left.removeFirst()
                advance(next.input, to: next.position) { $0.add(next.run) }
            }
            guard index < items.count else { break }
            let item = items[index]
            advance(item.input, to: item.position) { $0.add(item.header, outcome.counts[index]) }
        }
        return positions
    }
}
