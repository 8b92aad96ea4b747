import Synchronization

/// Redraws a screen in place. It overwrites every line in one `write(2)`, so that nothing flickers.
/// Without a terminal it writes block after block.
final class WatchScreen: Sendable {
    private static let enter = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J"
    private static let leave = "\u{1b}[?25h\u{1b}[?1049l"

    private let terminal: Terminal
    private let isLive: Bool
    private let stage = Mutex(Stage.before)

    private enum Stage {
        case before
        case drawing
        case left
    }

    init(_ terminal: Terminal, isLive: Bool) {
        self.terminal = terminal
        self.isLive = isLive
    }

    /// `colors` are sequences that begin the colour of lines, by their number.
    func show(_ lines: [String], colors: [Int: String] = [:]) {
        guard isLive else {
            for line in lines { terminal.line(line) }
            terminal.line()
            return
        }
        stage.withLock { stage in
            guard stage != .left else { return }
            let opening = stage == .before ? Self.enter : ""
            stage = .drawing
            terminal.raw(
                opening
                    + Self.frame(
                        lines, columns: terminal.columns, rows: terminal.rows, colors: colors))
        }
    }

    /// Restores the person's screen. It may be called from any thread and repeatedly.
    func end() {
        stage.withLock { stage in
            if stage == .drawing { terminal.raw(Self.leave) }
            stage = .left
        }
    }

    /// Truncates what does not fit on the screen, and says so.
    static func frame(
        _ lines: [String], columns: Int, rows: Int, colors: [Int: String] = [:]
    ) -> String {
        var shown = lines
        if lines.count > rows {
            let room = max(0, rows - 1)
            shown = lines.prefix(room) + ["… \(lines.count - room) more lines"]
        }
        let drawn = shown.enumerated().map { index, line in
            let cut = String(line.prefix(columns))
            return (colors[index].map { "\($0)\(cut)\u{1b}[0m" } ?? cut) + "\u{1b}[K"
        }.joined(separator: "\r\n")
        return "\u{1b}[H\(drawn)\u{1b}[J"
    }
}
