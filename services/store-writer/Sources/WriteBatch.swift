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

    private(set) var items: [Item] = []
    private(set) var rows = 0
    private(set) var bytes = 0
    /// When the first packet came, in monotonic nanoseconds.
    private(set) var since: Int64 = 0

    var isEmpty: Bool { items.isEmpty }

    /// No more may be added before it is written.
    var isFull: Bool {
        rows >= WriterSettings.batchRowsMax || bytes >= WriterSettings.batchBytesMax
            || items.count >= WriterSettings.batchPacketsMax
    }

    mutating func add(_ item: Item, now: Int64) {
        if items.isEmpty { since = now }
        items.append(item)
        rows += Int(item.header.tickCount)
        bytes += Int(item.header.byteCount)
    }

    mutating func removeAll() {
        items.removeAll(keepingCapacity: true)
        rows = 0
        bytes = 0
    }

    /// A partition that another writer has taken over: its packets are that one's.
    mutating func remove(inputs: Set<Int>) {
        let kept = items.filter { !inputs.contains($0.input) }
        removeAll()
        for item in kept { add(item, now: since) }
    }
}
