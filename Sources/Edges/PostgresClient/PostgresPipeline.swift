internal import CPostgres

/// Statements that are sent together and answered together by `run`: one round trip. They are one
/// transaction of their own, unless they contain a BEGIN or a transaction is open already.
package struct PostgresPipeline {
    private(set) var statements: [Statement] = []
    /// The approximate size of all statements.
    private var byteCount = 0

    package init() {}

    package var count: Int { statements.count }

    /// Appends a statement. Throws when the pipeline is full, or when a value cannot be sent.
    package mutating func append(
        _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(PostgresError) {
        let statement = try Statement(sql, parameters)
        let first = sql.drop { $0.isWhitespace || $0 == "(" }.prefix(4).uppercased()
        // COPY has a separate protocol, which the answers of other statements would interrupt.
        guard first != "COPY" else {
            throw .invalidValue(
                operation: statement.operation, reason: "COPY cannot stand in a pipeline")
        }
        guard statements.count < PostgresLimits.pipelineStatementsMax,
            byteCount + statement.byteCount <= PostgresLimits.pipelineBytesMax
        else {
            throw .invalidValue(
                operation: statement.operation,
                reason: "the pipeline is full at \(PostgresLimits.pipelineStatementsMax) "
                    + "statements or \(PostgresLimits.pipelineBytesMax) bytes: send it in parts")
        }
        statements.append(statement)
        byteCount += statement.byteCount
    }
}

/// The outcome of one statement of a pipeline.
package enum PipelineOutcome: Equatable, Sendable {
    case rows(PostgresRows)
    case failed(PostgresError)
    /// A previous statement failed, so this one did not run.
    case aborted
}

extension PostgresConnection {
    /// Runs all statements and returns their outcomes in order. When one fails, later ones are
    /// aborted, and earlier ones are undone with it unless a COMMIT of theirs came between. An
    /// error that ends the session is thrown.
    package func run(
        _ pipeline: PostgresPipeline, timeout: Duration
    ) throws(PostgresError) -> [PipelineOutcome] {
        guard pipeline.count > 0 else { return [] }
        let operation = "pipeline of \(pipeline.count)"
        let deadline = Deadline(after: timeout)
        guard unsafe PQenterPipelineMode(try session.require(operation)) == 1 else {
            throw session.lost(operation)
        }
        var reading = PipelineReading(operations: pipeline.statements.map(\.operation))
        try send(pipeline, operation, deadline, &reading)
        while !reading.isComplete { try read(&reading, operation, deadline) }
        guard unsafe PQexitPipelineMode(try session.require(operation)) == 1 else {
            throw session.lost(operation)
        }
        return reading.outcomes
    }

    /// Sends the statements. It reads answers meanwhile, so that neither side's buffers fill up.
    private func send(
        _ pipeline: PostgresPipeline, _ operation: String, _ deadline: Deadline,
        _ reading: inout PipelineReading
    ) throws(PostgresError) {
        var unflushed = 0
        for (sent, statement) in pipeline.statements.enumerated() {
            guard unsafe statement.send(on: try session.require(operation), isBinary: true) else {
                throw session.lost(operation)
            }
            unflushed += statement.byteCount
            guard unflushed >= PostgresLimits.copyFlushBytes else { continue }
            unflushed = 0
            try session.flush(operation, deadline)
            while reading.outcomes.count < sent, try session.hasResult(operation) {
                try read(&reading, operation, deadline)
            }
        }
        guard unsafe PQpipelineSync(try session.require(operation)) == 1 else {
            throw session.lost(operation)
        }
        try session.flush(operation, deadline)
    }

    /// Reads the next result, or the end of a statement's results, and notes it in `reading`.
    private func read(
        _ reading: inout PipelineReading, _ operation: String, _ deadline: Deadline
    ) throws(PostgresError) {
        if !reading.isInStatement { try session.askRowByRow(operation) }
        guard let result = try session.nextResult(operation, deadline) else {
            guard session.isOpen else { throw reading.failure ?? session.lost(operation) }
            reading.endStatement()
            return
        }
        switch result.status {
        case PGRES_PIPELINE_SYNC: reading.sync()
        case PGRES_PIPELINE_ABORTED: reading.abort()
        default:
            try take(result, reading.operation, into: &reading.rows, &reading.failure)
            reading.isInStatement = true
            // The server has ended the session, so nothing more comes.
            if !session.isOpen { throw reading.failure ?? session.lost(operation) }
        }
    }
}

/// The progress in reading a pipeline's answers.
struct PipelineReading {
    private let operations: [String]
    private(set) var outcomes: [PipelineOutcome] = []
    /// Whether the server has confirmed the end of the pipeline.
    private(set) var isSynchronised = false
    /// Whether a result of the present statement was read, and not yet the end of its results.
    var isInStatement = false
    /// The rows of the present statement so far.
    var rows = PostgresRows()
    /// The first error of the present statement.
    var failure: PostgresError?
    /// Whether the present statement did not run because an earlier one failed.
    private var isAborted = false

    init(operations: [String]) { self.operations = operations }

    var isComplete: Bool { isSynchronised }

    /// The first words of the present statement.
    var operation: String {
        outcomes.count < operations.count ? operations[outcomes.count] : "pipeline"
    }

    /// Notes that the present statement did not run.
    mutating func abort() {
        isAborted = true
        isInStatement = true
    }

    /// Ends a statement. libpq reports after each statement that it has no more results.
    mutating func endStatement() {
        guard isInStatement, outcomes.count < operations.count else { return }
        if let failure {
            outcomes.append(.failed(failure))
        } else {
            outcomes.append(isAborted ? .aborted : .rows(rows))
        }
        isInStatement = false
        isAborted = false
        failure = nil
        rows = PostgresRows()
    }

    mutating func sync() { isSynchronised = true }
}

extension Session {
    /// Makes large results come row by row, so that they are bounded while they arrive.
    func askRowByRow(_ operation: String) throws(PostgresError) {
        // libpq refuses this between two statements; the next call then comes at the right moment.
        _ = unsafe PQsetSingleRowMode(try require(operation))
    }

    /// Returns true when a result can be read without waiting.
    func hasResult(_ operation: String) throws(PostgresError) -> Bool {
        let open = unsafe try require(operation)
        guard unsafe PQconsumeInput(open) == 1 else { throw lost(operation) }
        return unsafe PQisBusy(open) == 0
    }
}
