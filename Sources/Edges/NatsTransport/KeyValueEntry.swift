public import Primitives

/// A value of a bucket, as its leader knew it.
public struct KeyValueEntry: Equatable, Sendable {
    public let key: String
    public let value: [UInt8]
    /// The bucket's number of the write; the next write of the key may expect it.
    public let revision: UInt64
    /// When it was stored.
    public let time: Timestamp

    /// nil: the message says that there is no value any more.
    init?(_ message: StoredMessage, key: String) {
        guard !Self.isMarker(message.headers) else { return nil }
        self.key = key
        value = message.payload
        revision = message.sequence
        time = message.time
    }

    /// A deleted key keeps one message that says so: ours and `nats kv`'s name the operation, the
    /// server's own (a key that timed out) name the reason.
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

/// What became of a write to a bucket.
public enum KeyValueOutcome: Equatable, Sendable {
    /// On the leader's disk, as far as the server's settings say so.
    case stored(revision: UInt64)
    /// Not stored: the key's last write is another one than was expected, the one at `present`
    /// (0: there is none; nil: another write is being stored just now).
    case conflict(present: UInt64?)
    /// Nobody knows, and the reason. A read tells only when it finds this very value: what is not
    /// there may still arrive. Writing the same again, with the same expectation, settles it:
    /// either it is stored, or the conflict's winner can be read and compared.
    case unknown(String)
}

/// The keys of a bucket, and when that was so.
public struct KeyValueKeys: Equatable, Sendable {
    /// The bucket's last write when the keys were listed: they are the same as long as it is.
    public let lastRevision: UInt64
    /// Sorted. All that were ever written: of a deleted one `get` says nil.
    public let keys: [String]
}

public struct KeyValueEntries: Equatable, Sendable {
    /// The bucket's last write before the entries were read: each of them may be newer, none is
    /// older.
    public let lastRevision: UInt64
    /// Sorted by key.
    public let entries: [KeyValueEntry]
}
