import Primitives

/// When the values of one partition are read from the database for the hot state. Pure.
///
/// The database has to know first what the readers passed before they came to the tape's end: from
/// there on the hot state gets each packet.
enum HotFillGate: Hashable {
    /// The partition is not owned, or not claimed in the database. Next: `reading`.
    case closed
    /// Claimed then; the readers have not been at the tape's end since. Next: `storing`, `open`.
    case reading(since: MonotonicTime)
    /// The readers were at the end, at these sequences, which are not stored yet. Next: `open`.
    case storing(since: MonotonicTime, [UInt64])
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

    /// How long values wait for rows that do not keep up with the tape. Then they are those of the
    /// rows that are stored.
    static let patienceNanoseconds: Int64 = 60_000_000_000

    /// Notes how far the inputs of a claimed partition are. Returns true once, when its values have
    /// to be read.
    mutating func follow(_ inputs: [Input], now: MonotonicTime) -> Bool {
        switch self {
        case .open: return false
        case .closed: self = .reading(since: now)
        case .reading, .storing: break
        }
        if case .reading(let since) = self, inputs.allSatisfy(\.isAtEnd) {
            self = .storing(since: since, inputs.map(\.read))
        }
        guard isStored(inputs) || now >= since + Self.patienceNanoseconds else { return false }
        self = .open
        return true
    }

    /// When the partition was claimed.
    private var since: MonotonicTime {
        switch self {
        case .reading(let since), .storing(let since, _): since
        case .closed, .open: .never
        }
    }

    /// Whether what was read before the tape's end is stored.
    private func isStored(_ inputs: [Input]) -> Bool {
        guard case .storing(_, let ends) = self else { return false }
        return zip(inputs, ends).allSatisfy { $0.stored >= $1 }
    }
}
