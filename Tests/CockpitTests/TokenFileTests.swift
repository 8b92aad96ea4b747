import Primitives
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import Cockpit

/// Tokens that change while the cockpit runs.
@Suite("New tokens") struct TokenFileTests {
    private static let (old, new) = ("old-0123456789abcdef", "new-0123456789abcdef")

    private static func line(_ name: String, _ token: String) -> String {
        "\(name):\(WebDigest.sha256(token))\n"
    }

    @Test("a changed file counts two seconds after the last look; a broken one changes nothing")
    func looks() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.line("alice", Self.old), to: "people")
        let shared = Mutex(Self.old)
        let start = Sessions.Tokens(shared: Self.old, people: try People.read(path).get())
        let files = try #require(
            TokenFiles(start, shared: RenewableSecret(Self.old) { shared.withLock { $0 } }) {
                People.read(path)
            })
        func look(_ seconds: Double) -> TokenFiles.Look {
            files.look(at: MadeSighting.time(seconds))
        }
        #expect(look(0).tokens == nil)
        try folder.write(Self.line("alice", Self.new), to: "people")
        shared.withLock { $0 = Self.new }
        #expect(look(1.9).tokens == nil && files.tokens == start)
        let next = try #require(look(2).tokens)
        #expect(next.shared == Self.new && next.people.name(of: Self.new) == "alice")
        #expect(next.people.name(of: Self.old) == nil && files.tokens == next)
        try folder.write("alice\n", to: "people")
        let broken = look(4)
        #expect(broken.tokens == nil && broken.problem?.contains("line 1") == true)
        // It is said once.
        #expect(look(6).problem == nil && files.tokens == next)
        try folder.write(Self.line("bob", Self.new), to: "people")
        #expect(look(8).tokens?.people.name(of: Self.new) == "bob")
        #expect(TokenFiles(start, shared: nil, people: nil) == nil)
    }

    @Test("who came by a token that is none any more has to give another one")
    func sessions() throws {
        let people = try People(file: Self.line("alice", Self.old) + Self.line("bob", Self.new))
        let known = Sessions.Tokens(shared: "shared-0123456789", people: people)
        var sessions = Sessions()
        let now = MadeSighting.time(1)
        for (id, token) in [("a", Self.old), ("b", Self.new), ("r", known.shared)] {
            let attempt = Sessions.Attempt(token: token, id: id, key: "key-\(id)")
            #expect(sessions.open(attempt, known, at: now) != .wrong)
        }
        func has(_ id: String) -> Bool { sessions.visitor(.init(ids: [id]), at: now) != nil }
        sessions.keepOnly(known)
        #expect(has("a") && has("b") && has("r"))
        // The token of alice is that of another person now.
        let later = try People(file: Self.line("carol", Self.old) + Self.line("bob", Self.new))
        sessions.keepOnly(.init(shared: "other-0123456789", people: later))
        #expect(!has("a") && has("b") && !has("r"))
        sessions.keepOnly(.init(shared: ""))
        #expect(!has("b"))
    }

    @Test("a token in a file is read again, and one that is too short is not taken")
    func settings() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.old, to: "token")
        let decision = ServiceCommandLine(Main.description).decide(
            arguments: [],
            environment: ["COCKPIT_TOKEN_FILE": path, "NATS_URL": "nats://127.0.0.1:4222"])
        guard case .run(let configuration) = decision else {
            Issue.record("\(decision)")
            return
        }
        let files = try #require(try CockpitSettings(configuration).gate.files)
        try folder.write("short", to: "token")
        #expect(files.look(at: MadeSighting.time(1)).tokens == nil)
        try folder.write(Self.new, to: "token")
        #expect(files.look(at: MadeSighting.time(3)).tokens?.shared == Self.new)
    }
}
