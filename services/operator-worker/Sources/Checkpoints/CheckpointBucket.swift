import MarketModel
import NatsTransport
import TapeTransport

/// The storage of checkpoints: keys with a value and the revision of its last write. It is a bucket
/// of NATS, or one of a simulation.
protocol CheckpointBucket {
    /// Returns a key's value; `nil` when it has none.
    func read(_ key: String) throws(JetStreamError) -> CheckpointRecord?
    /// Returns what `read` returns for each of the keys, in their order.
    func read(all keys: [String]) throws(JetStreamError) -> [CheckpointRecord?]
    /// Returns all keys that match a pattern, including those whose value was removed.
    func keys(_ pattern: String) throws(JetStreamError) -> [String]
    /// Writes a key. `write` and `remove` succeed only if the revision of the key's last write is
    /// `expected`; 0 means that the key has no value.
    func write(
        _ key: String, _ value: [UInt8], expected: UInt64
    ) throws(JetStreamError) -> KeyValueOutcome
    func remove(_ key: String, expected: UInt64) throws(JetStreamError) -> KeyValueOutcome
}

/// A key's value, and the revision of its last write.
struct CheckpointRecord: Hashable, Sendable {
    var value: [UInt8]
    var revision: UInt64
}

extension KeyValueBucket: CheckpointBucket {
    func read(_ key: String) throws(JetStreamError) -> CheckpointRecord? {
        try get(key).map { CheckpointRecord($0) }
    }

    func read(all keys: [String]) throws(JetStreamError) -> [CheckpointRecord?] {
        try get(all: keys).map { entry in entry.map { CheckpointRecord($0) } }
    }

    func keys(_ pattern: String) throws(JetStreamError) -> [String] {
        try keys(matching: pattern).keys
    }

    func write(
        _ key: String, _ value: [UInt8], expected: UInt64
    ) throws(JetStreamError) -> KeyValueOutcome {
        expected == 0 ? try create(key, value) : try put(key, value, expected: expected)
    }

    func remove(_ key: String, expected: UInt64) throws(JetStreamError) -> KeyValueOutcome {
        try delete(key, expected: expected)
    }
}

extension CheckpointRecord {
    fileprivate init(_ entry: KeyValueEntry) {
        self.init(value: entry.value, revision: entry.revision)
    }
}

/// The keys of one partition. The same keys are used again for each checkpoint, because a bucket
/// keeps an entry for each removed key.
struct CheckpointKeys {
    let partition: Int

    /// The list of the valid checkpoints.
    var head: String { "operator.\(partition).head" }
    /// Present when a person has requested a rebuild of the partition's bars.
    var request: String { RebuildRequest.key(Partition(partition)) }

    /// Returns the key of one part of a checkpoint. A *slot* is one of three sets of keys.
    func part(_ index: Int, slot: Int) -> String { "operator.\(partition).\(slot).\(index)" }

    /// Returns the pattern of all parts in a slot.
    func parts(slot: Int) -> String { "operator.\(partition).\(slot).*" }

    /// The pattern of the rebuild requests for all partitions.
    static let requests = "operator.*.rebuild"

    /// Returns the partition's number in the key of a rebuild request; `nil` for other keys.
    static func partition(ofRequest key: String) -> Int? {
        let tokens = key.split(separator: ".")
        guard tokens.count == 3, tokens[0] == "operator", tokens[2] == "rebuild" else {
            return nil
        }
        return Int(tokens[1])
    }
}
