import Primitives
import ServiceRuntime

/// `tapeline may-i restart|upgrade NAME|GROUP`: whether a process may be started again now, as it
/// is or as one of another release.
struct MayICommand: ToolCommand {
    let subject: String
    var upgradeTo: Preflight.Release?
    var target = TapeTarget()
    var asJSON = false

    static let page = CommandPage(
        "may-i", .operation, "whether a process may be started again now", also: [.json],
        """
        may-i restart NAME|GROUP
            whether the process of that name, or those of a group one after another, may be started
            again now: 0 yes, 1 no, with a line on each reason. Others have to be there to take
            over, all have to be ready, what is not read yet has to be little, and NATS with its
            copies and the database have to answer
        may-i upgrade NAME|GROUP [--to RELEASE]
            the same, and whether it may become one of that release, like 1.4.0 or '1.4.0
            (0123abcd)' (else that of this tool): all that comes before it in docs/upgrade.md has to
            be of that release
        $ tapeline may-i restart operator-worker-b
        $ tapeline may-i restart writer --json
        $ tapeline may-i upgrade operator --to 1.4.0
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> MayICommand {
        MayICommand(
            subject: String(given.words[0].prefix(64)),
            upgradeTo: given.verb == "upgrade" ? try release(given.one("--to")) : nil,
            target: try TapeTarget(given), asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let answer = try PreflightLook(deployment: tool.deployment(target)).answer(
            about: subject, upgradeTo: upgradeTo)
        tool.terminal.show(answer.lines, json: answer.json(), asJSON)
        return answer.isYes ? .success : .failure
    }

    /// The release of a text; without one, that of this tool.
    private static func release(_ text: String?) throws(ToolError) -> Preflight.Release {
        guard let text else {
            return Preflight.Release(ProductVersion.text, ProductVersion.revision)
        }
        guard let release = Preflight.Release(text) else {
            throw .usage(
                "--to wants a release as 'tapeline members' has it, like 1.4.0 or "
                    + "'1.4.0 (0123abcd)', and not '\(text.prefix(80))'")
        }
        return release
    }
}

/// The answer, for people and for programs.
struct MayIAnswer: Equatable {
    let subject: String
    /// The release that it is to become. `nil`: it is to stay as it is.
    let release: Preflight.Release?
    let isYes: Bool
    let reasons: [Preflight.Reason]

    init(_ facts: Preflight) {
        subject = facts.subject
        release = facts.upgradeTo
        isYes = facts.isYes
        reasons = facts.reasons
    }

    /// NATS does not answer, so nothing else is known.
    init(subject: String, upgradeTo release: Preflight.Release? = nil, problem: String) {
        self.subject = subject
        self.release = release
        isYes = false
        reasons = [Preflight.Reason(.no, "NATS does not answer: \(problem)")]
    }

    var lines: [String] {
        let yes = "YES: \(subject) may be started again" + (release.map { " as \($0)" } ?? "")
        return [isYes ? yes : "NO: leave \(subject) alone now"]
            + reasons.map { "  \($0.level.rawValue.padded(to: 8)) \($0.text)" }
    }

    func json() -> String {
        JSONWriter.made { json in
            json.member("subject", subject)
            if let release { json.member("release", release.description) }
            json.member("answer", isYes ? "yes" : "no")
            json.member("reasons", each: reasons) { reason, json in
                json.member("level", reason.level.rawValue)
                json.member("text", reason.text)
            }
        }.text
    }
}
