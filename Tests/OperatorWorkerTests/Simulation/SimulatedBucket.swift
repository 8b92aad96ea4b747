import NatsTransport
import Primitives

@testable import OperatorWorker

/// The bucket's server: keys with revisions, and delayed writes.
final class BucketServer {
    private struct Value {
        /// `nil` for a deletion marker.
        var bytes: [UInt8]?
        var revision: UInt64
    }

    private struct Write {
        let key: String
        let value: [UInt8]?
        let expected: UInt64
    }

    private var values: [String: Value] = [:]
    private var revision: UInt64 = 0
    private var underWay: [Write] = []
    /// Called with what is stored under a key.
    var onWrite: (String, [UInt8]) -> Void = { _, _ in }

    func value(_ key: String) -> CheckpointRecord? {
        guard let value = values[key], let bytes = value.bytes else { return nil }
        return CheckpointRecord(value: bytes, revision: value.revision)
    }

    var keys: [String] { values.keys.sorted() }

    /// Writes as JetStream does: `create` also replaces a deletion marker.
    func write(_ key: String, _ value: [UInt8]?, expected: UInt64) -> KeyValueOutcome {
        let present = values[key]
        let isFree = expected == 0 && present?.bytes == nil
        guard isFree || present?.revision == expected else {
            return .conflict(present: present?.revision ?? 0)
        }
        revision += 1
        values[key] = Value(bytes: value, revision: revision)
        if let value { onWrite(key, value) }
        return .stored(revision: revision)
    }

    func delay(_ key: String, _ value: [UInt8]?, expected: UInt64) {
        underWay.append(Write(key: key, value: value, expected: expected))
    }

    /// One of the delayed writes arrives, or is dropped.
    func settle(using random: inout SeededRandom) {
        guard let index = underWay.indices.randomElement(using: &random) else { return }
        let late = underWay.remove(at: index)
        if Bool.random(using: &random) {
            _ = write(late.key, late.value, expected: late.expected)
        }
    }

    /// Changes a part's bytes on the disk.
    func damage(using random: inout SeededRandom) {
        let parts = values.keys.filter { !$0.hasSuffix("head") && !$0.hasSuffix("rebuild") }
        guard let key = parts.sorted().randomElement(using: &random),
            var bytes = values[key]?.bytes, let index = bytes.indices.randomElement(using: &random)
        else { return }
        bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        values[key]?.bytes = Bool.random(using: &random) ? bytes : Array(bytes.dropLast())
    }

    func lose() {
        values = [:]
        underWay = []
    }
}

/// One process's connection to the bucket.
final class SimulatedBucket: CheckpointBucket {
    struct Faults {
        /// How many of 1,000 calls fail.
        var fails = 0
        var unknown = 0
    }

    let server: BucketServer
    var faults: Faults
    /// The number of calls after which the process dies. `nil` if it does not.
    var callsLeft: Int?
    private var random: SeededRandom

    init(_ server: BucketServer, _ faults: Faults, seed: UInt64) {
        self.server = server
        self.faults = faults
        random = SeededRandom(seed: seed)
    }

    private func call() throws(JetStreamError) {
        if let left = callsLeft {
            guard left > 0 else { throw .unavailable(operation: "call", peer: "dead") }
            callsLeft = left - 1
        }
        if Int.random(in: 0..<1_000, using: &random) < faults.fails {
            throw .unavailable(operation: "call", peer: "simulation")
        }
    }

    func read(_ key: String) throws(JetStreamError) -> CheckpointRecord? {
        try call()
        return server.value(key)
    }

    func read(all keys: [String]) throws(JetStreamError) -> [CheckpointRecord?] {
        var records: [CheckpointRecord?] = []
        for key in keys { records.append(try read(key)) }
        return records
    }

    func keys(_ pattern: String) throws(JetStreamError) -> [String] {
        try call()
        let prefix = pattern.dropLast()
        return server.keys.filter { $0.hasPrefix(prefix) }
    }

    func write(
        _ key: String, _ value: [UInt8], expected: UInt64
    ) throws(JetStreamError) -> KeyValueOutcome {
        try change(key, value, expected)
    }

    func remove(_ key: String, expected: UInt64) throws(JetStreamError) -> KeyValueOutcome {
        try change(key, nil, expected)
    }

    private func change(
        _ key: String, _ value: [UInt8]?, _ expected: UInt64
    ) throws(JetStreamError) -> KeyValueOutcome {
        try call()
        guard Int.random(in: 0..<1_000, using: &random) < faults.unknown else {
            return server.write(key, value, expected: expected)
        }
        switch Int.random(in: 0..<3, using: &random) {
        case 0: _ = server.write(key, value, expected: expected)
        case 1: server.delay(key, value, expected: expected)
        default: break
        }
        return .unknown("no answer came")
    }
}
