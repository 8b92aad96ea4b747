import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import Cockpit
@testable import CockpitTests

@Suite("Actions, and who may act") struct ActionTests {
    private static let tokens = ["alice": "alice-has-this-one", "bob": "bob-has-another-one"]

    private static let secret = String(repeating: "k", count: ActionKey.bytesMin)

    private static var file: String {
        "# who may act\n\n"
            + tokens.map { "\($0.key): \(WebDigest.sha256($0.value).uppercased())\n" }.joined()
    }

    @Test("a digest is the one that others compute")
    func digest() {
        #expect(
            WebDigest.sha256("abc")
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(WebDigest.sha256("").hasPrefix("e3b0c44298fc1c149afbf4c8996fb924"))
    }

    @Test("a person is known by the own token alone")
    func people() throws {
        let people = try People(file: Self.file)
        for (name, token) in Self.tokens { #expect(people.name(of: token) == name) }
        for wrong in ["", "alice", "alice-has-this-one ", WebDigest.sha256("alice-has-this-one")] {
            #expect(people.name(of: wrong) == nil)
        }
        #expect(People().name(of: "") == nil)
        let short = try People(file: "carol:\(WebDigest.sha256("carols-token-15"))")
        #expect(short.name(of: "carols-token-15") == nil)
    }

    @Test(
        "a list of people that cannot be read is refused with its line",
        arguments: [
            ("", "names nobody"), ("# nobody", "names nobody"), ("alice", "line 1"),
            ("\nalice:abc", "line 2"), ("-a:\(String(repeating: "a", count: 64))", "line 1"),
            ("a b:x:\(String(repeating: "a", count: 64))", "line 1"),
            ("a:\(String(repeating: "g", count: 64))", "line 1"),
            (String(repeating: "a:\(String(repeating: "a", count: 64))\n", count: 2), "again"),
            // What `sha256sum` prints when the program before it is missing.
            ("a:\(WebDigest.sha256(""))", "no token at all"),
            ("a:\(WebDigest.sha256("x"))\nb:\(WebDigest.sha256("x"))", "the token of a"),
        ])
    func badPeople(text: String, problem: String) {
        let error = #expect(throws: People.Refusal.self) { try People(file: text) }
        #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
    }

    @Test("only a listed proxy names people, and says where they are")
    func proxies() {
        var settings = Gate.Settings(
            hosts: ["desk"], token: "", personHeader: "x-user", proxies: ["10.0.0.1"], path: "")
        func request(_ peer: String, _ user: String, _ from: String = "1.2.3.4") -> WebRequest {
            WebRequest(
                method: "GET", path: "/",
                headers: ["host": "desk", "x-user": user, "x-forwarded-for": from], peer: peer)
        }
        let gate = Gate(settings: settings)
        #expect(gate.person(request("10.0.0.1", "alice")) == "alice")
        #expect(gate.person(request("10.0.0.2", "alice")) == nil)
        for bad in ["", "a b", "a,b", "<b>", "-x"] {
            #expect(gate.person(request("10.0.0.1", bad)) == nil)
        }
        #expect(gate.origin(of: request("10.0.0.1", "", "8.8.8.8, ::1")) == "::1")
        #expect(gate.origin(of: request("10.0.0.1", "", "evil\u{1b}")) == "10.0.0.1")
        #expect(gate.origin(of: request("10.0.0.2", "")) == "10.0.0.2")
        settings.personHeader = nil
        #expect(Gate(settings: settings).person(request("10.0.0.1", "alice")) == nil)
    }

    @Test("a token for somebody new comes with the line that names its owner")
    func newPerson() throws {
        func answer(_ name: String) -> CommandLineDecision {
            ServiceCommandLine(Main.description).decide(
                arguments: ["--new-person", name], environment: [:])
        }
        guard case .print(let text) = answer("carol") else {
            Issue.record("nothing is printed")
            return
        }
        let lines = text.split(separator: "\n")
        #expect(lines.count == 2 && lines[0].hasPrefix("token: ") && lines[1].hasPrefix("line: "))
        let people = try People(file: String(lines[1].dropFirst(6)))
        #expect(people.name(of: String(lines[0].dropFirst(7))) == "carol")
        guard case .refuse(let problem) = answer("a b") else {
            Issue.record("a name with a space is taken")
            return
        }
        #expect(problem.contains("--new-person"))
    }

    private static let key = String(repeating: "0f", count: 24)

    /// Visits of browsers with a secret of their own, at one moment.
    private struct Visits {
        var sessions = Sessions()
        let people: People
        let now = MadeSighting.time(0)

        init() throws { people = try People(file: ActionTests.file) }

        mutating func open(
            _ given: String, _ id: String, key: String = ActionTests.key
        ) -> Sessions.Outcome {
            sessions.open(
                .init(token: given, id: id, key: key),
                .init(shared: "for-all-readers!", people: people), at: now)
        }

        func visitor(
            _ ids: String..., key: String = ActionTests.key
        ) -> Sessions.Visitor? {
            sessions.visitor(.init(ids: ids, key: key), at: now)
        }
    }

    @Test("a session is of one person or of a reader, and ends when the person leaves")
    func sessions() throws {
        var visits = try Visits()
        #expect(visits.open("alice-has-this-one", "a") == .opened(.person("alice")))
        #expect(visits.open("for-all-readers!", "r") == .opened(.reader))
        #expect(visits.open("neither", "n") == .wrong)
        #expect(visits.visitor("a") == .person("alice"))
        #expect(visits.visitor("r") == .reader)
        #expect(visits.visitor("n") == nil)
        // A cookie reaches other ports of the host, and the browser's secret does not.
        #expect(visits.visitor("a", key: "") == .reader)
        #expect(visits.visitor("a", key: String(repeating: "f0", count: 24)) == .reader)
        // Another page of the host may have put a cookie before the right one.
        #expect(visits.visitor("n", "r", "a") == .person("alice"))
        visits.sessions.close(.init(ids: ["x", "a"]))
        #expect(visits.visitor("a") == nil)
    }

    @Test("a person's token without the secret of a browser opens nothing, a reader's does")
    func keyless() throws {
        var visits = try Visits()
        #expect(visits.open("alice-has-this-one", "a", key: "") == .keyless)
        #expect(visits.visitor("a", key: "") == nil)
        #expect(visits.open("for-all-readers!", "r", key: "") == .opened(.reader))
        #expect(visits.open("neither", "n", key: "") == .wrong)
    }

    @Test("readers make room for others, and never does a person for a reader")
    func room() throws {
        var visits = try Visits()
        _ = visits.open("alice-has-this-one", "a")
        for number in 0..<Sessions.countMax { _ = visits.open("for-all-readers!", "r\(number)") }
        #expect(visits.visitor("a") == .person("alice"))
        for number in 1..<Sessions.countMax { _ = visits.open("bob-has-another-one", "b\(number)") }
        #expect(visits.open("for-all-readers!", "late") == .full)
        #expect(visits.visitor("a") == .person("alice"))
        #expect(visits.open("bob-has-another-one", "last") == .opened(.person("bob")))
        #expect(visits.visitor("a") == nil && visits.visitor("last") == .person("bob"))
    }

    @Test("both records of an action are one, and an action without the second stays open")
    func history() {
        func record(_ number: String, _ time: Int64, _ stage: String) -> ActionHistory.Action {
            ActionHistory.Action(
                number: number, time: Timestamp(nanoseconds: time), person: "alice", origin: "::1",
                command: "x",
                reason: "y", stage: stage, outcome: stage == "asked" ? "" : "ended")
        }
        let history = ActionHistory([
            record("2", 9, "asked"), record("1", 7, "done"), record("1", 5, "asked"),
        ])
        #expect(history.actions.map(\.stage) == ["asked", "done"])
        #expect(history.actions.map(\.time.nanoseconds) == [9, 5])
        #expect(history.actions[1].outcome == "ended")
    }

    // MARK: on the port

    /// Returns a cockpit that has read who may act.
    private static func cockpit(isOn: Bool = true) throws -> LoneCockpit {
        let folder = try TemporaryFolder()
        let on = ["COCKPIT_ACTIONS": "true", "COCKPIT_ACTIONS_KEY": secret]
        return try LoneCockpit(
            ["COCKPIT_PEOPLE": folder.write(file, to: "people")].merging(isOn ? on : [:]) { $1 })
    }

    private static let action = #"{"words":["member","drain","w-1"],"reason":"new disk"}"#

    private static func cookie(_ cockpit: LoneCockpit, _ token: String) throws -> String {
        let opened = try cockpit.post("/session", "token=\(token)&key=\(key)")
        #expect(opened.status == 303 && opened.header("Location") == "./actions")
        #expect(opened.contains("HttpOnly; SameSite=Strict"))
        return "\(try #require(opened.cookie))X-Cockpit-Key: \(key)\r\n"
    }

    @Test("a cookie that another port of the host got reads, and does not act")
    func cookieAlone() throws {
        let cockpit = try Self.cockpit()
        let whole = try Self.cookie(cockpit, "alice-has-this-one")
        let cookie = "\(whole.components(separatedBy: "\r\n")[0])\r\n"
        let forged = "X-Cockpit-Key: \(String(repeating: "f0", count: 24))\r\n"
        for headers in [cookie, cookie + forged] {
            #expect(try cockpit.post("/act", Self.action, headers).status == 401)
            #expect(try cockpit.get("/me.json", headers).json()["person"] == nil)
        }
        #expect(try cockpit.post("/act", Self.action, whole).status == 202)
    }

    @Test("a form that comes without scripts says what is missing, and signs nobody in")
    func withoutScripts() throws {
        let cockpit = try Self.cockpit()
        // The hidden field is empty, or what is no secret.
        for key in ["", "&key=", "&key=short"] {
            let answer = try cockpit.post("/session", "token=alice-has-this-one\(key)")
            #expect(answer.status == 400, "\(answer)")
            #expect(answer.contains("Nobody was signed in") && answer.contains("JavaScript"))
            #expect(answer.cookie == nil)
        }
    }

    @Test("ten wrong tokens, and the right one is taken")
    func wrongOnes() throws {
        let cockpit = try Self.cockpit()
        let answers = try (0...Sessions.wrongMax).map { _ in
            try cockpit.post("/session", "token=wrong").status
        }
        #expect(answers == Array(repeating: 401, count: Sessions.wrongMax) + [429])
        _ = try Self.cookie(cockpit, "alice-has-this-one")
        #expect(try cockpit.post("/session", "token=").status == 429)
    }

    @Test("without a token nothing is carried out; with one it is, under the person's name")
    func signedIn() throws {
        let cockpit = try Self.cockpit()
        // Reading is free on loopback, and acting is not.
        #expect(try cockpit.get("/actions").status == 200)
        #expect(try cockpit.get("/me.json").json()["person"] == nil)
        for cookie in ["", "Cookie: tapeline_cockpit=guessed\r\n"] {
            let answer = try cockpit.post("/act", Self.action, cookie)
            #expect(answer.status == 401, "\(answer)")
        }
        #expect(try cockpit.post("/session", "token=wrong").status == 401)
        let cookie = try Self.cookie(cockpit, "alice-has-this-one")
        #expect(try cockpit.get("/me.json", cookie).json()["person"]?.string == "alice")
        for bad in ["", "x", "[]", #"{"words":[],"reason":"x"}"#, #"{"words":["a"]}"#] {
            #expect(try cockpit.post("/act", bad, cookie).status == 400, "\(bad)")
        }
        let taken = try cockpit.post("/act", Self.action, cookie)
        #expect(taken.status == 202, "\(taken)")
        let number = try #require(taken.json()["number"]?.string)
        // NATS is not there, so nothing was sent, and the page says so.
        #expect(
            try eventually {
                let news = try cockpit.get("/actions.json").json()["sent"]?.array?.first
                return news?["number"]?.string == number && news?["stage"]?.string == "refused"
                    && news?["person"]?.string == "alice"
                    && news?["command"]?.string == "member drain w-1"
            })
        #expect(
            cockpit.running.service.metric("mds_cockpit_actions_total{outcome=\"refused\"}") == 1)
        #expect(try cockpit.post("/leave", "", cookie).status == 303)
        #expect(try cockpit.post("/act", Self.action, cookie).status == 401)
    }

    @Test("another site, another host, and a body that is too large change nothing")
    func foreign() throws {
        let cockpit = try Self.cockpit()
        let cookie = try Self.cookie(cockpit, "bob-has-another-one")
        let (own, evil) = ("Origin: http://localhost\r\n", "Origin: http://evil.example\r\n")
        let large = String(repeating: "x", count: CockpitLimits.bodyBytesMax + 1)
        for (host, origin, body, status) in [
            ("localhost", "", Self.action, 403), ("localhost", evil, Self.action, 403),
            ("localhost", own + "Sec-Fetch-Site: cross-site\r\n", Self.action, 403),
            ("evil.example", evil, Self.action, 421), ("localhost", own, large, 413),
        ] {
            let answer = try cockpit.post("/act", body, cookie, host: host, origin: origin)
            #expect(answer.status == status, "\(host) \(origin)")
        }
        #expect(try cockpit.get("/actions.json").json()["sent"]?.array?.isEmpty != false)
    }

    @Test("a proxy names the person, and a name before that of the proxy makes it nobody")
    func proxy() throws {
        let cockpit = try LoneCockpit([
            "COCKPIT_ACTIONS": "true", "COCKPIT_PERSON_HEADER": "X-User",
            "COCKPIT_PROXIES": "127.0.0.1", "COCKPIT_ACTIONS_KEY": Self.secret,
        ])
        func person(_ headers: String) throws -> String? {
            let answer = try cockpit.get("/me.json", "X-Forwarded-Proto: https\r\n\(headers)")
            return try answer.json()["person"]?.string
        }
        #expect(try person("X-User: alice\r\n") == "alice")
        // A proxy means others, so whom it does not name has to be known before anything is read.
        for nobody in ["X-User: mallory\r\nX-User: alice\r\n", "X-User: a\r\nx-user: b\r\n", ""] {
            let answer = try cockpit.get("/me.json", "X-Forwarded-Proto: https\r\n\(nobody)")
            #expect(answer.status == 401, "\(nobody)")
        }
    }

    @Test("who carries actions out is asked what came there also while nobody looks")
    func unwatched() throws {
        let cockpit = try Self.cockpit()
        let failed = "mds_cockpit_questions_total{outcome=\"failed\",question=\"%\"}"
        func count(_ question: String) -> Double? {
            cockpit.running.service.metric(failed.replacing("%", with: question))
        }
        #expect(eventually { count("carrier") ?? 0 >= 1 })
        #expect(count("actions") == 0 && count("tape") == 0)
        #expect(cockpit.running.service.metric("mds_cockpit_actions_not_taken_total") == 0)
    }

    @Test("actions that are switched off are refused, also for a person")
    func off() throws {
        let cockpit = try Self.cockpit(isOn: false)
        let cookie = try Self.cookie(cockpit, "alice-has-this-one")
        #expect(try cockpit.post("/act", Self.action, cookie).status == 403)
        #expect(try cockpit.get("/me.json", cookie).json()["on"]?.bool == false)
    }

    @Test("commands in an answer name the stack, so that they can be pasted")
    func namedCommands() throws {
        let answer = ActionAnswer(.done, "NO: x\n'tapeline member release w' first")
        let document = ActionsDocument(
            isOn: true, carrier: Known(),
            sent: [.init(request: ActionRequest(), time: .undefined, answer: answer)],
            history: Known(), now: .distantPast, stack: "demo")
        let sent = try JSONValue.parse(document.json)["sent"]?.array?.first
        #expect(
            sent?["lines"]?.array?.last?.string == "'tapeline member release w --name demo' first")
    }

    @Test("at most so many actions wait, and the oldest outcomes are forgotten")
    func limits() throws {
        let desk = ActionDesk(key: ActionKey(Self.secret))
        func submit(_ number: UInt64) -> String? {
            desk.submit(
                ActionRequest(number: number, person: "a", words: ["member"]),
                at: Timestamp(nanoseconds: 0))
        }
        for number in 0..<UInt64(ActionDesk.waitingMax) { #expect(submit(number) == nil) }
        #expect(submit(99)?.contains("wait already") == true)
        let large = ActionRequest(
            words: Array(repeating: "x", count: ActionRequest.wordsMax + 1))
        #expect(desk.submit(large, at: Timestamp(nanoseconds: 0))?.contains("too much") == true)
    }
}
