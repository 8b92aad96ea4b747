import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol

/// The command that carries out a request, or why there is none. Pure.
struct ActionPlan: Equatable {
    /// How long a command waits for what it has asked for. Then it says how far that is.
    static let waitSeconds = 45
    /// The longest reason, which all commands take.
    static let reasonBytesMax = 200

    let arguments: [String]
    /// Whether it changes something.
    let isRecorded: Bool
    /// Whether nothing is changed when it ends with exit code 1.
    let isWhole: Bool

    /// What a person in front of the cockpit may not say: where the tape is, which files are read,
    /// and what the plan adds itself.
    private static let kept: Set<String> = [
        "--home", "--name", "--nats", "--file", "--yes", "--json", "--wait", "--timeout", "--note",
        "--help", "-h", "--",
    ]

    init(
        _ request: ActionRequest, on target: TapeTarget, now: Timestamp
    ) throws(ToolError) {
        let words = request.words
        let verb = words.prefix(2).joined(separator: " ")
        let isTried = words.contains("--dry-run")
        var added: [String] = []
        var isWhole = true
        var isLook = false
        let waits = ["--wait", "--timeout", "\(Self.waitSeconds)"]
        switch verb {
        case "watchlist add", "watchlist remove": added = ["--note", request.reason]
        case "member drain": added = ["--reason", request.reason] + waits
        case "member release": added = waits
        case "dlq replay":
            isWhole = false
            isLook = isTried
        case "may-i restart": isLook = true
        case "may-i upgrade":
            isLook = true
            // Without it the release of this process counts, which may be that of before.
            guard words.contains(where: { $0 == "--to" || $0.hasPrefix("--to=") }) else {
                throw .usage("the question for an upgrade wants --to RELEASE")
            }
        case _ where words.first == "repair":
            isLook = isTried
            added = isTried ? [] : ["--note", request.reason, "--yes"] + waits
        case _:
            throw .usage(
                "'\(ActionRequest.command(Array(words.prefix(2))).prefix(80))' is no action")
        }
        for word in words.dropFirst() {
            let option = word.prefix { $0 != "=" }
            // A reason of dead letters is a filter.
            let isReason = option == "--reason" && words.first == "member"
            guard !Self.kept.contains(String(option)), !isReason else {
                throw .usage("an action takes no \(option)")
            }
        }
        isRecorded = !isLook
        if isRecorded { try Self.check(request) }
        self.isWhole = isWhole
        arguments = words + added + target.arguments
        // What is wrong with its words is said before it is on the tape.
        _ = try Commands.parse(arguments, now: now)
    }

    /// An action has a person and a reason, so that others understand it later.
    private static func check(_ request: ActionRequest) throws(ToolError) {
        let texts = [
            ("person", request.person, ActionRecord.personBytesMax),
            ("reason", request.reason, reasonBytesMax),
            ("address", request.origin, ActionRecord.originBytesMax),
            ("command", request.command, ActionRecord.commandBytesMax),
        ]
        for (name, text, bytesMax) in texts {
            guard !text.isEmpty else { throw .usage("an action wants a \(name)") }
            guard text.utf8.count <= bytesMax else {
                throw .usage("the \(name) has more than \(bytesMax) bytes")
            }
            guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else { throw .usage("the \(name) is to be one line") }
        }
        guard !request.reason.hasPrefix("-") else {
            throw .usage("a reason does not begin with '-'")
        }
    }

    /// Returns what the end of the command means.
    func stage(_ status: ChildProcess.ExitStatus?) -> ActionStage {
        switch status {
        case .exited(ExitCode.success.rawValue): .done
        case .exited(ExitCode.usage.rawValue): .refused
        case .exited(ExitCode.failure.rawValue): isWhole ? .refused : .failed
        // The request stands, and may be done a moment later.
        case .exited(ExitCode.temporary.rawValue): .pending
        case .exited, .killed, nil: .failed
        }
    }
}
