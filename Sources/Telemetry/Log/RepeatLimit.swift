import Primitives

/// Keeps a retry loop from flooding the log: counts the lines of each event in windows of time.
struct RepeatLimit {
    /// Of one event and level in one window.
    static let linesMax = 20
    static let windowSeconds: Int64 = 10
    /// Events that are told apart; those beyond share one window. Event names are constants of
    /// the code, so this is never reached unless a name is made from data.
    static let eventsMax = 512

    struct Suppressed: Equatable {
        let event: String
        let level: LogLevel
        let lines: Int
    }

    private struct Key: Hashable {
        let event: String
        let level: LogLevel
    }

    private struct Window {
        var start: Timestamp
        var lines: Int
        var suppressed: Int
    }

    private var windows: [Key: Window] = [:]
    /// When the earliest window with something suppressed ends; nothing has to be looked through
    /// before it.
    private var nextReport = Timestamp.undefined

    /// Whether a line of this event may be written now.
    mutating func admits(_ event: String, _ level: LogLevel, at now: Timestamp) -> Bool {
        var key = Key(event: event, level: level)
        if windows[key] == nil, windows.count >= Self.eventsMax {
            key = Key(event: "(other events)", level: level)
        }
        var window = windows[key] ?? Window(start: now, lines: 0, suppressed: 0)
        defer { windows[key] = window }
        // A clock that was set back would hold a window open for as long.
        if isOver(window, at: now) || now < window.start {
            window = Window(start: now, lines: 1, suppressed: window.suppressed)
            if window.suppressed > 0 { nextReport = min(nextReport, end(of: window)) }
            return true
        }
        if window.lines < Self.linesMax {
            window.lines += 1
            return true
        }
        window.suppressed += 1
        nextReport = min(nextReport, end(of: window))
        return false
    }

    /// What was suppressed in windows that are over (or, at the end of the process, in all of
    /// them), sorted by event. It is handed out once.
    mutating func due(at now: Timestamp, all: Bool = false) -> [Suppressed] {
        guard all || now >= nextReport else { return [] }
        var found: [Suppressed] = []
        nextReport = .undefined
        for (key, window) in windows where window.suppressed > 0 {
            guard all || isOver(window, at: now) else {
                nextReport = min(nextReport, end(of: window))
                continue
            }
            found.append(
                Suppressed(event: key.event, level: key.level, lines: window.suppressed))
            windows[key]?.suppressed = 0
        }
        return found.sorted { ($0.event, $0.level) < ($1.event, $1.level) }
    }

    private func isOver(_ window: Window, at now: Timestamp) -> Bool { now >= end(of: window) }

    private func end(of window: Window) -> Timestamp {
        window.start.advanced(byNanoseconds: Self.windowSeconds * 1_000_000_000)
    }
}
