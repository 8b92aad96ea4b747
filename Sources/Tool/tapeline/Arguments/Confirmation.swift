internal import Glibc

/// Asks before an action that cannot be undone.
enum Confirmation {
    /// Returns true if `--yes` was given or a person at the terminal confirms. Without a terminal
    /// only `--yes` confirms, so no script does it by accident. `refused` is said of a refusal.
    static func ask(
        _ question: String, isGiven: Bool, _ terminal: Terminal,
        refused: String = "nothing was changed"
    ) throws(ToolError) -> Bool {
        if isGiven { return true }
        guard isatty(0) == 1 else {
            throw .usage("this needs a person's consent: give --yes")
        }
        terminal.raw("\(question) [y/N] ")
        let answer = readLine() ?? ""
        let isAgreed = ["y", "yes"].contains(answer.lowercased())
        if !isAgreed { terminal.line(refused) }
        return isAgreed
    }
}
