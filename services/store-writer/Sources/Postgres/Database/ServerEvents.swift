import ServiceRuntime
import TapeKeeping

extension ServiceEvent {
    /// A server is the database's now: the first one, or one that was promoted.
    /// `before`: the one before; `nil` when it is the first.
    static func serverPromoted(server: DatabaseServer, before: DatabaseServer?) -> Self {
        Self(
            before == nil ? .info : .warning, "writer.server.promoted",
            before == nil
                ? "this server has the database from now on"
                : "this server was promoted: writers leave the one before, on a lower timeline",
            ("server", .text(server.peer)), ("timeline", .unsigned(UInt64(server.timeline))),
            ("system", .unsigned(server.system)),
            ("before", .unsigned(UInt64(before?.timeline ?? 0)))
        ) {
            guard before != nil else { return }
            $0.counter(
                "mds_writer_promotions_total",
                "a promotion of the database's server that this writer was the first to see",
                "often: look at the servers"
            ).add()
        }
    }

    /// A server accepts writes and is not used, because another one has the database.
    static func serverRefused(peer: String, reason: String) -> Self {
        Self(.error, "writer.server.refused", "PostgreSQL at \(peer) is not used: \(reason)")
            .counting(
                "mds_writer_servers_refused_total",
                "a server that was refused, counted when one begins to be or its reason changes",
                "rises: [DatabaseServerRefused](runbooks/DatabaseServerRefused.md)")
    }

    /// The server does not say what it is.
    static func serverUnknown(peer: String) -> Self {
        Self(
            .warning, "writer.server.unknown",
            "PostgreSQL at \(peer) does not let this user call pg_control_system() and "
                + "pg_walfile_name(), so an earlier primary cannot be told from the present one: "
                + "grant EXECUTE on them")
    }
}
