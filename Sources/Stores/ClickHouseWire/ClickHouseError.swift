internal import HTTPClient

/// Why the server was not asked, did not answer, or refused. One line, without a password.
package struct ClickHouseError: Error, Sendable, CustomStringConvertible {
    /// Whose fault it is.
    package enum Fault: Sendable {
        /// The server, or the way to it: later it may go well.
        case away
        /// Tables, rights or settings: a person mends them.
        case schema
        /// A row of the block.
        case rows
        /// The block is too large for the server, or for its time.
        case tooLarge
    }

    package let fault: Fault
    /// The server's code; `nil`: it did not say why.
    package let code: Int?
    package let description: String

    package init(_ description: String, _ fault: Fault, code: Int? = nil) {
        self.description = description
        self.fault = fault
        self.code = code
    }

    /// No answer.
    init(_ error: HTTPError, _ operation: String) {
        self.init("\(operation): \(error)", .away)
    }

    /// What the server answered.
    init(_ response: HTTPResponse, _ operation: String, _ peer: String) {
        let code = response.headers[Self.codeHeader].flatMap { Int($0) }
        let text = String(decoding: response.body.prefix(Self.textBytesMax), as: UTF8.self)
            .split(whereSeparator: \.isNewline).joined(separator: " ")
        self.init(
            "\(operation) at \(peer): status \(response.status)"
                + (code.map { ", code \($0)" } ?? "") + (text.isEmpty ? "" : ": \(text)"),
            Self.fault(code, status: response.status), code: code)
    }

    static let codeHeader = "x-clickhouse-exception-code"
    /// So much of what the server says is shown.
    private static let textBytesMax = 600

    // ErrorCodes.cpp of the server.
    /// UNKNOWN_TABLE, UNKNOWN_DATABASE, NO_SUCH_COLUMN_IN_TABLE, UNKNOWN_IDENTIFIER, TYPE_MISMATCH,
    /// UNKNOWN_TYPE, UNKNOWN_SETTING, READONLY, AUTHENTICATION_FAILED, ACCESS_DENIED,
    /// SETTING_CONSTRAINT_VIOLATION, WRONG_PASSWORD, REQUIRED_PASSWORD, UNKNOWN_USER,
    /// NUMBER_OF_COLUMNS_DOESNT_MATCH, THERE_IS_NO_COLUMN, INCOMPATIBLE_COLUMNS, SYNTAX_ERROR,
    /// NOT_FOUND_COLUMN_IN_BLOCK, UNKNOWN_FUNCTION.
    private static let ofSchema: Set<Int> = [
        60, 81, 16, 47, 53, 50, 115, 164, 516, 497, 452, 193, 194, 192, 7, 8, 122, 62, 10, 46,
    ]
    /// VIOLATED_CONSTRAINT, CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN, INCORRECT_DATA,
    /// ARGUMENT_OUT_OF_BOUND, DECIMAL_OVERFLOW, FUNCTION_THROW_IF_VALUE_IS_NON_ZERO,
    /// VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, CANNOT_PARSE_NUMBER, CANNOT_PARSE_TEXT, BAD_ARGUMENTS.
    private static let ofRows: Set<Int> = [469, 349, 117, 69, 407, 395, 321, 72, 6, 36]
    /// MEMORY_LIMIT_EXCEEDED, TIMEOUT_EXCEEDED, TOO_LARGE_STRING_SIZE, TOO_MANY_ROWS,
    /// TOO_MANY_BYTES.
    private static let ofSize: Set<Int> = [241, 159, 131, 158, 307]

    private static func fault(_ code: Int?, status: Int) -> Fault {
        guard let code else { return [401, 403, 404].contains(status) ? .schema : .away }
        if ofSchema.contains(code) { return .schema }
        if ofRows.contains(code) { return .rows }
        return ofSize.contains(code) ? .tooLarge : .away
    }
}
