package import Primitives

/// A value of a bucket, as the bucket's leader stored it.
package struct KeyValueEntry: Equatable, Sendable {
    package let key: String
    package let value: [UInt8]
    /// The bucket's number of the write. The next write of the key may expect it.
    package let revision: UInt64
    /// When it was stored.
    package let time: Timestamp

    /// Fails when the message is a marker without a value.
    init?(_ message: StoredMessage, key: String) {
        guard !Self.isMarker(message.headers) else { return nil }
        self.key = key
        value = message.payload
        revision = message.sequence
        time = message.time
    }

    /// A deleted key keeps one marker message. Ours and those of `nats kv` name the operation; the
    /// server's own (for an expired key) name the reason.
    static func isMarker(_ headers: String?) -> Bool {
        guard let headers else { return false }
        return headers.split(whereSeparator: \.isNewline).contains { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { return false }
            let value = parts[1].drop { $0 == " " }
            return parts[0] == "KV-Operation" && (value == "DEL" || value == "PURGE")
                || parts[0] == "Nats-Marker-Reason"
        }
    }
}

/// The outcome of a write to a bucket.
package enum KeyValueOutcome: Equatable, Sendable {
    /// It is stored on the leader's disk, as far as the server's settings ensure this.
    case stored(revision: UInt64)
    /// Not stored: the key's last write is not the expected one but the one at `present` (0: there
    /// is none; `nil`: another write is being stored at the moment).
    case conflict(present: UInt64?)
    /// The outcome is unknown, with the reason. A read proves only that the value is stored; a
    /// missing value may still arrive. Writing the same value again, with the same expectation,
    /// settles it: either it is stored, or the winner of the conflict can be read and compared.
    case unknown(String)
}

/// The keys of a bucket, and the state in which they were listed.
package struct KeyValueKeys: Equatable, Sendable {
    /// The bucket's last write when the keys were listed. While it stays the same, so do the keys.
    package let lastRevision: UInt64
    /// All keys that were ever written, sorted. For a deleted one `get` returns `nil`.
    package let keys: [String]
}

package struct KeyValueEntries: Equatable, Sendable {
    /// The bucket's last write before the entries were read. An entry may be newer, but none is
    /// older.
    package let lastRevision: UInt64
    /// The entries, sorted by key.
    package let entries: [KeyValueEntry]
}
