package import Membership
package import NatsTransport
internal import Primitives
package import TapeTransport

/// Where a store's `DatabaseServer` is stored. Every call blocks. It is written by
/// compare-and-set, because several writers may see a promotion at the same time.
package struct DatabaseServerStore: Sendable {
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
    private let key: String

    /// Returns the key in the bucket of groups.
    package static func key(of store: GroupName) -> String { "\(store).database" }

    /// Opens the bucket. On a server without users it is made if it is missing.
    package init(_ client: TapeClient, of store: GroupName) throws(TapeError) {
        key = Self.key(of: store)
        bucket = try client.jetStream.within(Self.callTimeout)
            .openOrMakeBucket(GroupRegistry.configuration(client.names))
    }

    /// Throws when what is stored cannot be read: then no server may be trusted.
    package func read() throws(TapeError) -> Stored {
        guard let entry = try bucket.entry(key) else { return Stored() }
        do throws(VersionedJSON.Refusal) {
            return Stored(server: try DatabaseServer(json: entry.value), revision: entry.revision)
        } catch {
            throw .jetStream(.malformed(operation: "read \(key)", detail: "\(error)"))
        }
    }

    /// Stores the server if nobody has written since `before` was read.
    package func write(
        _ server: DatabaseServer, after before: Stored
    ) throws(TapeError) -> KeyValueOutcome {
        try bucket.store(key, server.json, after: before.revision)
    }
}
