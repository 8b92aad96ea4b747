internal import Glibc
public import Primitives
import Synchronization

/// Writes the log lines of one service. Any thread may call it; one line is written at a time.
public final class Logger: Sendable {
    public let service: String
    public let level: LogLevel
    private let format: LogFormat
    private let sink: LogSink
    private let now: @Sendable () -> Timestamp
    private let state = Mutex(State())
    private let suppressedTotal = Atomic<UInt64>(0)
    private let droppedTotal = Atomic<UInt64>(0)

    private struct State {
        var limit = RepeatLimit()
        /// The number of lines that the sink has dropped since it last accepted one.
        var dropped: UInt64 = 0
    }

    public init(
        service: String, level: LogLevel, format: LogFormat, sink: LogSink = .standardError,
        now: @escaping @Sendable () -> Timestamp = Logger.systemTime
    ) {
        self.service = service
        self.level = level
        self.format = format
        self.sink = sink
        self.now = now
    }

    /// Returns whether a line of this level would be written, for callers whose fields are
    /// expensive.
    public func isEnabled(_ level: LogLevel) -> Bool { level >= self.level }

    /// Writes one line, unless its level is filtered out or its event comes too often.
    ///
    /// `event` is a constant such as `gateway.publish.refused`. Variable data go into `fields`,
    /// whose names have dots, too. Names of the line itself (`ts`, `level` …) become `field.ts`.
    public func log(
        _ level: LogLevel, _ event: String, _ message: String,
        _ fields: [(String, LogValue)] = []
    ) {
        guard isEnabled(level) else { return }
        state.withLock { state in
            let time = now()
            reportSuppressed(&state, at: time)
            if level >= .info, !state.limit.admits(event, level, at: time) {
                suppressedTotal.add(1, ordering: .relaxed)
                return
            }
            reportDropped(&state, at: time)
            write(&state, line(time, level, event, message, fields))
        }
    }

    /// Reports what was suppressed so far. Call it before a process ends.
    public func flush() {
        state.withLock { state in
            let time = now()
            reportSuppressed(&state, at: time, all: true)
            reportDropped(&state, at: time)
        }
    }

    /// The number of lines since the start that came too often.
    public var suppressedCount: UInt64 { suppressedTotal.load(ordering: .relaxed) }

    /// The number of lines since the start that the sink dropped.
    public var droppedCount: UInt64 { droppedTotal.load(ordering: .relaxed) }

    /// Reads CLOCK_REALTIME.
    public static let systemTime: @Sendable () -> Timestamp = {
        var time = timespec()
        // Safety: the call fills `time`; with this clock it cannot fail.
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    // MARK: parts

    private func reportSuppressed(_ state: inout State, at time: Timestamp, all: Bool = false) {
        for held in state.limit.due(at: time, all: all) {
            write(
                &state,
                line(
                    time, held.level, "log.suppressed",
                    "\(held.lines) more lines of \(held.event) came too fast and were left out",
                    [
                        ("suppressed.event", LogValue(held.event)),
                        ("suppressed.lines", LogValue(held.lines)),
                    ]))
        }
    }

    private func reportDropped(_ state: inout State, at time: Timestamp) {
        guard state.dropped > 0 else { return }
        let count = state.dropped
        let notice = line(
            time, .warning, "log.dropped",
            "\(count) lines were dropped because the log's reader did not take them",
            [("dropped.lines", LogValue(count))])
        if sink.write(notice.rendered(as: format)) { state.dropped -= count }
    }

    private func write(_ state: inout State, _ line: LogLine) {
        guard !sink.write(line.rendered(as: format)) else { return }
        state.dropped += 1
        droppedTotal.add(1, ordering: .relaxed)
    }

    private func line(
        _ time: Timestamp, _ level: LogLevel, _ event: String, _ message: String,
        _ fields: [(String, LogValue)]
    ) -> LogLine {
        LogLine(
            time: time, level: level, service: service, event: event, message: message,
            fields: fields)
    }
}
