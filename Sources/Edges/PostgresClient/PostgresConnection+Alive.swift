internal import CPostgres

extension PostgresConnection {
    /// Throws when the server has ended the idle session: it was restarted, restored from a backup,
    /// or an administrator ended it. Never waits. Call it only between operations.
    ///
    /// Without it, a client that rarely writes would notice this only with its next row. A server
    /// that vanished without closing the connection is noticed by TCP keepalives, not by this call.
    package func checkAlive() throws(PostgresError) {
        try session.checkAlive("look at the session")
    }
}

extension Session {
    fileprivate func checkAlive(_ operation: String) throws(PostgresError) {
        let open = unsafe try require(operation)
        // The first read brings the server's last message, the next one the end of the stream.
        for _ in 0..<2 {
            guard unsafe PQconsumeInput(open) == 1, isOpen else { throw lost(operation) }
        }
    }
}
