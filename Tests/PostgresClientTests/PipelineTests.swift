import PostgresClient
import TestSupport
import Testing

@Suite("Pipelines")
struct PipelineTests {
    private func pipeline(_ statements: [String]) throws -> PostgresPipeline {
        var pipeline = PostgresPipeline()
        for statement in statements { try pipeline.append(statement) }
        return pipeline
    }

    private func integers(_ outcomes: [PipelineOutcome]) -> [Int64?] {
        outcomes.map { outcome in
            guard case .rows(let rows) = outcome, rows.rowCount > 0, !rows.columns.isEmpty else {
                return nil
            }
            return rows.integer(0, 0)
        }
    }

    @Test("each statement has its rows, in order")
    func rows() throws {
        let connection = try TestDatabase("pipeline_rows").connect()
        var pipeline = PostgresPipeline()
        try pipeline.append("CREATE TEMP TABLE t (a int8)")
        try pipeline.append("INSERT INTO t SELECT generate_series(1, $1)", [.integer(5)])
        try pipeline.append("SELECT count(*) FROM t WHERE a > $1", [.integer(2)])
        try pipeline.append("SELECT a FROM t ORDER BY a")
        try pipeline.append("")
        let outcomes = try connection.run(pipeline)
        #expect(integers(outcomes) == [nil, nil, 3, 1, nil])
        guard case .rows(let inserted) = outcomes[1], case .rows(let all) = outcomes[3] else {
            Issue.record("\(outcomes)")
            return
        }
        #expect(inserted.affectedRows == 5 && all.rowCount == 5 && all.integer(4, 0) == 5)
        #expect(try connection.run(PostgresPipeline()).isEmpty)
        #expect(!connection.isInTransaction)
        #expect(try connection.execute("SELECT 1").scalar == "1")
    }

    @Test("behind an error everything is aborted, and what stood in front of it is undone")
    func aborted() throws {
        let database = try TestDatabase("pipeline_aborted")
        let connection = try database.connect(toTable: "a int")
        let outcomes = try connection.run(
            pipeline([
                "INSERT INTO t VALUES (1)", "SELECT 1 / 0", "INSERT INTO t VALUES (2)", "SELECT 3",
            ]))
        guard case .rows = outcomes[0], case .failed(let error) = outcomes[1] else {
            Issue.record("\(outcomes)")
            return
        }
        #expect(error.sqlState?.rawValue == "22012")
        #expect(outcomes[2...] == [.aborted, .aborted])
        #expect(connection.isUsable && !connection.isInTransaction)
        #expect(try database.psql("SELECT count(*) FROM t") == "0")
        // The session continues with the next command.
        let next = try connection.run(pipeline(["SELECT 5"]))
        #expect(integers(next) == [5])
    }

    @Test("inside a transaction an error leaves it failed, and it is rolled back by its owner")
    func transaction() throws {
        let database = try TestDatabase("pipeline_transaction")
        let connection = try database.connect()
        try connection.script("BEGIN")
        _ = try connection.run(pipeline(["SELECT 1", "SELECT 1 / 0"]))
        #expect(connection.isInTransaction)
        try connection.script("ROLLBACK")
        let outcomes = try connection.run(pipeline(["BEGIN", "CREATE TABLE t (a int)", "COMMIT"]))
        #expect(outcomes.count == 3 && !connection.isInTransaction)
        #expect(try database.psql("SELECT count(*) FROM t") == "0")
    }

    @Test("COPY is refused, by its name or by its nature", arguments: [0, 1])
    func copy(which: Int) throws {
        let connection = try TestDatabase("pipeline_copy_\(which)").connect(toTable: "a int")
        let error = sessionFailure {
            var pipeline = PostgresPipeline()
            try pipeline.append("SELECT 1")
            try pipeline.append([" copy t FROM STDIN", "/* not seen */ COPY t FROM STDIN"][which])
            _ = try connection.run(pipeline)
        }
        #expect(error != nil)
        #expect(error.text.contains("COPY"), "\(String(describing: error))")
        #expect(connection.isUsable == (which == 0))
    }

