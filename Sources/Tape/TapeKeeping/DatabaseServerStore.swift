package import NatsTransport
internal import Primitives
package import TapeTransport

/// Where the namespace's `DatabaseServer` is stored. Every call blocks. It is written by
/// compare-and-set, because several writers may see a promotion at the same time.
package struct DatabaseServerStore: Sendable {
    package static let key = "writer.database"
    private static let callTimeout = Duration.seconds(1)

    /// What is stored.
    package struct Stored: Equatable, Sendable {
        /// `nil` when no server was ever noted.
        package var server: DatabaseServer?
        /// The bucket's number of its last write, which the next write has to expect; 0: none.
        package var revision: UInt64 = 0

        package init(server: DatabaseServer? = nil, revision: UInt64 = 0) {
            self.server = server
            self.revision = revision
        }
    }

    private let bucket: KeyValueBucket

    /// Opens the bucket. On a server without users it is made if it is missing.
    package init(_ client: TapeClient) throws(TapeError) {
        bucket = try client.jetStream.within(Self.callTimeout)
            .openOrMakeBucket(GroupRegistry.configuration(client.names))
    }

    /// Throws when what is stored cannot be read: then no server may be trusted.
    package func read() throws(TapeError) -> Stored {
        guard let entry = try bucket.entry(Self.key) else { return Stored() }
        do throws(VersionedJSON.Refusal) {
            return Stored(server: try DatabaseServer(json: entry.value), revision: entry.revision)
        } catch {
            throw .jetStream(.malformed(operation: "read \(Self.key)", detail: "\(error)"))
        }
    }

    /// Stores the server if nobody has written since `before` was read.
    package func write(
        _ server: DatabaseServer, after before: Stored
    ) throws(TapeError) -> KeyValueOutcome {
        try bucket.store(Self.key, server.json, after: before.revision)
    }
}
