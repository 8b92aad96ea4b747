import NatsTransport

/// The records of a store in NATS, which change by compare-and-set. Tests have others of these.
protocol FilledRecords {
    /// Returns a value and the number of its last write; `nil`: there is none.
    func get(_ key: String) throws -> (value: [UInt8], revision: UInt64)?
    /// Stores a value if the last write is `revision`; 0: if there is none. Returns the number of
    /// this write; `nil` when the last write is another one.
    func put(_ key: String, _ value: [UInt8], after revision: UInt64) throws -> UInt64?
    func delete(_ key: String, expected revision: UInt64) throws
}

/// The bucket of groups.
struct BucketRecords: FilledRecords {
    let bucket: KeyValueBucket

    func get(_ key: String) throws -> (value: [UInt8], revision: UInt64)? {
        try bucket.get(key).map { ($0.value, $0.revision) }
    }

    func put(_ key: String, _ value: [UInt8], after revision: UInt64) throws -> UInt64? {
        guard case .stored(let stored) = try bucket.put(key, value, after: revision) else {
            return nil
        }
        return stored
    }

    func delete(_ key: String, expected revision: UInt64) throws {
        _ = try bucket.delete(key, expected: revision)
    }
}
