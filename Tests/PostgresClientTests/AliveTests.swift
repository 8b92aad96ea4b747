import PostgresClient
import TestSupport
import Testing

@Suite("A session that nobody uses")
struct AliveTests {
    @Test("its end is noticed without a statement, and a living one is left as it is")
    func ended() throws {
        let database = try TestDatabase("look_ended")
        let connection = try database.connect()
        for _ in 0..<3 { try connection.checkAlive() }
        #expect(try connection.execute("SELECT 1").scalar == "1")
        try database.psql("SELECT pg_terminate_backend(\(connection.backendProcessID))")
        var loss: PostgresError?
        #expect(
            eventually {
                loss = sessionFailure { try connection.checkAlive() }
                return loss != nil
            })
        #expect(loss?.category == .retryable)
        #expect(!connection.isUsable)
        let again = sessionFailure { try connection.checkAlive() }
        #expect(again?.caseName == "closed", "\(again as Any)")
    }

    @Test("a server that crashed is noticed, too")
    func crashed() throws {
        let server = try PostgresServer()
        let connection = try PostgresConnection(server.configuration())
        try connection.checkAlive()
        server.stopImmediately()
        #expect(eventually { sessionFailure { try connection.checkAlive() } != nil })
        #expect(!connection.isUsable)
    }
}
