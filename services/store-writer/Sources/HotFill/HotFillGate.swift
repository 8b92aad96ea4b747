import Primitives

/// When the values of one partition are read from the database for the hot state. Pure.
///
/// The database has to know first what the readers passed before they came to the tape's end: from
/// there on the hot state gets each packet. Without that, values of before an outage could stay.
enum HotFillGate: Hashable {
    /// The partition is not owned, or not claimed in the database. Next: `reading`.
    case closed
    /// The readers have not been at the tape's end since the claim. Next: `storing`.
    case reading
    /// The readers were at the end, at these sequences, which are not stored yet. Next: `open`.
    case storing([UInt64])
    /// The values were requested.
    case open

    /// One input of the partition.
    struct Input {
        /// Whether the hot state gets the packets of its reader (`HotFeed.rows`).
        var isAtEnd: Bool
        /// The sequence up to which it is read.
        var read: UInt64
        /// The sequence up to which it is stored.
        var stored: UInt64
    }

    /// Notes how far the inputs of a claimed partition are. Returns true once, when its values have
    /// to be read.
    mutating func follow(_ inputs: [Input]) -> Bool {
        switch self {
        case .open: return false
        case .closed: self = .reading
        case .reading, .storing: break
        }
        if case .reading = self, inputs.allSatisfy(\.isAtEnd) {
            self = .storing(inputs.map(\.read))
        }
        guard isStored(inputs) else { return false }
        self = .open
        return true
    }

    /// Whether what was read before the tape's end is stored.
    private func isStored(_ inputs: [Input]) -> Bool {
        guard case .storing(let ends) = self else { return false }
        return zip(inputs, ends).allSatisfy { $0.stored >= $1 }
    }
}
