package import TapeCodec

/// The records of a packet, counted by whether their tables are switched on.
package struct RecordCount: Hashable, Sendable {
    /// The number of records whose table is switched on: each makes at most one row.
    package var rows: Int
    /// The number of other records, by their table.
    package var skipped: [SinkName: UInt64]

    package init(rows: Int, skipped: [SinkName: UInt64] = [:]) {
        self.rows = rows
        self.skipped = skipped
    }

    /// The maximum number of tables for which `SinkCatalogue.count` has room.
    static let sinksMax = 16
}

extension SinkCatalogue {
    /// Counts the records of a packet. Where it is damaged, all its records count as rows, because
    /// those that cannot be read become dead letters.
    package func count(_ packet: RawSpan, _ header: PacketHeader) -> RecordCount {
        let everything = RecordCount(rows: Int(header.tickCount))
        guard sinks.count < Self.all.count, header.tickCount > 0 else { return everything }
        var counts = InlineArray<16, UInt64>(repeating: 0)
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            guard let template = record.template else { return everything }
            guard WireFormat.Template.isTick(template) else { continue }
            counts[owner(template)] += 1
        }
        guard cursor.tickCount == header.tickCount else { return everything }
        var count = RecordCount(rows: 0)
        for (owner, sink) in Self.all.enumerated() where counts[owner] > 0 {
            if isOn(owner) {
                count.rows += Int(counts[owner])
            } else {
                count.skipped[sink.name] = counts[owner]
            }
        }
        return count
    }
}