    @Test("full at its bounds, and refused there")
    func bounds() throws {
        var many = PostgresPipeline()
        for _ in 0..<PostgresLimits.pipelineStatementsMax { try many.append("SELECT 1") }
        var large = PostgresPipeline()
        let value = [UInt8](repeating: 1, count: PostgresLimits.pipelineBytesMax / 2)
        try large.append("SELECT $1::bytea", [.bytes(value)])
        for error in [
            sessionFailure { try many.append("SELECT 1") },
            sessionFailure { try large.append("SELECT $1::bytea", [.bytes(value)]) },
        ] {
            #expect(error?.caseName == "invalidValue" && error.text.contains("full"))
        }
        #expect(many.count == PostgresLimits.pipelineStatementsMax && large.count == 1)
        let connection = try TestDatabase("pipeline_bounds").connect()
        let outcomes = try connection.run(many)
        #expect(integers(outcomes).allSatisfy { $0 == 1 } && outcomes.count == many.count)
    }

    @Test("more than all socket buffers hold, both ways at once, does not lock up")
    func flood() throws {
        let connection = try TestDatabase("pipeline_flood").connect()
        var pipeline = PostgresPipeline()
        let value = [UInt8](repeating: 7, count: 100_000)
        for _ in 0..<150 { try pipeline.append("SELECT $1::bytea", [.bytes(value)]) }
        let outcomes = try connection.run(pipeline)
        #expect(
            outcomes.allSatisfy { outcome in
                guard case .rows(let rows) = outcome else { return false }
                return rows.bytes(0, 0).map { Array($0) == value } ?? false
            })
    }

    @Test("an answer beyond the limit ends the session")
    func tooLarge() throws {
        let connection = try TestDatabase("pipeline_large").connect()
        let error = sessionFailure {
            var pipeline = PostgresPipeline()
            try pipeline.append("SELECT repeat('x', 1000000) FROM generate_series(1, 1000)")
            try pipeline.append("SELECT 1")
            _ = try connection.run(pipeline)
        }
        #expect(error?.caseName == "invalidValue", "\(error as Any)")
        #expect(!connection.isUsable)
    }

    @Test("a server that freezes in a pipeline runs into our deadline")
    func frozen() throws {
        let server = try PostgresServer()
        let connection = try PostgresConnection(server.configuration())
        server.pause()
        defer { server.resume() }
        let error = sessionFailure {
            var pipeline = PostgresPipeline()
            for _ in 0..<100 { try pipeline.append("SELECT 1") }
            _ = try connection.run(pipeline, timeout: .milliseconds(200))
        }
        #expect(error?.deadline == .milliseconds(200) && !connection.isUsable)
    }

    @Test("half of a pipeline is answered, then nothing: the session is closed, not reused")
    func halfRead() throws {
        let connection = try TestDatabase("pipeline_half").connect()
        let error = sessionFailure {
            var pipeline = PostgresPipeline()
            for _ in 0..<50 { try pipeline.append("SELECT 1") }
            try pipeline.append("SELECT pg_sleep(30)")
            try pipeline.append("SELECT 1")
            _ = try connection.run(pipeline, timeout: .milliseconds(300))
        }
        #expect(error?.caseName == "timeout", "\(error as Any)")
        #expect(!connection.isUsable)
        let closed = sessionFailure { _ = try connection.execute("SELECT 1") }
        #expect(closed?.caseName == "closed", "\(closed as Any)")
    }

    @Test("a session that is terminated in a pipeline is retryable and over")
    func terminated() throws {
        let connection = try TestDatabase("pipeline_terminated").connect()
        let error = sessionFailure {
            var pipeline = PostgresPipeline()
            try pipeline.append("SELECT 1")
            try pipeline.append("SELECT pg_terminate_backend(pg_backend_pid())")
            for _ in 0..<20 { try pipeline.append("SELECT 2") }
            _ = try connection.run(pipeline)
        }
        #expect(error?.isRetryable == true, "\(String(describing: error))")
        #expect(!connection.isUsable)
    }
}
