public import MarketModel
public import Primitives

/// The sources of one partition, in order of their first appearance on the tape. The index of a
/// source in `entries` is its number in all machines of the partition.
public struct SourceTable: Sendable {
    public struct Entry: Hashable, Sendable {
        public let name: SourceName
        /// The send time of this source's first packet. No bar depends on it.
        public let firstSeen: Timestamp
        /// The last watermark, which never goes backwards; `noWatermark` until the source has given
        /// one.
        public internal(set) var watermark: Timestamp
        /// How often the source gave a watermark below its last one. Such a watermark changes
        /// nothing.
        public internal(set) var regressions: UInt64
    }

    /// The watermark of a source that has given none: a time before all usable times.
    public static let noWatermark = Timestamp(nanoseconds: Int64.min)

    public private(set) var entries: [Entry] = []
    /// Packets of sources for which there was no room.
    public private(set) var refused: UInt64 = 0

    /// Returns the index of a source, which is given out when it first appears; `nil` when the
    /// table is full.
    public mutating func index(of name: SourceName, firstSeen: Timestamp) -> Int? {
        if let known = entries.firstIndex(where: { $0.name == name }) { return known }
        guard entries.count < StreamLimits.sourcesMax else {
            refused += 1
            return nil
        }
        entries.append(
            Entry(
                name: name, firstSeen: firstSeen, watermark: Self.noWatermark, regressions: 0))
        return entries.count - 1
    }

    /// Sets the watermark of a source, given as its index. An undefined one changes nothing.
    mutating func advance(_ source: Int, to watermark: Timestamp) {
        guard entries.indices.contains(source), watermark.isDefined else { return }
        if watermark < entries[source].watermark { entries[source].regressions += 1 }
        entries[source].watermark = max(entries[source].watermark, watermark)
    }

    /// Returns whether a tick of the source `left` comes before one of `right` with the same event
    /// time. The names decide, so that the order does not depend on which source was seen first.
    func precedes(_ left: Int, _ right: Int) -> Bool {
        entries[left].name < entries[right].name
    }
}
