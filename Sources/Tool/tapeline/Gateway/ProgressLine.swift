import Primitives
import ServiceRuntime

/// The progress of long work: one line that is redrawn each second. It is shown only on a terminal,
/// not in JSON output or in a file.
struct ProgressLine {
    private static let everyNanoseconds: Int64 = 1_000_000_000
    /// Returns to the start of the line and clears it.
    private static let again = "\r\u{1b}[K"

    private let terminal: Terminal
    private let isShown: Bool
    private let clock = SystemClock()
    private var shownAt = MonotonicTime.distantPast
    private var isOpen = false

    init(_ terminal: Terminal, asJSON: Bool) {
        self.terminal = terminal
        isShown = terminal.isInteractive && !asJSON
    }

    /// `text` is computed only if it is shown.
    mutating func show(_ text: () -> String) {
        guard isShown else { return }
        let now = clock.monotonic()
        guard now - shownAt >= Self.everyNanoseconds else { return }
        shownAt = now
        isOpen = true
        terminal.raw(Self.again + text().prefix(max(20, terminal.columns - 1)))
    }

    /// Clears the line, so that later output has a line of its own.
    mutating func end() {
        if isOpen { terminal.raw(Self.again) }
        isOpen = false
    }

    /// Returns " 43 %", or nothing while the total is not known.
    static func share(_ done: UInt64, of whole: UInt64) -> String {
        guard whole > 0 else { return "" }
        return " \(min(100, done.multipliedReportingOverflow(by: 100).partialValue / whole)) %"
    }

    /// Returns how much of [from, to) is before `reached`.
    static func share(_ reached: Timestamp, from: Timestamp, to: Timestamp) -> String {
        guard from.isDefined, to.isDefined, reached.isDefined, from < to else { return "" }
        let done = max(0, reached.nanoseconds(since: from)) / 1_000_000
        return share(UInt64(done), of: UInt64(max(1, to.nanoseconds(since: from) / 1_000_000)))
    }
}
