package import MarketModel
package import NatsTransport
package import Primitives
internal import TapeProtocol

/// A value of one source in the bucket of sources, which several people or processes change.
package protocol SourceValue: Equatable, Sendable {
    /// The value's key.
    static func key(of source: SourceName) -> String

    init()
    init(json bytes: [UInt8]) throws(VersionedJSON.Refusal)
    var json: [UInt8] { get }
}

/// How long one call may take.
let sourceCallTimeout = Duration.seconds(1)

/// Where such a value is stored. Every call blocks. It is written by compare-and-set.
package struct SourceValueStore<Value: SourceValue>: Sendable {
    /// What is stored.
    package struct Stored: Equatable, Sendable {
        /// Empty when nothing is stored, or when `refusal` says why it cannot be read.
        package var value = Value()
        /// The bucket's number of its last write, which the next write has to expect; 0: none.
        package var revision: UInt64 = 0
        package var refusal: VersionedJSON.Refusal?

        package init() {}
    }

    let bucket: KeyValueBucket
    package let source: SourceName

    package var key: String { Value.key(of: source) }

    /// Opens the bucket. On a server without users it is made if it is missing.
    package init(_ client: TapeClient, _ source: SourceName) throws(TapeError) {
        bucket = try client.jetStream.within(sourceCallTimeout)
            .openOrMakeBucket(client.names.sourceBucketConfiguration)
        self.source = source
    }

    package func read() throws(TapeError) -> Stored {
        var stored = Stored()
        guard let entry = try bucket.entry(key) else { return stored }
        stored.revision = entry.revision
        do throws(VersionedJSON.Refusal) {
            stored.value = try Value(json: entry.value)
        } catch {
            stored.refusal = error
        }
        return stored
    }

    /// Stores the value if nobody has written one since `before` was read.
    package func write(
        _ value: Value, after before: Stored
    ) throws(TapeError) -> KeyValueOutcome {
        try bucket.store(key, value.json, after: before.revision)
    }
}
