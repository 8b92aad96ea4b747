package import NatsTransport
package import Primitives

/// A value in a bucket that several people or processes change.
package protocol SharedValue: Equatable, Sendable {
    init()
    init(json bytes: [UInt8]) throws(VersionedJSON.Refusal)
    var json: [UInt8] { get }
}

/// What is stored of such a value.
package struct StoredValue<Value: SharedValue>: Equatable, Sendable {
    /// Empty when nothing is stored, or when `refusal` says why it cannot be read.
    package var value = Value()
    /// The bucket's number of its last write, which the next write has to expect; 0: none.
    package var revision: UInt64 = 0
    package var refusal: VersionedJSON.Refusal?

    package init() {}
}

extension KeyValueBucket {
    /// Returns `nil` when there is no value (any more).
    package func entry(_ key: String) throws(TapeError) -> KeyValueEntry? {
        try TapeError.ofJetStream { () throws(JetStreamError) in try get(key) }
    }

    func stored<Value>(_ key: String) throws(TapeError) -> StoredValue<Value> {
        var stored = StoredValue<Value>()
        guard let entry = try entry(key) else { return stored }
        stored.revision = entry.revision
        do throws(VersionedJSON.Refusal) {
            stored.value = try Value(json: entry.value)
        } catch {
            stored.refusal = error
        }
        return stored
    }

    /// Stores the value if it was not written since `revision` was read; 0: there was none.
    package func store(
        _ key: String, _ value: [UInt8], after revision: UInt64
    ) throws(TapeError) -> KeyValueOutcome {
        try TapeError.ofJetStream { () throws(JetStreamError) in
            try put(key, value, after: revision)
        }
    }
}
