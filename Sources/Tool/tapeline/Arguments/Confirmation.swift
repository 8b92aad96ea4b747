internal import Glibc

/// The question before something that cannot be taken back.
enum Confirmation {
    /// True: `--yes` was given, or a person at the terminal says so. Without a terminal the option
    /// is the only way, so that no script does it by accident.
    static func ask(
        _ question: String, isGiven: Bool, _ terminal: Terminal
    ) throws(ToolError) -> Bool {
        if isGiven { return true }
        guard isatty(0) == 1 else {
            throw .usage("this needs a person's consent: give --yes")
        }
        terminal.raw("\(question) [y/N] ")
        let answer = readLine() ?? ""
        return ["y", "yes"].contains(answer.lowercased())
    }
}
