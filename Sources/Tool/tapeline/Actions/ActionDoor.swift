import MarketModel
import NatsTransport
import Primitives
import TapeProtocol
import TapeTransport

/// Decides which messages are requests of the cockpit that may be carried out, each once. Pure.
///
/// Whoever may make a consumer can have the server deliver bytes of his own on any subject, under
/// the subject on which they were stored, and can publish again what he has recorded.
struct ActionDoor {
    /// The most numbers of requests that are remembered. One is forgotten when it is not due any
    /// more and others need its place. While all are due, further requests are refused.
    static let numbersMax = 1_024

    enum Verdict: Equatable {
        /// The question whether actions are carried out here.
        case look
        case take(ActionRequest)
        /// `isAnswered`: it came from the cockpit, or from somebody whom an answer does not help.
        case refuse(String, isAnswered: Bool)
    }

    /// The subject of requests.
    let subject: String
    /// The beginning of the subjects at which the cockpit waits for answers.
    let inbox: String
    let key: ActionKey
    /// The number of this process. A request names it, so that none is taken by two processes, nor
    /// before and after a restart.
    let carrier: UInt64
    /// The numbers of the requests that were taken, with the times at which they were asked for.
    private(set) var taken: [UInt64: Timestamp] = [:]

    mutating func judge(
        on wire: String, replyTo: String?, _ payload: [UInt8], at now: Timestamp
    ) -> Verdict {
        guard wire == subject else {
            return .refuse("its subject is another one", isAnswered: false)
        }
        guard let replyTo, replyTo.hasPrefix(inbox) else {
            return .refuse(
                "no cockpit waits for its answer, whose subject would begin with \(inbox)",
                isAnswered: false)
        }
        let request: ActionRequest
        do throws(ActionKey.Refusal) {
            request = try key.open(payload, of: subject)
        } catch {
            return .refuse("\(error)", isAnswered: true)
        }
        guard !request.words.isEmpty else { return .look }
        if let refusal = refusal(of: request, at: now) {
            return .refuse(refusal, isAnswered: true)
        }
        taken[request.number] = request.asked
        return .take(request)
    }

    private mutating func refusal(of request: ActionRequest, at now: Timestamp) -> String? {
        guard request.carrier == carrier else {
            return "it was asked of a process that has ended, or of another one: ask again"
        }
        guard request.isDue(at: now) else { return Self.late }
        guard taken[request.number] == nil else { return "it was taken already" }
        if taken.count >= Self.numbersMax {
            taken = taken.filter {
                ActionRequest(number: $0.key, asked: $0.value).isDue(at: now)
            }
        }
        guard taken.count < Self.numbersMax else {
            return "\(taken.count) others were taken a moment ago: try it later"
        }
        return nil
    }

    /// Why a request is not begun any more.
    static let late =
        "it was not begun: it was asked for more than "
        + "\(ActionRequest.beginNanosecondsMax / 1_000_000_000) s ago, or the clocks of this "
        + "process and of the cockpit differ; ask again"
}
