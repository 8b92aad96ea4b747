import Primitives

/// The demo's live table. A terminal redraws it in place; other outputs get a line now and then.
struct DemoScreen {
    /// Without a terminal only every tenth sample is a line, so that a log stays readable.
    private static let plainEvery = 10

    private static let columns = FixedColumns(10, -10, -10, -10, -8, 0)

    private let terminal: Terminal
    private let isLive: Bool
    private var drawnLines = 0
    private var samples = 0

    init(_ terminal: Terminal, isLive: Bool) {
        self.terminal = terminal
        self.isLive = isLive
    }

    struct Frame: Sendable {
        var seconds: Int
        var onTape: UInt64
        var stored: UInt64
        var bars: UInt64
        var ticksPerSecond: UInt64
        var rows: [HotView.Row]
        var note: String

        var lag: UInt64 { onTape > stored ? onTape - stored : 0 }
    }

    mutating func show(_ frame: Frame) {
        samples += 1
        if isLive {
            draw(lines(frame))
        } else if samples % Self.plainEvery == 1 {
            terminal.line(summary(frame))
        }
    }

    /// Prints an event that stays visible. On a terminal it is above the table, which is redrawn
    /// below it.
    mutating func report(_ seconds: Int, _ news: String) {
        if drawnLines > 0 {
            terminal.raw("\u{1b}[\(drawnLines)A\u{1b}[J")
            drawnLines = 0
        }
        terminal.line("  \("\(seconds)".leftPadded(to: 3)) s  \(news)")
    }

    private func summary(_ frame: Frame) -> String {
        let first = frame.rows.first
        return "  \("\(frame.seconds)".leftPadded(to: 3)) s  \(frame.ticksPerSecond) ticks/s, "
            + "\(frame.stored) stored, lag \(frame.lag), \(frame.bars) bars"
            + (first.map { ", \($0.symbol) \($0.price)" } ?? "")
            + (frame.note.isEmpty ? "" : "  (\(frame.note))")
    }

    private func lines(_ frame: Frame) -> [String] {
        let head = Self.columns.line(
            "  SYMBOL", "LAST", "BID", "ASK", "AGE", " LAST 1s BAR (o h l c volume)")
        let rows = frame.rows.map { row in
            let age = row.ageMilliseconds.map { "\($0) ms" } ?? "-"
            let mark = row.isFilled ? "  (from the database)" : ""
            return Self.columns.line(
                "  \(row.symbol)", row.price, row.bid, row.ask, age, " \(row.bar)\(mark)")
        }
        return ["", summary(frame), "", head] + rows
    }

    /// Moves back over what was drawn before and clears each line it writes.
    private mutating func draw(_ lines: [String]) {
        var text = drawnLines > 0 ? "\u{1b}[\(drawnLines)A" : ""
        let width = terminal.columns
        for line in lines { text += "\u{1b}[2K\(line.prefix(width))\n" }
        terminal.raw(text)
        drawnLines = lines.count
    }
}
