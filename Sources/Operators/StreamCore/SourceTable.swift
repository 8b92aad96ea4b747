public import MarketModel
public import Primitives

/// The sources of one partition, in order of their first appearance on the tape.
public struct SourceTable: Sendable {
    public struct Entry: Hashable, Sendable {
        public let name: SourceName
        /// Given by whoever reads the tape: the time of the first packet of this source.
        public let firstSeen: Timestamp
        /// Never goes backwards; `noWatermark` until the source has given one.
        public internal(set) var watermark: Timestamp
        /// How often the source gave a watermark below its last one; these change nothing.
        public internal(set) var regressions: UInt64
    }

    /// Before every time that counts.
    public static let noWatermark = Timestamp(nanoseconds: Int64.min)

    public private(set) var entries: [Entry] = []
    /// New sources for which there was no room.
    public private(set) var refused: UInt64 = 0

    /// The index of a source, given out at its first appearance; nil when the table is full.
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

    /// An undefined watermark says nothing and changes nothing.
    mutating func advance(_ source: Int, to watermark: Timestamp) {
        guard entries.indices.contains(source), watermark.isDefined else { return }
        if watermark < entries[source].watermark { entries[source].regressions += 1 }
        entries[source].watermark = max(entries[source].watermark, watermark)
    }

    /// The order of sources inside one nanosecond: that of their names, which does not depend on
    /// who was seen first.
    func precedes(_ left: Int, _ right: Int) -> Bool {
        entries[left].name < entries[right].name
    }
}
