import MarketModel
import Primitives
import StreamCore
import TapeCodec

/// What the previous line of output took of each source, for a line that begins without the input
/// of the previous one.
///
/// That line published the bars of a source up to the source's own watermark, which the tape of
/// bars does not state. It was earlier than that of the partition when the source was silent,
/// retired or delayed. The watermark of the first packet whose ticks are new is not earlier than
/// it. So windows from there on were never published.
struct EarlierSources: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        /// The last ordinal that the previous line took; 0 for none.
        var lastOrdinal: UInt64
        /// No window that begins at this time or later was published; `nil` while no new ticks of
        /// the source were read.
        var publishFrom: Timestamp?
    }

    private var entries: [SourceName: Entry]

    /// `taken` are the sources of the position at which the previous line ended.
    init(_ taken: [SourceOrdinal]) {
        entries = Dictionary(
            taken.map { ($0.source, Entry(lastOrdinal: $0.lastOrdinal)) },
            uniquingKeysWith: { first, _ in first })
    }

    /// Returns the time from which on no window of the source was published; `nil` while it is not
    /// known.
    func publishFrom(_ source: SourceName) -> Timestamp? { entries[source]?.publishFrom }

    /// Takes the next packet of the partition's tape. `partition` is the time from which on windows
    /// of the partition are published.
    mutating func take(_ header: PacketHeader, _ packet: RawSpan, partition: Timestamp?) {
        // A marker promises nothing.
        guard header.kind == .ticks, header.tickCount > 0, header.source != .manual,
            header.watermark.isDefined, header.watermark > SourceTable.noWatermark
        else { return }
        let known = entries[header.source]
        let last = known?.lastOrdinal ?? 0
        guard known?.publishFrom == nil, header.nextOrdinal &- 1 > last else { return }
        // The partition's watermark was that of its only source. Then the packet may hold whole
        // windows before its own watermark.
        let isAlone = known != nil && entries.count == 1
        var from = isAlone ? partition ?? header.watermark : header.watermark
        if known == nil, header.firstOrdinal == OutputLedger.firstOrdinal {
            from = SourceTable.noWatermark
        } else if let first = header.firstTime(in: packet) {
            // The window of the first tick may lack ticks that came before.
            from = max(from, first.advanced(byNanoseconds: 1))
        } else if header.firstOrdinal > last &+ 1 {
            // Ticks before this packet are lost, and a gap may hold its watermark back. A packet
            // with trades or quotes decides.
            return
        }
        entries[header.source] = Entry(lastOrdinal: last, publishFrom: from)
    }
}

extension EarlierSources {
    private static let entryBytesMin = 17

    /// The bytes, little endian: the number of sources; then each in order of the names, with the
    /// undefined time for `nil`.
    func put(into bytes: inout [UInt8]) {
        bytes.put(UInt32(entries.count))
        for (source, entry) in entries.sorted(by: { $0.key < $1.key }) {
            bytes.put(entry.lastOrdinal)
            bytes.put((entry.publishFrom ?? .undefined).nanoseconds)
            bytes.put(source)
        }
    }

    /// Reads what `put` wrote at the offset, which moves to its end; `nil` when it cannot have
    /// written these bytes.
    init?(_ bytes: RawSpan, at offset: inout Int) {
        guard bytes.byteCount - offset >= 4 else { return nil }
        let count = Int(bytes.uint32(at: offset))
        offset += 4
        guard count <= (bytes.byteCount - offset) / Self.entryBytesMin else { return nil }
        entries = [:]
        var last: SourceName?
        for _ in 0..<count {
            guard bytes.byteCount - offset >= Self.entryBytesMin,
                let (source, end) = bytes.source(at: offset + 16),
                last.map({ $0 < source }) ?? true
            else { return nil }
            let from = Timestamp(nanoseconds: bytes.int64(at: offset + 8))
            entries[source] = Entry(
                lastOrdinal: bytes.uint64(at: offset), publishFrom: from.isDefined ? from : nil)
            last = source
            offset = end
        }
    }
}

extension RawSpan {
    /// Returns the name whose length is the byte at the offset, and the offset after it; `nil` when
    /// there is none.
    func source(at offset: Int) -> (SourceName, end: Int)? {
        guard offset < byteCount else { return nil }
        let start = offset + 1
        let end = start + Int(uint8(at: offset))
        guard end <= byteCount, let name = SourceName(extracting(start..<end).text) else {
            return nil
        }
        return (name, end)
    }
}

extension [UInt8] {
    mutating func put(_ value: some FixedWidthInteger) {
        for index in 0..<value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: value >> (8 * index)))
        }
    }

    /// Appends a name after its length.
    mutating func put(_ source: SourceName) {
        let name = Array(source.text.utf8)
        append(UInt8(name.count))
        append(contentsOf: name)
    }
}
