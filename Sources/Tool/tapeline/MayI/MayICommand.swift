import Primitives
import ServiceRuntime

/// `tapeline may-i restart NAME|GROUP`: whether a process may be started again now.
struct MayICommand: Equatable, Sendable {
    let subject: String
    var target = TapeTarget()
    var asJSON = false

    static func parse(_ arguments: [String]) throws(ToolError) -> MayICommand {
        guard arguments.first == "restart" else {
            throw .usage("'tapeline may-i' wants 'restart NAME' or 'restart GROUP'")
        }
        let given = try CommandArguments(
            "may-i restart", Array(arguments.dropFirst()),
            .init(values: TapeTarget.options, flags: ["--json"]))
        try given.requireWords(1, "the name of one member or of one group")
        return MayICommand(
            subject: String(given.words[0].prefix(64)), target: try TapeTarget(given),
            asJSON: given.has("--json"))
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let answer = try PreflightLook(deployment: deployment).answer(about: subject)
        if asJSON {
            terminal.line(answer.json())
        } else {
            for line in answer.lines { terminal.line(line) }
        }
        return answer.isYes ? .success : .failure
    }
}

/// The answer, for people and for programs.
struct MayIAnswer: Equatable {
    let subject: String
    let isYes: Bool
    let reasons: [Preflight.Reason]

    init(_ facts: Preflight) {
        subject = facts.subject
        isYes = facts.isYes
        reasons = facts.reasons
    }

    /// NATS does not answer, so nothing else is known.
    init(subject: String, problem: String) {
        self.subject = subject
        isYes = false
        reasons = [Preflight.Reason(.no, "NATS does not answer: \(problem)")]
    }

    var lines: [String] {
        [isYes ? "YES: \(subject) may be started again" : "NO: leave \(subject) alone now"]
            + reasons.map { "  \($0.level.rawValue.padded(to: 8)) \($0.text)" }
    }

    func json() -> String {
        var json = JSONWriter(capacity: 1_024)
        json.object { json in
            json.member("subject", subject)
            json.member("answer", isYes ? "yes" : "no")
            json.member(
                "reasons",
                array: { json in
                    for reason in reasons {
                        json.object { json in
                            json.member("level", reason.level.rawValue)
                            json.member("text", reason.text)
                        }
                    }
                })
        }
        return json.text
    }
}
