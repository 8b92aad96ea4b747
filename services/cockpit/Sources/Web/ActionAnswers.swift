import Primitives
import TapeProtocol

/// What a browser is told about actions.
enum ActionAnswers {
    /// Returns who asks, whether actions are switched on, the stack that commands name, and why the
    /// database cannot be asked in SQL.
    static func person(
        _ visitor: Sessions.Visitor?, isOn: Bool, stack: String = "", asks: AskRight = .off
    ) -> PageAnswer {
        var json = JSONWriter()
        json.object { json in
            json.member("on", isOn)
            if !stack.isEmpty { json.member("stack", stack) }
            if case .person(let name) = visitor { json.member("person", name) }
            if case .refused(_, let reason) = asks.asker(visitor) {
                json.member("no_sql", reason)
            }
        }
        return PageAnswer(json: json.bytes)
    }

    /// Takes an action: `{"words": [...], "reason": "..."}`. The answer has its number.
    static func submit(
        _ body: [UInt8], _ visitor: Sessions.Visitor?, _ origin: String, to desk: ActionDesk,
        at time: Timestamp
    ) -> PageAnswer {
        guard desk.isOn else {
            return PageAnswer(refused: "actions are switched off (COCKPIT_ACTIONS)", status: 403)
        }
        guard case .person(let name) = visitor else {
            return PageAnswer(refused: "say who you are first: sign in", status: 401)
        }
        guard let (words, reason) = read(body) else {
            return PageAnswer(refused: "this is no action", status: 400)
        }
        var random = SystemRandomNumberGenerator()
        let request = ActionRequest(
            number: random.next(), asked: time, person: name, origin: origin, reason: reason,
            words: words)
        if let refusal = desk.submit(request, at: time) {
            return PageAnswer(refused: refusal, status: 429)
        }
        var json = JSONWriter()
        json.object { $0.member("number", String(request.number)) }
        var answer = PageAnswer(json: json.bytes)
        answer.status = 202
        return answer
    }

    private static func read(_ body: [UInt8]) -> (words: [String], reason: String)? {
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue.parse(body)
        } catch {
            return nil
        }
        guard let found = json["words"]?.array, let reason = json["reason"]?.string else {
            return nil
        }
        let words = found.compactMap(\.string)
        let isWhole = words.count == found.count && !words.isEmpty
        return isWhole ? (words, reason) : nil
    }
}
