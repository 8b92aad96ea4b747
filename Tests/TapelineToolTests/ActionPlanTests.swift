import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol
import Testing

@testable import TapelineTool

@Suite("What a request for an action is carried out as")
struct ActionPlanTests {
    private static let now = Timestamp(nanoseconds: 1_800_000_000_000_000_000)

    private static func request(
        _ words: [String], person: String = "alice", reason: String = "new disk"
    ) -> ActionRequest {
        ActionRequest(
            number: 7, person: person, origin: "127.0.0.1", reason: reason, words: words)
    }

    private static func plan(
        _ request: ActionRequest, _ target: TapeTarget = TapeTarget()
    ) throws(ToolError) -> ActionPlan {
        try ActionPlan(request, on: target, now: now)
    }

    private static func refusal(_ request: ActionRequest) -> String {
        do throws(ToolError) {
            _ = try plan(request)
            return ""
        } catch {
            return "\(error)"
        }
    }

    private static let waits = ["--wait", "--timeout", "45"]

    static let carriedOut: [([String], [String], Bool)] = [
        (["watchlist", "add", "NVDA", "A B"], ["--note", "new disk"], true),
        (["watchlist", "remove", "NVDA", "--source", "ib"], ["--note", "new disk"], true),
        (["member", "drain", "w-1", "--force"], ["--reason", "new disk"] + waits, true),
        (["member", "release", "w-1"], waits, true),
        (
            ["repair", "NVDA", "--from", "-2h", "--to", "now", "--reason", "bust"],
            ["--note", "new disk", "--yes"] + waits, true
        ),
        (["dlq", "replay", "--all"], [], true),
        (["dlq", "replay", "--reason", "data", "--sink", "trades"], [], true),
        (["dlq", "replay", "--all", "--dry-run"], [], false),
        (["may-i", "restart", "operator"], [], false),
        (["may-i", "upgrade", "operator", "--to", "1.4.0"], [], false),
    ]

    @Test(
        "each action is the command of a person, with the reason and without questions",
        arguments: carriedOut)
    func arguments(words: [String], added: [String], isRecorded: Bool) throws {
        let plan = try Self.plan(Self.request(words))
        #expect(plan.arguments == words + added)
        #expect(plan.isRecorded == isRecorded)
    }

    @Test("the command works on the tape of the process that carries it out")
    func target() throws {
        let plan = try Self.plan(
            Self.request(["member", "release", "w"]), TapeTarget(home: "/h", stack: "s"))
        #expect(plan.arguments.suffix(4) == ["--home", "/h", "--name", "s"])
    }

    @Test("a dry run needs neither person nor reason")
    func dryRun() throws {
        let plan = try Self.plan(
            Self.request(
                ["repair", "NVDA", "--from", "-2h", "--to", "now", "--dry-run"], person: "",
                reason: "typed already"))
        #expect(!plan.isRecorded)
        #expect(plan.arguments.last == "--dry-run")
    }

    static let refused: [([String], String)] = [
        (["down"], "'down' is no action"),
        (["psql", "-c", "DROP TABLE trades"], "'psql -c' is no action"),
        (["watchlist", "list"], "'watchlist list' is no action"),
        (["dlq", "drop", "--all"], "'dlq drop' is no action"),
        (["trade", "cancel", "x"], "'trade cancel' is no action"),
        (["may-i", "stop", "x"], "'may-i stop' is no action"),
        (["may-i", "upgrade", "x"], "wants --to RELEASE"),
        (["member", "drain", "w", "--nats", "nats://evil"], "an action takes no --nats"),
        (["member", "drain", "w", "--nats=nats://evil"], "an action takes no --nats"),
        (["member", "drain", "w", "--name", "other"], "an action takes no --name"),
        (["member", "drain", "w", "--reason", "x"], "an action takes no --reason"),
        (["dlq", "replay", "--file", "/etc/passwd"], "an action takes no --file"),
        (["repair", "A", "--note", "x"], "an action takes no --note"),
        (["repair", "A", "--", "--to"], "an action takes no --"),
        (["member", "drain", "--help"], "an action takes no --help"),
        (["member", "drain"], "wants NAME"),
        (["repair", "NVDA"], "wants --from"),
        ([], "is no action"),
    ]

    @Test("what is no action, or names another tape or a file, is refused", arguments: refused)
    func refusals(words: [String], problem: String) {
        let found = Self.refusal(Self.request(words))
        #expect(found.contains(problem), "\(found)")
    }

    @Test("an action without person or reason, or with a text of several lines, is refused")
    func texts() {
        let words = ["member", "release", "w"]
        #expect(Self.refusal(Self.request(words, person: "")).contains("a person"))
        #expect(Self.refusal(Self.request(words, reason: "")).contains("a reason"))
        #expect(Self.refusal(Self.request(words, reason: "a\nb")).contains("one line"))
        #expect(Self.refusal(Self.request(words, reason: "--force")).contains("begin"))
        let long = String(repeating: "x", count: 201)
        #expect(Self.refusal(Self.request(words, reason: long)).contains("200 bytes"))
        #expect(Self.refusal(Self.request(words, reason: String(long.dropLast()))).isEmpty)
    }

    @Test("the end of a command says whether something was changed")
    func stages() throws {
        let whole = try Self.plan(Self.request(["member", "release", "w"]))
        let parts = try Self.plan(Self.request(["dlq", "replay", "--all"]))
        let codes: [(ExitCode, ActionStage, ActionStage)] = [
            (.success, .done, .done), (.usage, .refused, .refused), (.failure, .refused, .failed),
            (.unavailable, .failed, .failed), (.temporary, .pending, .pending),
        ]
        for (code, one, other) in codes {
            #expect(whole.stage(.exited(code.rawValue)) == one)
            #expect(parts.stage(.exited(code.rawValue)) == other)
        }
        #expect(whole.stage(.killed(signal: 9)) == .failed)
        #expect(whole.stage(nil) == .failed)
    }

    @Test("a text for the tape is cut between characters", arguments: [3, 4, 5, 100])
    func cut(bytes: Int) {
        let kept = ActionLog.cut("ab€é", to: bytes)
        #expect(kept.utf8.count <= bytes && "ab€é".hasSuffix(kept))
        #expect(bytes != 5 || kept == "€é")
    }
}
