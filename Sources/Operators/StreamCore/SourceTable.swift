public import MarketModel
public import Primitives

/// The sources of one partition, in order of their first appearance on the tape.
public struct SourceTable: Sendable {
    public struct Entry: Hashable, Sendable {
        public let name: SourceName
        /// The time of the first packet of this source, given by the reader of the tape.
        public let firstSeen: Timestamp
        /// The last watermark, which never goes backwards; `noWatermark` until the source has given
        /// one.
        public internal(set) var watermark: Timestamp
        /// How often the source gave a watermark below its last one. Such a watermark changes
        /// nothing.
        public internal(set) var regressions: UInt64
    }

    /// A time before all usable times.
    public static let noWatermark = Timestamp(nanoseconds: Int64.min)

    public private(set) var entries: [Entry] = []
    /// New sources for which there was no room.
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

    /// Sets the watermark. An undefined one changes nothing.
    mutating func advance(_ source: Int, to watermark: Timestamp) {
        guard entries.indices.contains(source), watermark.isDefined else { return }
        if watermark < entries[source].watermark { entries[source].regressions += 1 }
        entries[source].watermark = max(entries[source].watermark, watermark)
    }

    /// Orders sources within one nanosecond by their names. So the order does not depend on which
    /// source was seen first.
    func precedes(_ left: Int, _ right: Int) -> Bool {
        entries[left].name < entries[right].name
    }
}
