import PostgresClient
import TapeTransport

extension DeadLetter.Refusal {
    init(_ error: PostgresError) {
        guard let server = error.serverError else {
            self.init(message: "\(error)")
            return
        }
        let message = server.message + (server.detail.map { " (\($0))" } ?? "")
        self.init(
            sqlState: server.sqlState.rawValue, message: message,
            constraint: server.constraint ?? "", column: server.column ?? server.copyColumn ?? "")
    }
}

extension ServerError {
    /// The line in an error's context: 17 in "COPY trades, line 17, column price". In every
    /// language of the server it is the first number after the comma. `nil` when there is none.
    var copyLine: Int? {
        guard let context, let comma = context.firstIndex(of: ",") else { return nil }
        return Int(context[comma...].drop { !$0.isASCIIDigit }.prefix { $0.isASCIIDigit })
    }

    fileprivate var copyColumn: String? {
        guard let context, let mark = context.firstRange(of: ", column ") else { return nil }
        let name = context[mark.upperBound...].prefix { $0 != ":" && !$0.isWhitespace }
        return name.isEmpty ? nil : String(name)
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
