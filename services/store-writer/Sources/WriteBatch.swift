import MarketModel
import NatsTransport
import Primitives
import TapeCodec

/// Packets that are written in one transaction. They stay as they came; rows are made from them
/// while they are copied to the server, so that a retry costs nothing but the copy.
struct WriteBatch {
    struct Item {
        let input: Int
        let header: PacketHeader
        let message: NatsMessage
        /// Where the reader stands behind this packet.
        let position: TapePosition
        /// The source's last ordinal that is stored already: what the packet has up to there came
        /// before, and is left out. Below the packet's first ordinal as a rule.
        var storedOrdinal: UInt64 = 0

        var givenTwice: UInt64 {
            guard storedOrdinal >= header.firstOrdinal else { return 0 }
            return min(UInt64(header.tickCount), storedOrdinal - header.firstOrdinal + 1)
        }
    }

    /// What found no room in the queue: no rows, only the position behind it.
    struct Dropped {
        let input: Int
        let run: DroppedRun
        let position: TapePosition
        /// How many items of the batch came before it.
        let itemsBefore: Int
    }

    private(set) var items: [Item] = []
    private(set) var dropped: [Dropped] = []
    private(set) var rows = 0
    private(set) var bytes = 0
    /// When the first packet came, in monotonic nanoseconds.
    private(set) var since: Int64 = 0

    var isEmpty: Bool { items.isEmpty && dropped.isEmpty }

    /// No more may be added before it is written.
    var isFull: Bool {
        rows >= WriterSettings.batchRowsMax || bytes >= WriterSettings.batchBytesMax
            || items.count >= WriterSettings.batchPacketsMax
    }

    /// Of all that is in it.
    var inputs: Set<Int> { Set(items.map(\.input)).union(dropped.map(\.input)) }

    mutating func add(_ item: Item, now: Int64) {
        if isEmpty { since = now }
        items.append(item)
        rows += Int(item.header.tickCount)
        bytes += Int(item.header.byteCount)
    }

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

    /// A partition that another writer has taken over: its packets are that one's.
    mutating func remove(inputs: Set<Int>) {
        let all = self
        removeAll()
        append(all) { !inputs.contains($0) }
    }

    /// Takes what is of these inputs out of the batch.
    mutating func split(off inputs: Set<Int>) -> WriteBatch {
        var taken = WriteBatch()
        taken.append(self) { inputs.contains($0) }
        remove(inputs: inputs)
        return taken
    }

    /// Of each input in the same order.
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

    /// The positions behind the batch, from those before it.
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
