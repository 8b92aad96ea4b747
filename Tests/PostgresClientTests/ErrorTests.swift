import Testing

@testable import PostgresClient

@Suite("Errors")
struct ErrorTests {
    @Test(
        "an SQLSTATE decides what is done",
        arguments: [
            ("08006", .retryable), ("08P01", .retryable), ("0A000", .schema), ("21000", .data),
            ("22003", .data), ("22021", .data), ("22P03", .schema), ("22P04", .schema),
            ("22P05", .data), ("23502", .data), ("23505", .data),
            ("25006", .retryable), ("25P02", .fatal), ("25P03", .retryable), ("26000", .retryable),
            ("28000", .authentication), ("28P01", .authentication), ("3D000", .schema),
            ("3F000", .schema), ("40001", .retryable), ("40P01", .retryable), ("42501", .schema),
            ("42703", .schema), ("42883", .schema), ("42P01", .schema), ("44000", .data),
            ("53100", .retryable), ("53300", .retryable), ("54000", .data), ("55P03", .retryable),
            ("57014", .retryable), ("57P01", .retryable), ("57P03", .retryable), ("57P04", .schema),
            ("58030", .retryable), ("P0001", .data), ("P0004", .fatal), ("TL001", .fenced),
            ("TL002", .retryable), ("TL003", .retryable), ("TL010", .data), ("XX000", .fatal),
            ("XX001", .fatal),
            ("ZZZZZ", .fatal),
            ("", .fatal),
        ] as [(String, PostgresErrorCategory)])
    func categories(code: String, category: PostgresErrorCategory) {
        let error = ServerError(sqlState: SQLState(rawValue: code), message: "m")
        #expect(error.category == category)
        let wrapped = PostgresError.server(operation: "o", peer: "p", error)
        #expect(wrapped.category == category)
        #expect(wrapped.isRetryable == (category == .retryable))
        #expect("\(wrapped)".contains(code))
    }

    @Test("a check violation without a constraint's name is a missing partition")
    func checkViolation() {
        var error = ServerError(sqlState: .checkViolation, message: "m")
        #expect(error.category == .data)
        error.table = "bars"
        #expect(error.category == .missingPartition)
        error.constraint = "bars_check"
        #expect(error.category == .data)
    }

    @Test("every description is one line that names the peer or the operation, and what to do")
    func descriptions() {
        var server = ServerError(sqlState: .queryCanceled, message: "canceling\nstatement")
        server.detail = String(repeating: "long\n\tdetail ", count: 100)
        server.constraint = "c"
        let errors: [PostgresError] = [
            .connect(peer: "p", reason: "refused\n\tIs it up?\n"),
            .tlsFailed(peer: "p", reason: "no\n\tcertificate\n"),
            .connectionLost(operation: "o", peer: "p", reason: "a\nb"),
            .timeout(operation: "o", peer: "p", after: .seconds(2)),
            .server(operation: "o", peer: "p", server),
            .invalidValue(operation: "o", reason: "r"),
            .unexpected(operation: "o", peer: "p", reason: "r"),
            .closed(operation: "o", peer: "p"),
        ]
        for error in errors {
            let text = "\(error)"
            #expect(!text.contains("\n") && !text.contains("\t"))
            #expect(text.contains("p") || text.hasPrefix("o"))
            #expect(text.count < 600)
        }
        for category in PostgresErrorCategory.allCases {
            #expect(!category.rawValue.isEmpty)
        }
    }

    @Test("what a server says in a failed start-up is read out of libpq's text")
    func startupMessages() {
        let text = """
            connection to server at "localhost" (::1), port 5432 failed: Connection refused
            \tIs the server running on that host and accepting TCP/IP connections?
            connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL:  28P01: \
            password authentication failed for user "x"
            LOCATION:  auth_failed, auth.c:326
            """
        let error = ServerError(startupMessage: text)
        #expect(error?.sqlState.rawValue == "28P01")
        #expect(error?.message == "password authentication failed for user \"x\"")
        // The severity's text depends on the server's language, but its form does not.
        #expect(ServerError(startupMessage: "ВАЖНО:  53300: слишком")?.sqlState.rawValue == "53300")
        for silent in [
            "", "short", "Connection refused", ":  2800: x", ":  28p01: text of it",
            "a:  28P01:text without blank", "a: 28P01: one blank only",
        ] {
            #expect(ServerError(startupMessage: silent) == nil)
        }
    }

    @Test(
        "a statement is named by its leading words",
        arguments: [
            ("COPY trades FROM STDIN", "COPY trades FROM"), ("SELECT 'x'", "SELECT"),
            ("", "statement"),
            ("  \n", "statement"), ("BEGIN", "BEGIN"), ("SELECT advance_positions($1)", "SELECT"),
            ("'secret'", "statement"),
            (String(repeating: "x", count: 99), String(repeating: "x", count: 60)),
        ])
    func names(sql: String, name: String) {
        #expect(operationName(sql) == name)
    }

    @Test("a deadline is held between nothing and a year, and rounds a wait up")
    func deadlines() {
        #expect(Deadline(after: .seconds(-1)).allowed == .zero)
        #expect(Deadline(after: .seconds(-1)).millisecondsLeft == nil)
        #expect(Deadline(after: .seconds(Int64.max)).allowed == Deadline.longest)
        #expect(Deadline(after: .seconds(Int64.max)).millisecondsLeft == Int32.max)
        let left = Deadline(after: .seconds(3_600)).millisecondsLeft
        #expect(left.map { $0 > 0 && $0 <= 3_600_000 } == true)
    }
}
