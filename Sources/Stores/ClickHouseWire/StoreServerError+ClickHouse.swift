internal import StoreHTTP

extension StoreServerError {
    /// What the server answered.
    init(_ answer: StoreHTTPClient.Answer, _ operation: String, _ peer: String) {
        let code = answer.header.flatMap { Int($0) }
        let text = answer.text
        self.init(
            "\(operation) at \(peer): status \(answer.status)"
                + (code.map { ", code \($0)" } ?? "") + (text.isEmpty ? "" : ": \(text)"),
            Self.fault(code, status: answer.status), code: code)
    }

    static let codeHeader = "x-clickhouse-exception-code"

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
