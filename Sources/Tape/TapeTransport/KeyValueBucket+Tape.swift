package import NatsTransport

/// Reads and writes whose errors are those of the tape.
extension KeyValueBucket {
    /// Returns `nil` when there is no value (any more).
    package func entry(_ key: String) throws(TapeError) -> KeyValueEntry? {
        try TapeError.ofJetStream { () throws(JetStreamError) in try get(key) }
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
