import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import Testing

@testable import TapelineTool

@Suite("Which messages are requests for actions") struct ActionDoorTests {
    private static let secret = String(repeating: "k", count: ActionKey.bytesMin)
    private static let now = Timestamp(nanoseconds: 1_800_000_000_000_000_000)
    private static let inbox = "_INBOX_cockpit.x.1"

    private static func door(carrier: UInt64 = 8) throws -> ActionDoor {
        ActionDoor(
            subject: "md.act", inbox: "_INBOX_cockpit.", key: try #require(ActionKey(secret)),
            carrier: carrier)
    }

    private static func request(_ number: UInt64 = 7, seconds: Int64 = 0) -> ActionRequest {
        ActionRequest(
            number: number, carrier: 8, asked: now.advanced(byNanoseconds: seconds * 1_000_000_000),
            person: "alice", origin: "::1", reason: "why", words: ["member", "release", "w-1"])
    }

    private static func sealed(_ request: ActionRequest) throws -> [UInt8] {
        try #require(ActionKey(secret)).seal(request, for: "md.act")
    }

    private func judge(
        _ door: inout ActionDoor, _ request: ActionRequest, seconds: Int64 = 0
    ) throws -> ActionDoor.Verdict {
        door.judge(
            on: "md.act", replyTo: Self.inbox, try Self.sealed(request),
            at: Self.now.advanced(byNanoseconds: seconds * 1_000_000_000))
    }

    @Test(
        "another subject, or another reply, is no request, and has no answer",
        arguments: [
            ("md.bars.1", "$JS.ACK.MD_BARS.zz.1.1.1.1800000000000000000.0"),
            ("md.bars.1", "_INBOX_cockpit.x.1"), ("md.act", "$JS.ACK.MD_BARS.zz.1.1.1.1.0"),
            ("md.act", "md.ticks.0.manual"), ("md.act", "_INBOX_operator.x"), ("md.act", nil),
            ("md.act", "_INBOX_cockpit"), ("acme.act", "_INBOX_cockpit.x.1"),
        ] as [(String, String?)])
    func foreign(subject: String, replyTo: String?) throws {
        var door = try Self.door()
        let verdict = door.judge(
            on: subject, replyTo: replyTo, try Self.sealed(Self.request()), at: Self.now)
        guard case .refuse(let reason, isAnswered: false) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        // Where the operator has named the users in another way, the log says which one is wanted.
        #expect(subject != "md.act" || reason.contains("_INBOX_cockpit."), "\(reason)")
    }

    @Test("a request is taken once, however it comes again")
    func once() throws {
        var door = try Self.door()
        let request = Self.request()
        #expect(try judge(&door, request) == .take(request))
        for seconds in [0, 19, 20, -20] as [Int64] {
            #expect(
                try judge(&door, request, seconds: seconds)
                    == .refuse("it was taken already", isAnswered: true))
        }
        #expect(
            try judge(&door, request, seconds: 21)
                == .refuse(ActionDoor.late, isAnswered: true))
        #expect(try judge(&door, Self.request(9)) == .take(Self.request(9)))
    }

    @Test("an old request, a wrong proof, and one for an ended process are refused and answered")
    func refused() throws {
        var door = try Self.door()
        #expect(
            try judge(&door, Self.request(seconds: -21))
                == .refuse(ActionDoor.late, isAnswered: true))
        let unproven = door.judge(
            on: "md.act", replyTo: Self.inbox, Self.request().json, at: Self.now)
        #expect(unproven == .refuse("\(ActionKey.Refusal.unproven)", isAnswered: true))
        var next = try Self.door(carrier: 9)
        guard case .refuse(let reason, true) = try judge(&next, Self.request()) else {
            Issue.record("it was taken")
            return
        }
        #expect(reason.contains("ended"))
    }

    @Test("the question whether somebody is there needs a proof, and nothing else")
    func look() throws {
        var door = try Self.door()
        for _ in 1...2 { #expect(try judge(&door, ActionRequest()) == .look) }
    }

    @Test("at most so many requests are remembered; more are refused until one is late")
    func bound() throws {
        var door = try Self.door()
        for number in 1...UInt64(ActionDoor.numbersMax) {
            #expect(try judge(&door, Self.request(number)) == .take(Self.request(number)))
        }
        guard case .refuse(let reason, true) = try judge(&door, Self.request(.max)) else {
            Issue.record("it was taken")
            return
        }
        #expect(reason.contains("\(ActionDoor.numbersMax) others"))
        let later = Self.request(.max, seconds: 21)
        #expect(try judge(&door, later, seconds: 21) == .take(later))
    }

    @Test("what is told of a message names its subject, and the consumer that delivered it")
    func told() {
        func message(_ replyTo: String?) -> String {
            ActionNotTaken(subject: "md.bars.1", replyTo: replyTo, reason: "why", count: 3).message
        }
        let reply = "$JS.ACK.MD_BARS.zz.1.1.1.1800000000000000000.0"
        #expect(
            message(reply) == "a message of the consumer zz of the stream MD_BARS on md.bars.1 was "
                + "not carried out: why")
        for other in [nil, "", "_INBOX.x", "$JS.ACK.x"] {
            #expect(
                message(other) == "a message on md.bars.1 was not carried out: why")
        }
    }

    @Test(
        "what is wrong with the key and with the servers is told at once",
        arguments: [
            ([:], 1), (["NATS_URL": "x"], 2), (["COCKPIT_ACTIONS_KEY": "short"], 1),
            (["COCKPIT_ACTIONS_KEY_FILE": "/none"], 1), (["COCKPIT_ACTIONS_KEY": secret], 0),
        ] as [([String: String], Int)])
    func configuration(given: [String: String], count: Int) throws {
        let environment = ["NATS_URL": "nats://127.0.0.1:1"].merging(given) { $1 }
        var problems: [String] = []
        do throws(ToolError) {
            _ = try ActionsCommand().servers(environment, executable: "/nowhere/tapeline")
        } catch {
            guard case .configuration(let found) = error else { throw error }
            problems = found
        }
        #expect(problems.count == count, "\(problems)")
        #expect(problems.contains { $0.contains("COCKPIT_ACTIONS_KEY") } == (count > 0))
    }
}
