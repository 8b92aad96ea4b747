package import Primitives

/// What a database has of a subject whose tape is gone, for the first marker of the tape that
/// takes its place.
package struct StoredRows: Hashable, Sendable {
    /// The last ordinal that is accounted for.
    package var lastOrdinal: UInt64
    /// When the former tape took the packet of that ordinal. What it took later is lost; how much
    /// that was, nobody knows.
    package var until: Timestamp

    package init(lastOrdinal: UInt64, until: Timestamp) {
        self.lastOrdinal = lastOrdinal
        self.until = until
    }
}
