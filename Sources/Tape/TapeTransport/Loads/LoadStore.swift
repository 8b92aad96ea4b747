package import MarketModel
package import NatsTransport
internal import TapeProtocol

/// What was loaded into one source, in the bucket of sources. Every call blocks. It is written by
/// compare-and-set, because two people may load the same source.
package struct LoadStore: Sendable {
    private static let callTimeout = Duration.seconds(1)

    package typealias Stored = StoredValue<SourceLoads>

    private let bucket: KeyValueBucket
    package let source: SourceName

    package var key: String { "load.\(source).ranges" }

    /// Opens the bucket. On a server without users it is made if it is missing.
    package init(_ client: TapeClient, _ source: SourceName) throws(TapeError) {
        bucket = try client.jetStream.within(Self.callTimeout)
            .openOrMakeBucket(client.names.sourceBucketConfiguration)
        self.source = source
    }

    package func read() throws(TapeError) -> Stored { try bucket.stored(key) }

    /// Stores the ranges if nobody has written them since `before` was read.
    package func write(
        _ loads: SourceLoads, after before: Stored
    ) throws(TapeError) -> KeyValueOutcome {
        try bucket.store(key, loads.json, after: before.revision)
    }
}
