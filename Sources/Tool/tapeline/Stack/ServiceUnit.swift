import ServiceRuntime

/// The unit of systemd that runs `tapeline up --foreground`. Pure: the same inputs give the same
/// text. It has no values of settings, because everybody may read it.
struct ServiceUnit: Equatable, Sendable {
    /// How long it waits before the next start. There is no limit of starts: a machine may be
    /// without network for hours, and what is wrong for good is not started again.
    private static let restartSeconds = 10
    /// Longer than `down` may take.
    private static let stopSeconds = 240

    let stack: String
    /// The folder of the stack: another checkout may have one of the same name.
    let stackFolder: String
    /// The program of the tool that stays where it is.
    var program = ""
    /// The checkout, if the tool is not to find it itself.
    var checkout: String?
    /// What `up` is given.
    var arguments: [String] = []
    let home: String
    /// True for a unit of the machine, false for one of a person's session.
    let isOfRoot: Bool

    /// Returns the unit that is written for a stack, of the machine or of the person whose home
    /// this is.
    static func written(for stack: StackHome, home: String?) throws(ToolError) -> ServiceUnit? {
        for isOfRoot in [true, false] where isOfRoot || home != nil {
            let unit = ServiceUnit(
                stack: stack.name, stackFolder: stack.path, home: home ?? "", isOfRoot: isOfRoot)
            let bytes = try FileSystem.read(unit.path) ?? []
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            if lines.contains(Substring(unit.mark)) { return unit }
        }
        return nil
    }

    /// The units of Debian's packages have names without the word `stack`.
    var name: String { "tapeline-stack-\(stack).service" }

    var folder: String { isOfRoot ? "/etc/systemd/system" : "\(home)/.config/systemd/user" }

    var path: String { "\(folder)/\(name)" }

    /// What starts it: a link that `systemctl enable` makes.
    private var target: String { isOfRoot ? "multi-user.target" : "default.target" }
    var link: String { "\(folder)/\(target).wants/\(name)" }

    /// Names the stack for `written`. Systemd passes over keys that begin so.
    private var mark: String { "X-Stack=\(stackFolder)" }

    /// The manager of a person knows nothing of the network.
    private var order: String {
        isOfRoot ? "Wants=network-online.target\nAfter=network-online.target\n" : ""
    }

    /// The main process stops the others in their order. A configuration that is refused stays
    /// refused, so it is not started again. What the kernel kills for its memory is started again
    /// by the supervisor, and not with the whole stack.
    var text: String {
        """
        [Unit]
        Description=The stack \(stack) of Tapeline
        \(mark)
        \(order)StartLimitIntervalSec=0

        [Service]
        Type=exec
        Environment=\(Self.quoted("HOME=\(home)", doubling: ["%"]))
        ExecStart=\(command)
        Restart=on-failure
        RestartSec=\(Self.restartSeconds)
        RestartPreventExitStatus=\(ExitCode.usage.rawValue)
        OOMPolicy=continue
        KillMode=mixed
        TimeoutStopSec=\(Self.stopSeconds)

        [Install]
        WantedBy=\(target)

        """
    }

    /// How a person calls systemd about it.
    func systemctl(_ words: String) -> String {
        "systemctl \(isOfRoot ? "" : "--user ")\(words)"
    }

    /// True if systemd has started a process for this unit. `groups` is its `/proc/ID/cgroup`.
    func hasStarted(_ groups: String) -> Bool {
        groups.split { $0.isNewline || $0 == "/" }.contains(Substring(name))
    }

    private var command: String {
        let place = (checkout.map { ["--home", $0] } ?? []) + ["--name", stack]
        let words = [program, "up", "--foreground"] + place + arguments
        return words.map { Self.quoted($0, doubling: ["%", "$"]) }.joined(separator: " ")
    }

    /// Returns one word of a unit's line, in which nothing is replaced. Variables are replaced in
    /// commands alone.
    private static func quoted(_ word: String, doubling signs: [String]) -> String {
        var escaped = word.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        for sign in signs { escaped = escaped.replacing(sign, with: sign + sign) }
        return "\"\(escaped)\""
    }
}
