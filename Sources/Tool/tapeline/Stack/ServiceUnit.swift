import ServiceRuntime

/// The unit of systemd that starts and stops a local stack. Pure: the same inputs give the same
/// text.
struct ServiceUnit: Equatable, Sendable {
    /// A little more than `up` and `down` wait.
    private static let startSeconds = 660
    private static let stopSeconds = 120

    let stack: String
    /// The program of the tool that stays where it is.
    let program: String
    /// The checkout, if the tool is not to find it itself.
    var checkout: String?
    /// What `up` is given.
    let arguments: [String]
    let home: String
    /// Of the machine and not of a person's session.
    let isOfRoot: Bool

    var name: String { "tapeline-\(stack).service" }

    var folder: String { isOfRoot ? "/etc/systemd/system" : "\(home)/.config/systemd/user" }

    var path: String { "\(folder)/\(name)" }

    var text: String {
        """
        [Unit]
        Description=The stack \(stack) of Tapeline
        After=network.target

        [Service]
        Type=oneshot
        RemainAfterExit=yes
        Environment=\(Self.quoted("HOME=\(home)"))
        ExecStart=\(command(["up"] + arguments))
        ExecStop=\(command(["down"]))
        TimeoutStartSec=\(Self.startSeconds)
        TimeoutStopSec=\(Self.stopSeconds)

        [Install]
        WantedBy=\(isOfRoot ? "multi-user.target" : "default.target")

        """
    }

    /// How a person calls systemd about it.
    func systemctl(_ words: String) -> String {
        "systemctl \(isOfRoot ? "" : "--user ")\(words)"
    }

    private func command(_ words: [String]) -> String {
        let place = (checkout.map { ["--home", $0] } ?? []) + ["--name", stack]
        return ([program] + words + place).map(Self.quoted).joined(separator: " ")
    }

    /// Returns one word of a unit's line, in which nothing is replaced.
    private static func quoted(_ word: String) -> String {
        var escaped = word.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        for sign in ["%", "$"] { escaped = escaped.replacing(sign, with: sign + sign) }
        return "\"\(escaped)\""
    }
}
