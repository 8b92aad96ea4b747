internal import CPostgres

extension PostgresConnection {
    /// Whether the server has ended the session while nobody used it: restarted, restored, or on
    /// somebody's order. Never waits. Only between operations.
    ///
    /// Who writes rarely would otherwise learn of it with the next row only. A server that is gone
    /// without a word is not noticed here, but by keepalives.
    public func look() throws(PostgresError) {
        try session.look("look at the session")
    }
}

extension Session {
    fileprivate func look(_ operation: String) throws(PostgresError) {
        let open = unsafe try require(operation)
        // The server's last words come with the first read, the end of the stream with the next.
        for _ in 0..<2 {
            guard unsafe PQconsumeInput(open) == 1, isOpen else { throw lost(operation) }
        }
    }
}
