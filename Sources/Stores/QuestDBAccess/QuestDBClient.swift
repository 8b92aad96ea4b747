package import Primitives
package import QuestDBWire
package import StoreHTTP

/// One thread's way to a server of QuestDB. Every call blocks, up to a deadline of its own.
package final class QuestDBClient {
    package struct Settings: Sendable {
        /// As `http://host:9000`.
        package var url: String
        /// Empty: the server asks for none.
        package var user: String
        /// Another one has no successor: set `renewable` after it.
        package var password: String? { didSet { renewable = nil } }
        /// Reads the password again when the server refuses it; `nil`: it is in no file.
        package var renewable: RenewableSecret?

        package init(url: String, user: String, password: String?) {
            self.url = url
            self.user = user
            self.password = password
        }
    }

    /// No answer to rows comes later.
    static let insertTimeout = Duration.seconds(20)
    /// The server ends a question after this time, and no answer comes later than the next.
    static let questionMillisecondsMax = 60_000
    static let questionTimeout = Duration.seconds(70)

    private let settings: Settings
    private let client: StoreHTTPClient
    package let peer: String

    package init(
        _ settings: Settings, onCall: @escaping (Duration) -> Void
    ) throws(StoreServerError) {
        self.settings = settings
        client = try StoreHTTPClient(
            settings.url, timeoutMax: Self.questionTimeout, onCall: onCall)
        peer = "QuestDB \(client.peer)"
    }

    /// Reads the versions of the server and of the protocols that it takes.
    package func serverSettings() throws(StoreServerError) -> QuestDBSettings {
        let answer = try ask("ask for its settings", path: "/settings", [])
        return try read { () throws(QuestDBAnswerError) in try QuestDBSettings(answer.body) }
    }

    /// Runs a statement without rows in its answer.
    package func run(_ sql: String) throws(StoreServerError) {
        _ = try ask("run '\(sql.prefix(60))…'", path: "/exec", [("query", sql)])
    }

    /// Asks a question, and returns the rows of its answer.
    package func rows(_ sql: String) throws(StoreServerError) -> QuestDBAnswer {
        let answer = try ask("ask", path: "/exec", [("query", sql)])
        return try read { () throws(QuestDBAnswerError) in try QuestDBAnswer(answer.body) }
    }

    /// Sends rows of one table. When it returns, they outlive a crash of the server.
    package func write(_ lines: [UInt8], to table: String) throws(StoreServerError) {
        var question = StoreHTTPClient.Question(
            "insert into \(table)", timeout: Self.insertTimeout)
        question.path = "/write"
        question.query = [("precision", "n")]
        question.body = lines
        let answer = try answer(question)
        if let verdict = QuestDBVerdict.ofWrite(status: answer.status, body: answer.body) {
            throw error(verdict, question.operation, answer.status)
        }
    }

    private func ask(
        _ operation: String, path: String, _ query: [StoreHTTPClient.Question.Parameter]
    ) throws(StoreServerError) -> StoreHTTPClient.Answer {
        var question = StoreHTTPClient.Question(operation, timeout: Self.questionTimeout)
        question.path = path
        question.query = query
        question.headers = [("Statement-Timeout", String(Self.questionMillisecondsMax), false)]
        let answer = try answer(question)
        if let verdict = QuestDBVerdict.ofQuestion(status: answer.status, body: answer.body) {
            throw error(verdict, operation, answer.status)
        }
        return answer
    }

    private func answer(
        _ question: StoreHTTPClient.Question
    ) throws(StoreServerError) -> StoreHTTPClient.Answer {
        try client.ask(question, settings.password, settings.renewable) { password in
            guard !settings.user.isEmpty else { return [] }
            let pair = "\(settings.user):\(password ?? "")"
            return [("Authorization", "Basic \(Base64.encode(Array(pair.utf8)))", true)]
        }
    }

    private func error(
        _ verdict: QuestDBVerdict, _ operation: String, _ status: Int
    ) -> StoreServerError {
        let fault: StoreServerError.Fault =
            switch verdict.fault {
            case .away: .away
            case .schema: .schema
            case .rows: .rows
            case .tooLarge: .tooLarge
            }
        return StoreServerError(
            "\(operation) at \(peer): status \(status)"
                + (verdict.message.isEmpty ? "" : ": \(verdict.message)"), fault, code: status)
    }

    /// Reads what an answer has.
    package func read<Value>(
        _ body: () throws(QuestDBAnswerError) -> Value
    ) throws(StoreServerError) -> Value {
        do throws(QuestDBAnswerError) {
            return try body()
        } catch {
            throw StoreServerError("ask \(peer): \(error)", .away)
        }
    }
}
