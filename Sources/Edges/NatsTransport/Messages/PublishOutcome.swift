import Primitives

/// The outcome of publishing a message to a stream's subject.
package enum PublishOutcome: Equatable, Sendable {
    /// It is stored. `duplicate`: it was stored before with the same message id.
    case stored(sequence: UInt64, duplicate: Bool)
    /// Not stored: the subject's last message is not the expected one but the one at `present`
    /// (`nil`: the server did not report it; 0: there is none).
    case wrongLastSequence(present: UInt64?)
    /// Not stored: another write to the subject is in process. It is not the subject's last message
    /// yet.
    case inProcess
    /// Not stored: no stream accepts the subject at the moment (or its leader is being elected).
    case noResponders
    /// Not stored: `errorCode` is JetStream's number of the reason (10077: the stream is full).
    case refused(code: Int, errorCode: Int, description: String)
    /// The answer cannot be read: it is unknown whether the message is stored.
    case malformed(String)

    /// JetStream's numbers for "not the expected last sequence", and for "a write to this subject
    /// is in process": a leader marks the subject when it proposes a message to its replicas.
    private static let wrongLastSequenceCode = 10_071
    private static let inProcessCode = 10_164

    /// The bytes of `{"stream":"`, and below, those between the stream's name and the number.
    private static let usualStart = Array(#"{"stream":""#.utf8)
    private static let usualMiddle = Array(#"","seq":"#.utf8)

    /// Reads the answer to nearly every publish: `{"stream":"MD_TICKS_0","seq":41}` and nothing
    /// else.
    static func usual(_ payload: RawSpan) -> UInt64? {
        let last = payload.byteCount - 1
        guard last > usualStart.count, payload.uint8(at: last) == UInt8(ascii: "}"),
            let (sequence, colon) = payload.lastNumber(before: last, behind: UInt8(ascii: ":")),
            sequence > 0, matches(payload, usualStart, at: 0)
        else { return nil }
        let middle = colon + 1 - usualMiddle.count
        guard middle > usualStart.count, matches(payload, usualMiddle, at: middle) else {
            return nil
        }
        // With a quote or an escape in the name, the answer has another shape.
        for offset in usualStart.count..<middle {
            let byte = payload.uint8(at: offset)
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return nil }
        }
        return sequence
    }

    private static func matches(_ payload: RawSpan, _ text: [UInt8], at start: Int) -> Bool {
        for index in text.indices where payload.uint8(at: start + index) != text[index] {
            return false
        }
        return true
    }

    static func parse(status: Int?, payload: [UInt8]) -> PublishOutcome {
        if status == 503 { return .noResponders }
        let answer: JSONValue
        do throws(JSONError) {
            answer = try JSONValue.parse(payload)
        } catch {
            return .malformed("the answer to a publish is not JSON: \(error)")
        }
        if let problem = APIProblem(answer["error"]) {
            switch problem.errorCode {
            case wrongLastSequenceCode:
                return .wrongLastSequence(present: trailingNumber(problem.description))
            case inProcessCode: return .inProcess
            default:
                return .refused(
                    code: problem.code, errorCode: problem.errorCode,
                    description: problem.description)
            }
        }
        guard let sequence = answer["seq"]?.uint64, sequence > 0, answer["stream"]?.string != nil
        else { return .malformed("the answer to a publish has no stream and sequence") }
        return .stored(sequence: sequence, duplicate: answer["duplicate"]?.bool ?? false)
    }

    /// Reads "wrong last sequence: 41" as 41.
    private static func trailingNumber(_ text: String) -> UInt64? {
        text.split(separator: " ").last.flatMap { UInt64($0) }
    }
}

/// The `error` member of an answer of the JetStream API.
struct APIProblem: Equatable, Sendable {
    let code: Int
    let errorCode: Int
    let description: String

    init?(_ value: JSONValue?) {
        guard let value, value.members != nil else { return nil }
        code = value["code"]?.int ?? 0
        errorCode = value["err_code"]?.int ?? 0
        description = value["description"]?.string ?? "no description"
    }
}
