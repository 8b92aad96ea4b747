// A pooler such as PgBouncer between us and the server. In session mode it is invisible, except
// that it may drop the settings of the start-up message. In transaction mode each transaction may
// run in another session of the server: temporary tables, locks and settings would be lost or
// another client's.
extension PostgresConnection {
    /// Finds out whether a pooler is in between. Throws when it does not keep sessions, else makes
    /// the settings again that it may have dropped.
    func settle(
        _ configuration: PostgresConfiguration, _ deadline: Deadline,
        onWait: @escaping () -> Void
    ) throws(PostgresError) {
        let own = try serverProcess(deadline)
        // A pooler makes up the number that the start-up message gives.
        guard own != Int64(session.backendProcessID) else { return }
        // While this session lasts, another one has another process. In transaction mode ours is
        // idle, and is given to the next client.
        let second = PostgresConnection(
            try Session(configuration, onWait: onWait, onNotice: { _ in }, deadline: deadline))
        defer { second.close() }
        let others = [try second.serverProcess(deadline), try serverProcess(deadline)]
        guard others[0] != own, others[1] == own else {
            throw .refused(
                peer: peer,
                reason: "a pooler in between does not keep sessions (PgBouncer: pool_mode "
                    + "transaction or statement): use pool_mode session, or the server itself")
        }
        let settings = configuration.runtimeSettings
        try execute(
            "SELECT set_config(name, value, false) FROM unnest($1, $2) AS given(name, value)",
            [.textArray(settings.map(\.name)), .textArray(settings.map(\.value))],
            timeout: deadline.allowed)
    }

    /// Returns the process of the server that runs our statements at this moment.
    private func serverProcess(_ deadline: Deadline) throws(PostgresError) -> Int64? {
        try execute("SELECT pg_backend_pid()", timeout: deadline.allowed).integer(0, 0)
    }
}
