extension PostgresConnection {
    /// Connects to the server of the list that was promoted last: of those that accept writes, the
    /// one with the highest timeline. It is for callers that do not know which server the writers
    /// use. Each server may take an equal share of the time that is left, as in `init`. Throws when
    /// two of them are no copies of each other.
    package static func newest(
        of configuration: PostgresConfiguration, timeout: Duration,
        onWait: @escaping () -> Void = {}
    ) throws(PostgresError) -> PostgresConnection {
        guard configuration.hosts.count > 1 else {
            return try PostgresConnection(configuration, timeout: timeout, onWait: onWait)
        }
        let deadline = Deadline(after: timeout)
        var failures: [PostgresError] = []
        var best: (connection: PostgresConnection, identity: ServerIdentity?)?
        for (index, host) in configuration.hosts.enumerated() {
            let share = deadline.share(among: configuration.hosts.count - index).allowed
            do throws(PostgresError) {
                let found = try PostgresConnection(
                    configuration.on(host), timeout: share, onWait: onWait)
                let identity = try found.identity(timeout: share)
                guard let known = best else {
                    best = (found, identity)
                    continue
                }
                if let old = known.identity, let new = identity, old.system != new.system {
                    throw .refused(
                        peer: found.peer,
                        reason: "it is no copy of \(known.connection.peer), which accepts writes, "
                            + "too: take one of them off POSTGRES_HOST")
                }
                if (identity?.timeline ?? 0) > (known.identity?.timeline ?? 0) {
                    known.connection.close()
                    best = (found, identity)
                } else {
                    found.close()
                }
            } catch {
                if case .refused = error { throw error }
                failures.append(error)
            }
        }
        guard let best else { throw .noServer(peer: configuration.peer, failures) }
        return best.connection
    }
}
