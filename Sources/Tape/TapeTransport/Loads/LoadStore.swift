package import MarketModel
package import NatsTransport
package import Primitives
internal import TapeProtocol

/// What was loaded into one source, in the bucket of sources. Every call blocks. It is written by
/// compare-and-set, because two people may load the same source.
package struct LoadStore: Sendable {
    private static let callTimeout = Duration.seconds(1)

    /// What is stored of a source.
    package struct Stored: Equatable, Sendable {
        /// Empty when nothing is stored, or when `refusal` says why it cannot be read.
        package var loads = SourceLoads()
        /// The bucket's number of its last write, which the next write has to expect; 0: none.
        package var revision: UInt64 = 0
        package var refusal: VersionedJSON.Refusal?

        package init() {}
    }

    private let bucket: KeyValueBucket
    package let source: SourceName

    package var key: String { "load.\(source).ranges" }

    /// Opens the bucket. On a server without users it is made if it is missing.
    package init(_ client: TapeClient, _ source: SourceName) throws(TapeError) {
        bucket = try client.jetStream.within(Self.callTimeout)
            .openOrMakeBucket(client.names.sourceBucketConfiguration)
        self.source = source
    }

    package func read() throws(TapeError) -> Stored {
        var stored = Stored()
        let found: KeyValueEntry?
        do throws(JetStreamError) {
            found = try bucket.get(key)
        } catch {
            throw .jetStream(error)
        }
        guard let entry = found else { return stored }
        stored.revision = entry.revision
        do throws(VersionedJSON.Refusal) {
            stored.loads = try SourceLoads(json: entry.value)
        } catch {
            stored.refusal = error
        }
        return stored
    }

    /// Stores the ranges if nobody has written them since `before` was read.
    package func write(
        _ loads: SourceLoads, after before: Stored
    ) throws(TapeError) -> KeyValueOutcome {
        do throws(JetStreamError) {
            // A deleted key has a marker, which `create` follows.
            return before.revision == 0
                ? try bucket.create(key, loads.json)
                : try bucket.put(key, loads.json, expected: before.revision)
        } catch {
            throw .jetStream(error)
        }
    }
}
