internal import Glibc

/// Writes results to standard output and problems to standard error, complete lines by `write(2)`.
/// The text is the same for a pipe or a file.
struct Terminal: Sendable {
    var output: Int32 = 1
    var errors: Int32 = 2
    /// The stack that a person named. Commands in lines and problems have it, too.
    var stack: String?
    /// Whether reports are printed as CSV.
    var asCSV = false

    func line(_ text: String = "") { write(named(text) + "\n", to: output) }

    /// Writes text with control sequences. Use it on a terminal only.
    func raw(_ text: String) { write(text, to: output) }

    /// True if standard output is a terminal, where lines can be redrawn.
    var isInteractive: Bool {
        guard isatty(output) == 1 else { return false }
        return unsafe getenv("TERM").map { unsafe String(cString: $0) != "dumb" } ?? false
    }

    /// True if text may have colours: on a terminal, unless NO_COLOR is set.
    var isColored: Bool {
        let forbids = unsafe getenv("NO_COLOR").map { unsafe $0.pointee != 0 } ?? false
        return isInteractive && !forbids
    }

    var columns: Int { size.map { Int($0.ws_col) } ?? 80 }
    var rows: Int { size.map { Int($0.ws_row) } ?? 24 }

    /// The terminal's size. `nil` if there is no terminal.
    private var size: winsize? {
        var size = winsize()
        guard unsafe ioctl(output, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0
        else { return nil }
        return size
    }

    func problem(_ text: String) { write("tapeline: \(named(text))\n", to: errors) }

    private func named(_ text: String) -> String {
        stack.map { NamedCommands.named(text, $0) } ?? text
    }

    /// A reader that has closed the pipe (`| head`) is not a failure of the command.
    private func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            done += count
        }
    }
}

extension String {
    /// Padded with blanks on the right, for tables.
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}

extension Duration {
    /// The duration as text: "0.4 s", "312.0 s".
    var shown: String {
        let (seconds, attoseconds) = components
        return "\(seconds).\(attoseconds / 100_000_000_000_000_000) s"
    }
}
