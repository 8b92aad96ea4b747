internal import HTTPClient
package import Primitives
internal import ServiceRuntime

/// One thread's way to the server of a store. Every call blocks, up to a deadline of its own.
package final class StoreHTTPClient {
    /// What is asked of the server.
    package struct Question {
        package typealias Parameter = (name: String, value: String)
        package typealias Header = (name: String, value: String, isSecret: Bool)

        package var path = "/"
        package var query: [Parameter] = []
        /// Headers, of which no description shows the secret ones.
        package var headers: [Header] = []
        /// What a POST sends; `nil`: it is a GET.
        package var body: [UInt8]?
        /// The name of a header of the answer that is wanted.
        package var wantedHeader: String?
        package var timeout: Duration
        /// What it is for, for an error.
        package var operation: String

        package init(_ operation: String, timeout: Duration) {
            self.operation = operation
            self.timeout = timeout
        }
    }

    package struct Answer {
        package let status: Int
        package let body: [UInt8]
        /// The value of the header that was wanted.
        package let header: String?

        /// The beginning of its text, as one line.
        package var text: String {
            String(decoding: body.prefix(StoreHTTPClient.textBytesMax), as: UTF8.self)
                .split(whereSeparator: \.isNewline).joined(separator: " ")
        }
    }

    /// A larger answer is an error.
    static let answerBytesMax = 16 << 20
    /// So much of what the server says is shown.
    static let textBytesMax = 600

    private let base: String
    private let client: HTTPClient
    private let outcomes: Mailbox<Void>
    /// Called before each call, with the longest time that it takes.
    private let onCall: (Duration) -> Void
    /// The server's name and port.
    package let peer: String

    /// `timeoutMax` is that of the longest question.
    package init(
        _ url: String, timeoutMax: Duration, onCall: @escaping (Duration) -> Void
    ) throws(StoreServerError) {
        guard let address = HTTPURL(url), Self.problem(url) == nil else {
            throw StoreServerError("\(url) is no URL of a server", .schema)
        }
        base = url.hasSuffix("/") ? String(url.dropLast()) : url
        peer = address.peer
        self.onCall = onCall
        var configuration = HTTPConfiguration()
        configuration.bodyBytesMax = Self.answerBytesMax
        configuration.requestTimeout = timeoutMax
        // While the server works on rows, nothing moves.
        configuration.slowTimeout = timeoutMax
        configuration.requestsPerServerMax = 1
        let outcomes = Mailbox<Void>(capacity: 1)
        self.outcomes = outcomes
        do throws(HTTPError) {
            client = try HTTPClient(configuration) { _ = outcomes.send(()) }
        } catch {
            throw StoreServerError(error, "start the client")
        }
    }

    /// Why a text is not the URL of a server; `nil`: it is one.
    package static func problem(_ text: String) -> String? {
        guard let url = HTTPURL(text) else {
            return "it is not http://host:port or https://host:port"
        }
        guard url.description.split(separator: "/").count <= 2, !text.contains("?") else {
            return "it has a path or a query: give http://host:port alone"
        }
        return nil
    }

    package func ask(_ question: Question) throws(StoreServerError) -> Answer {
        guard let url = HTTPURL(base + question.path, query: question.query) else {
            throw StoreServerError("\(question.operation): the statement is too long", .schema)
        }
        let request = HTTPRequest(
            url,
            headers: question.headers.map { HTTPHeader($0.name, $0.value, isSecret: $0.isSecret) },
            body: question.body, wantedHeaders: question.wantedHeader.map { [$0] } ?? [],
            timeout: question.timeout)
        let response = try answer(request, question.timeout, question.operation)
        return Answer(
            status: Int(response.status), body: response.body,
            header: question.wantedHeader.flatMap { response.headers[$0] })
    }

    /// Asks with the headers of the present password. If the server refuses it and its file has
    /// another one by now, the question is asked once more: a refused one has changed nothing.
    package func ask(
        _ question: Question, _ password: String?, _ renewable: RenewableSecret?,
        headers: (_ password: String?) -> [Question.Header]
    ) throws(StoreServerError) -> Answer {
        let used = renewable?.value ?? password
        var asked = question
        asked.headers += headers(used)
        let answer = try ask(asked)
        guard [401, 403].contains(answer.status), let renewable, let used,
            renewable.renew(refused: used)
        else { return answer }
        asked = question
        asked.headers += headers(renewable.value)
        return try ask(asked)
    }

    private func answer(
        _ request: HTTPRequest, _ timeout: Duration, _ operation: String
    ) throws(StoreServerError) -> HTTPResponse {
        onCall(timeout)
        let id: HTTPRequestID
        do throws(HTTPError) {
            id = try client.request(request)
        } catch {
            throw StoreServerError(error, operation)
        }
        // The client itself ends it in time; this deadline is for what must not happen.
        let deadline = ContinuousClock.now + timeout + .seconds(5)
        var woken: [Void] = []
        while ContinuousClock.now < deadline {
            for outcome in client.take() where outcome.id == id {
                switch outcome.result {
                case .success(let response): return response
                case .failure(let error): throw StoreServerError(error, operation)
                }
            }
            _ = outcomes.receive(into: &woken, max: 1, timeout: .seconds(1))
            woken.removeAll(keepingCapacity: true)
        }
        client.cancel(id)
        throw StoreServerError("\(operation): \(peer) gave no answer", .away)
    }
}
