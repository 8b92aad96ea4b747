import Primitives

/// The answers to what browsers send about questions in SQL.
enum AskAnswers {
    static let parameters = ["number"]
    private static let path = "/asked.json"

    /// Takes a question: `{"sql": "..."}`. The answer has its number.
    static func submit(
        _ body: [UInt8], _ visitor: Sessions.Visitor?, _ origin: String, to desk: AskDesk,
        at now: MonotonicTime
    ) -> PageAnswer {
        switch desk.right.asker(visitor) {
        case .refused(let status, let reason): return PageAnswer(refused: reason, status: status)
        case .person(let name):
            guard let sql = text("sql", in: body), sql.contains(where: { !$0.isWhitespace }) else {
                return PageAnswer(refused: "this is no question", status: 400)
            }
            var random = SystemRandomNumberGenerator()
            let number: UInt64 = random.next()
            if let refusal = desk.submit(sql, number, of: name, from: origin, at: now) {
                return PageAnswer(refused: refusal, status: 429)
            }
            var json = JSONWriter()
            json.object { $0.member("number", String(number)) }
            var answer = PageAnswer(json: json.bytes)
            answer.status = 202
            return answer
        }
    }

    /// Ends a question: `{"number": "..."}`.
    static func leave(
        _ body: [UInt8], _ visitor: Sessions.Visitor?, to desk: AskDesk
    ) -> PageAnswer {
        switch desk.right.asker(visitor) {
        case .refused(let status, let reason): return PageAnswer(refused: reason, status: status)
        case .person(let name):
            guard let number = text("number", in: body).flatMap({ UInt64($0) }) else {
                return PageAnswer(refused: "this is no number of a question", status: 400)
            }
            desk.leave(number, of: name)
            return PageAnswer(json: Array("{}".utf8))
        }
    }

    /// Returns what is known of a question. `nil`: the path is another one.
    static func look(
        _ path: String, _ parameters: [String: String], _ visitor: Sessions.Visitor?,
        at desk: AskDesk, now: MonotonicTime
    ) -> PageAnswer? {
        guard path == Self.path else { return nil }
        switch desk.right.asker(visitor) {
        case .refused(let status, let reason): return PageAnswer(refused: reason, status: status)
        case .person(let name):
            guard let number = parameters["number"].flatMap({ UInt64($0) }) else {
                return PageAnswer(refused: "this is no number of a question", status: 400)
            }
            switch desk.look(number, of: name, at: now) {
            case .answered(let json): return PageAnswer(json: json)
            case .unknown:
                return PageAnswer(
                    refused: "nothing is known of this question any more: ask it again",
                    status: 404)
            case .underWay(let nanoseconds):
                var json = JSONWriter()
                json.object { json in
                    json.member("state", "under way")
                    json.member("seconds", Double(nanoseconds) / 1e9)
                }
                return PageAnswer(json: json.bytes)
            }
        }
    }

    private static func text(_ name: String, in body: [UInt8]) -> String? {
        do throws(JSONError) {
            return try JSONValue.parse(body)[name]?.string
        } catch {
            return nil
        }
    }
}
