import ServiceRuntime

/// The unit of systemd that runs `tapeline up --foreground`. Pure: the same inputs give the same
/// text. It has no values of settings, because everybody may read it.
struct ServiceUnit: Equatable, Sendable {
    /// How long it waits before the next start, and how many starts may fail in how long.
    private static let restartSeconds = 10
    private static let startsMax = 5
    private static let startsSeconds = 600
    /// Longer than `down` may take.
    private static let stopSeconds = 240

    let stack: String
    /// The program of the tool that stays where it is.
    let program: String
    /// The checkout, if the tool is not to find it itself.
    var checkout: String?
    /// What `up` is given.
    var arguments: [String] = []
    let home: String
    /// True for a unit of the machine, false for one of a person's session.
    let isOfRoot: Bool

    /// The units of Debian's packages have names without the word `stack`.
    var name: String { "tapeline-stack-\(stack).service" }

    var folder: String { isOfRoot ? "/etc/systemd/system" : "\(home)/.config/systemd/user" }

    var path: String { "\(folder)/\(name)" }

    /// What starts it: a link that `systemctl enable` makes.
    private var target: String { isOfRoot ? "multi-user.target" : "default.target" }
    var link: String { "\(folder)/\(target).wants/\(name)" }

    /// The main process stops the others in their order. A configuration that is refused stays
    /// refused, so it is not started again.
    var text: String {
        """
        [Unit]
        Description=The stack \(stack) of Tapeline
        After=network.target
        StartLimitIntervalSec=\(Self.startsSeconds)
        StartLimitBurst=\(Self.startsMax)

        [Service]
        Type=exec
        Environment=\(Self.quoted("HOME=\(home)"))
        ExecStart=\(command)
        Restart=on-failure
        RestartSec=\(Self.restartSeconds)
        RestartPreventExitStatus=\(ExitCode.usage.rawValue)
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

    private var command: String {
        let place = (checkout.map { ["--home", $0] } ?? []) + ["--name", stack]
        return ([program, "up", "--foreground"] + place + arguments).map(Self.quoted)
            .joined(separator: " ")
    }

    /// Returns one word of a unit's line, in which nothing is replaced.
    private static func quoted(_ word: String) -> String {
        var escaped = word.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        for sign in ["%", "$"] { escaped = escaped.replacing(sign, with: sign + sign) }
        return "\"\(escaped)\""
    }
}
