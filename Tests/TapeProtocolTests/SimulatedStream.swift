import MarketModel
import Primitives
import TapeCodec
import TapeProtocol

/// A stream as one partition's reader sees it: packets of several sources and watermarks in one
/// order. Messages of other partitions use up sequence numbers in between.
struct SimulatedStream {
    struct Message: Hashable {
        var sequence: UInt64
        var header: PacketHeader
        /// The time at which it was stored.
        var time: Timestamp { header.sendTime }
    }

    /// A source as its publisher knows it. It outlives what the stream forgets.
    struct Source {
        var name: SourceName
        var epoch: UInt64 = 1
        var nextOrdinal: UInt64 = 1
        var nextWatermark: UInt64 = 1
    }

    private(set) var messages: [Message] = []
    private(set) var created = Timestamp(nanoseconds: 1)
    private(set) var firstSequence: UInt64 = 1
    private(set) var lastSequence: UInt64 = 0
    var sources: [Source]
    var isReplicated = false
    /// How far the new leader has applied the log. `nil` means all of it. Later messages are not
    /// visible.
    var applied: UInt64?
    private var packetNumber: UInt64 = 0

    init(sources: Int) {
        self.sources = ["beta", "alpha", "gamma"].prefix(sources).compactMap {
            SourceName($0).map { Source(name: $0) }
        }
    }

    var bounds: ReaderLane.StreamBounds {
        ReaderLane.StreamBounds(
            created: created, firstSequence: firstSequence,
            lastSequence: min(lastSequence, applied ?? lastSequence), isReplicated: isReplicated)
    }

    /// Returns the first message at or after `sequence`.
    func message(from sequence: UInt64) -> Message? {
        var low = 0
        var high = messages.count
        while low < high {
            let middle = (low + high) / 2
            if messages[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        guard low < messages.count, messages[low].sequence <= applied ?? lastSequence else {
            return nil
        }
        return messages[low]
    }

    // MARK: writing

    mutating func write(using random: inout SeededRandom) {
        // Messages of other partitions.
        lastSequence += UInt64.random(in: 0...3, using: &random)
        let index = Int.random(in: 0..<sources.count, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0: open(index)
        case 1...4: watermark(index)
        default: ticks(index, UInt32.random(in: 1...50, using: &random))
        }
    }

    private mutating func append(
        _ source: Int, _ kind: PacketKind, _ flags: PacketFlags, _ ordinal: UInt64, _ ticks: UInt32
    ) {
        packetNumber += 1
        var header = PacketHeader(
            kind: kind, flags: flags, partition: Partition(0), source: sources[source].name,
            epoch: sources[source].epoch, firstOrdinal: ordinal, watermark: .undefined,
            sendTime: Timestamp(nanoseconds: Int64(packetNumber)))
        header.tickCount = ticks
        header.checksum = SeededRandom.mixed(packetNumber)
        lastSequence += 1
        messages.append(Message(sequence: lastSequence, header: header))
    }

    /// A new owner writes its marker.
    mutating func open(_ source: Int) {
        sources[source].epoch += 1
        append(source, .ticks, .epochMarker, sources[source].nextOrdinal, 0)
    }

    private mutating func watermark(_ source: Int) {
        append(source, .watermark, [], sources[source].nextWatermark, 0)
        sources[source].nextWatermark += 1
    }

    private mutating func ticks(_ source: Int, _ count: UInt32) {
        append(source, .ticks, [], sources[source].nextOrdinal, count)
        sources[source].nextOrdinal += UInt64(count)
    }

    // MARK: disasters

    mutating func purge(below sequence: UInt64) {
        firstSequence = max(firstSequence, sequence)
        lastSequence = max(lastSequence, firstSequence - 1)
        messages.removeAll { $0.sequence < sequence }
    }

    /// Restores a backup that ends with this message.
    mutating func restore(to sequence: UInt64) {
        messages.removeAll { $0.sequence > sequence }
        lastSequence = min(lastSequence, sequence)
        firstSequence = min(firstSequence, lastSequence + 1)
    }

    /// Makes the stream again, empty.
    mutating func recreate() {
        created = Timestamp(nanoseconds: created.nanoseconds + 1)
        messages = []
        firstSequence = 1
        lastSequence = 0
    }

    /// Makes every source's owner forget all but what is on the tape.
    mutating func forgetOwners() {
        for index in sources.indices {
            let last = messages.last {
                $0.header.source == sources[index].name && $0.header.kind == .ticks
            }
            sources[index].epoch = last?.header.epoch ?? 0
            sources[index].nextOrdinal = last?.header.nextOrdinal ?? 1
            open(index)
        }
    }
}
