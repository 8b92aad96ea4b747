import ServiceRuntime
import TapeKeeping

/// A server is the database's now: the first one, or one that was promoted.
struct ServerPromoted: TelemetryEvent {
    static let name = "writer.server.promoted"
    let server: DatabaseServer
    /// The one before; `nil` when it is the first.
    let before: DatabaseServer?

    var level: LogLevel { before == nil ? .info : .warning }
    var message: String {
        before == nil
            ? "this server has the database from now on"
            : "this server was promoted: writers leave the one before, on a lower timeline"
    }
    var fields: [(String, LogValue)] {
        [
            ("server", .text(server.peer)), ("timeline", .unsigned(UInt64(server.timeline))),
            ("system", .unsigned(server.system)),
            ("before", .unsigned(UInt64(before?.timeline ?? 0))),
        ]
    }

    func count(in metrics: MetricRegistry) {
        guard before != nil else { return }
        metrics.counter(
            "mds_writer_promotions_total",
            "a promotion of the database's server that this writer was the first to see",
            "often: look at the servers"
        ).add()
    }
}

/// A server accepts writes and is not used, because another one has the database.
struct ServerRefused: TelemetryEvent {
    static let name = "writer.server.refused"
    let peer: String
    let reason: String

    var level: LogLevel { .error }
    var message: String { "PostgreSQL at \(peer) is not used: \(reason)" }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_writer_servers_refused_total",
            "a server that was refused, counted when one begins to be or its reason changes",
            "rises: [DatabaseServerRefused](runbooks/DatabaseServerRefused.md)"
        ).add()
    }
}

/// The server does not say what it is.
struct ServerUnknown: TelemetryEvent {
    static let name = "writer.server.unknown"
    let peer: String

    var level: LogLevel { .warning }
    var message: String {
        "PostgreSQL at \(peer) does not let this user call pg_control_system() and "
            + "pg_walfile_name(), so an earlier primary cannot be told from the present one: grant "
            + "EXECUTE on them"
    }
}
