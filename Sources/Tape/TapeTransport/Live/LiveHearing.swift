import Primitives

/// Decides which subjects get messages: those that somebody hears.
///
/// A question is a real message with a reply subject. NATS answers it at once when no subscription
/// anywhere takes the subject; then the subject gets nothing until the next *round*, in which its
/// first message is a question again. Any other answer, and none, mean that somebody hears. Nothing
/// is asked by a message of its own, because listeners would receive it.
///
/// The live thread owns it. It has no clock: the caller says what time it is.
struct LiveHearing {
    /// The length of a round, unless there are too many subjects to ask all of them in it.
    static let roundMin = Duration.milliseconds(150)
    /// The least time between two questions, on average: at most 1,000 are sent a second.
    static let questionTime: Int64 = 1_000_000
    /// A question that is this old gets no answer any more.
    static let answerTimeMax = Duration.seconds(2)
    /// The most questions that wait for an answer. While so many wait, none is sent.
    static let questionsWaitingMax = 2_500

    /// What to do with a message.
    enum Verdict: Equatable {
        case leaveOut
        case send
        /// Send it as the question with this number.
        case ask(UInt64)
    }

    private struct Question {
        let subject: LiveSubject
        let sentAt: MonotonicTime
    }

    /// The counts of one kind of messages.
    private struct Tally {
        var round: UInt64 = 1
        var subjects = 0
        var heard = 0
        /// Those that nobody heard in the present round.
        var unheard = 0
    }

    private var tallies = [Tally](repeating: Tally(), count: LiveKind.allCases.count)
    private var waiting: [UInt64: Question] = [:]
    private var lastNumber: UInt64 = 0
    private var roundEndsAt = MonotonicTime.distantPast
    /// The time for which questions may still be sent, and when that was counted.
    private var allowance: Int64 = 0
    private var allowanceAt = MonotonicTime.distantPast

    /// The subjects that are known.
    var subjects: Int { tallies.reduce(0) { $0 + $1.subjects } }
    /// Those of them that somebody hears.
    var heard: Int { tallies.reduce(0) { $0 + $1.heard } }

    /// Until then no message of any known subject is wanted; `nil` when some may be.
    var quietUntil: MonotonicTime? {
        let isQuiet = subjects > 0 && tallies.allSatisfy { $0.unheard == $0.subjects }
        return isQuiet ? roundEndsAt : nil
    }

    mutating func subject(_ text: String, _ kind: LiveKind) -> LiveSubject {
        let subject = LiveSubject(text, kind)
        if subject.isSendable { tallies[kind.rawValue].subjects += 1 }
        return subject
    }

    mutating func verdict(on subject: LiveSubject, now: MonotonicTime) -> Verdict {
        let round = tallies[subject.kind.rawValue].round
        guard subject.isSendable else { return .send }
        if subject.round == round { return subject.state == .unheard ? .leaveOut : .send }
        guard let number = question(to: subject, now: now) else {
            return subject.state == .unheard ? .leaveOut : .send
        }
        subject.round = round
        if subject.state != .heard { subject.state = .asked }
        return .ask(number)
    }

    /// Takes the answer to a question. `fromNobody`: the server says that no subscription took it.
    mutating func answered(_ number: UInt64, fromNobody: Bool) {
        guard let subject = waiting.removeValue(forKey: number)?.subject else { return }
        guard fromNobody else { return hears(subject) }
        guard subject.state != .unheard else { return }
        let kind = subject.kind.rawValue
        if subject.state == .heard { tallies[kind].heard -= 1 }
        subject.state = .unheard
        if subject.round == tallies[kind].round { tallies[kind].unheard += 1 }
    }

    /// Begins a new round when the present one is over. To be called in each turn of the thread.
    mutating func advance(to now: MonotonicTime) {
        guard now >= roundEndsAt else { return }
        for (number, question) in waiting {
            let age = now - question.sentAt
            if age >= Self.roundMin.clampedNanoseconds, question.subject.state == .asked {
                hears(question.subject)
            }
            if age >= Self.answerTimeMax.clampedNanoseconds { waiting[number] = nil }
        }
        for kind in tallies.indices { beginRound(kind) }
        roundEndsAt =
            now + max(Self.roundMin.clampedNanoseconds, Int64(subjects) * Self.questionTime)
    }

    /// Somebody hears the subject. Whoever hears one may hear all of its kind, so they are asked in
    /// a new round.
    private mutating func hears(_ subject: LiveSubject) {
        guard subject.state != .heard else { return }
        subject.state = .heard
        tallies[subject.kind.rawValue].heard += 1
        beginRound(subject.kind.rawValue)
    }

    private mutating func beginRound(_ kind: Int) {
        tallies[kind].round += 1
        tallies[kind].unheard = 0
    }

    /// Returns the number of a new question; `nil` while there are too many.
    private mutating func question(to subject: LiveSubject, now: MonotonicTime) -> UInt64? {
        let most = Self.roundMin.clampedNanoseconds
        allowance = min(most, allowance + min(most, now - allowanceAt))
        allowanceAt = now
        guard allowance >= Self.questionTime, waiting.count < Self.questionsWaitingMax else {
            return nil
        }
        allowance -= Self.questionTime
        lastNumber += 1
        waiting[lastNumber] = Question(subject: subject, sentAt: now)
        return lastNumber
    }
}
