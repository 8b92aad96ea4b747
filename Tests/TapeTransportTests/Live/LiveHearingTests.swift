import Primitives
import Seeds
import Testing

@testable import TapeTransport

@Suite("Which live subjects are heard")
struct LiveHearingTests {
    private static let round = LiveHearing.roundMin.clampedNanoseconds
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    private func begun() -> LiveHearing {
        var hearing = LiveHearing()
        hearing.advance(to: start)
        return hearing
    }

    @Test("a subject of which nobody hears gets one message a round, and is sent to until then")
    func unheard() {
        var hearing = begun()
        let subject = hearing.subject("s", .trade)
        #expect(hearing.verdict(on: subject, now: start) == .ask(1))
        #expect(hearing.verdict(on: subject, now: start) == .send)
        #expect(hearing.quietUntil == nil)
        hearing.answered(1, fromNobody: true)
        #expect(hearing.verdict(on: subject, now: start) == .leaveOut)
        #expect(hearing.quietUntil == start + Self.round)
        hearing.advance(to: start + (Self.round - 1))
        #expect(hearing.verdict(on: subject, now: start + (Self.round - 1)) == .leaveOut)
        hearing.advance(to: start + Self.round)
        #expect(hearing.quietUntil == nil, "it has to be asked")
        #expect(hearing.verdict(on: subject, now: start + Self.round) == .ask(2))
        #expect(hearing.heard == 0)
    }

    @Test("no answer in a round means heard, and so does one that is not the server's")
    func heard() {
        var hearing = begun()
        let (silent, replies) = (hearing.subject("a", .trade), hearing.subject("b", .trade))
        #expect(hearing.verdict(on: silent, now: start) == .ask(1))
        #expect(hearing.verdict(on: replies, now: start) == .ask(2))
        hearing.answered(2, fromNobody: false)
        #expect(hearing.heard == 1)
        hearing.advance(to: start + Self.round)
        #expect(hearing.heard == 2)
        #expect(hearing.verdict(on: silent, now: start + Self.round) == .ask(3), "it may have left")
        #expect(hearing.verdict(on: silent, now: start + Self.round) == .send)
        hearing.answered(3, fromNobody: true)
        #expect(hearing.heard == 1)
        #expect(hearing.verdict(on: silent, now: start + Self.round) == .leaveOut)
    }

    @Test("whoever hears one subject may hear all of its kind, and no other kind is asked")
    func kinds() {
        var hearing = begun()
        let heard = hearing.subject("a", .trade)
        let (same, other) = (hearing.subject("b", .trade), hearing.subject("b", .quote))
        for subject in [heard, same, other] { _ = hearing.verdict(on: subject, now: start) }
        hearing.answered(2, fromNobody: true)
        hearing.answered(3, fromNobody: true)
        hearing.answered(1, fromNobody: false)
        #expect(hearing.verdict(on: same, now: start) == .ask(4))
        #expect(hearing.verdict(on: other, now: start) == .leaveOut)
    }

    @Test("an answer that is late, doubled or unknown changes nothing that is newer")
    func answers() {
        var hearing = begun()
        let subject = hearing.subject("a", .quote)
        _ = hearing.verdict(on: subject, now: start)
        let late = start + LiveHearing.answerTimeMax.clampedNanoseconds
        hearing.advance(to: late)
        hearing.answered(1, fromNobody: true)
        hearing.answered(77, fromNobody: true)
        #expect(hearing.heard == 1, "the question was forgotten")
        #expect(hearing.verdict(on: subject, now: late) == .ask(2))
        hearing.answered(2, fromNobody: true)
        hearing.answered(2, fromNobody: true)
        #expect(hearing.heard == 0 && hearing.quietUntil != nil)
    }

    @Test("at most so many questions are sent a second, and each subject is asked in time")
    func many() {
        var hearing = begun()
        let count = 16_384
        let subjects = (0..<count).map { hearing.subject("\($0)", .trade) }
        var (now, questions) = (start, 0)
        var askedAt = subjects.map { _ in start }
        var longest = Duration.zero
        let seconds = 40
        for _ in 0..<seconds * 100 {
            now += 10_000_000
            hearing.advance(to: now)
            for (index, subject) in subjects.enumerated() {
                guard case .ask(let number) = hearing.verdict(on: subject, now: now) else {
                    continue
                }
                questions += 1
                longest = max(longest, now.duration(since: askedAt[index]))
                askedAt[index] = now
                hearing.answered(number, fromNobody: true)
            }
        }
        #expect(questions <= seconds * 1_000 + 150)
        longest = askedAt.reduce(longest) { max($0, now.duration(since: $1)) }
        #expect(longest < .seconds(17), "a listener of one subject waits so long")
        #expect(hearing.heard == 0)
    }

    /// A server and its listeners, which come and go. Answers take a while.
    private struct World {
        var hearing = LiveHearing()
        var random: SeededRandom
        var subjects: [LiveSubject] = []
        var hears: [Bool] = []
        /// Since when each subject has had its listener.
        var since: [MonotonicTime] = []
        var answers: [(at: MonotonicTime, number: UInt64)] = []
        var missed = 0
        var leftOut = 0

        init(seed: UInt64) {
            random = SeededRandom(seed: seed)
            for index in 0..<Int.random(in: 1...60, using: &random) {
                let kind = LiveKind.allCases[index % 3]
                subjects.append(hearing.subject("\(index)", kind))
                hears.append(false)
                since.append(.distantPast)
            }
        }

        mutating func turn(_ now: MonotonicTime) {
            let due = answers.partition { $0.at <= now }
            for answer in answers[due...] { hearing.answered(answer.number, fromNobody: true) }
            answers.removeSubrange(due...)
            hearing.advance(to: now)
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                message(Int.random(in: 0..<subjects.count, using: &random), now)
            }
            if Int.random(in: 0..<20, using: &random) == 0 {
                let index = Int.random(in: 0..<subjects.count, using: &random)
                hears[index].toggle()
                since[index] = now
            }
        }

        private mutating func message(_ index: Int, _ now: MonotonicTime) {
            // What is offered while nothing is wanted does not reach the machine.
            let isQuiet = hearing.quietUntil.map { now < $0 } ?? false
            let verdict = isQuiet ? .leaveOut : hearing.verdict(on: subjects[index], now: now)
            if case .ask(let number) = verdict, !hears[index] {
                let delay = Int64.random(in: 100_000...300_000_000, using: &random)
                answers.append((now + delay, number))
            }
            guard verdict == .leaveOut else { return }
            leftOut += 1
            if hears[index], now - since[index] > 2 * LiveHearingTests.round + 300_000_000 {
                missed += 1
            }
        }
    }

    @Test(
        "a subject with a listener gets all messages soon after",
        arguments: Seeds(fixed: 1...20).all())
    func simulated(seed: UInt64) {
        var world = World(seed: seed)
        var now = start
        for _ in 0..<4_000 {
            now += 5_000_000
            world.turn(now)
        }
        #expect(world.missed == 0, "TAPELINE_SEED=\(seed)")
        #expect(world.leftOut > 0, "TAPELINE_SEED=\(seed)")
    }
}
