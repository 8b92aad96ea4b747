/// Which server a session is with, and which of its histories.
///
/// A primary and all its standbys have one system identifier. Each promotion begins a new timeline,
/// with a higher number. So of two servers with the same identifier that both accept writes, the
/// one with the lower timeline was replaced.
package struct ServerIdentity: Hashable, Sendable, CustomStringConvertible {
    package var system: UInt64
    package var timeline: UInt32

    package init(system: UInt64, timeline: UInt32) {
        self.system = system
        self.timeline = timeline
    }

    package var description: String { "system \(system), timeline \(timeline)" }
}

extension PostgresConnection {
    /// Returns the identity of the server, which has to accept writes; `nil` when its functions may
    /// not be called, as some hosted databases have it.
    ///
    /// The timeline is that of the WAL that is being written. The control file has the new one only
    /// after the first checkpoint that follows a promotion.
    package func identity(timeout: Duration) throws(PostgresError) -> ServerIdentity? {
        let row: PostgresResult
        do throws(PostgresError) {
            row = try execute(
                """
                SELECT system_identifier, ('x' || left(pg_walfile_name(
                    pg_current_wal_insert_lsn()), 8))::bit(32)::bigint
                FROM pg_control_system()
                """, timeout: timeout)
        } catch {
            guard [.insufficientPrivilege, SQLState(rawValue: "42883")].contains(error.sqlState)
            else { throw error }
            return nil
        }
        guard row.rowCount == 1, let system = row.integer(0, 0), let timeline = row.integer(0, 1)
        else {
            throw .unexpected(
                operation: "read the server's identity", peer: peer, reason: "no numbers")
        }
        return ServerIdentity(
            system: UInt64(bitPattern: system), timeline: UInt32(truncatingIfNeeded: timeline))
    }
}
