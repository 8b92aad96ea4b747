internal import Glibc

/// The thread that runs a service's watch of its threads, and ends the process when one of them
/// hangs for too long.
///
/// From the request to stop on it reports no more hangs, because the frame has its own deadline
/// then. What it found before stays reported.
struct ThreadWatchLoop {
    /// The longest wait for a log line to be written: the hung thread may hold the log's lock.
    private static let emitTimeout = Duration.seconds(1)

    let watch: ThreadWatch
    let shutdown: ShutdownSignal
    let telemetry: TelemetryHub

    func start() throws(ServiceError) {
        _ = try ServiceThread(name: "thread-watch") { run() }
    }

    private func run() {
        while !shutdown.wait(timeout: ThreadWatch.turnTime) {
            let finding = watch.turn()
            for silence in finding.fell { emit(.threadHung(silence: silence)) }
            for thread in finding.rose { emit(.threadTurnsAgain(thread: thread)) }
            guard let silence = finding.end else { continue }
            let code = ExitCode.hung
            emit(.serviceHung(silence: silence, code: code), isLast: true)
            _exit(code.rawValue)
        }
    }

    /// Writes the line on a separate thread, because any lock of this process may be held for ever.
    private func emit(_ event: ServiceEvent, isLast: Bool = false) {
        do throws(ServiceError) {
            let writer = try ServiceThread(name: "thread-words") { [telemetry] in
                telemetry.emit(event)
                if isLast { telemetry.logger.flush() }
            }
            _ = writer.join(timeout: Self.emitTimeout)
        } catch {
            // Without a thread, only `/healthz` and the exit code show the event.
            return
        }
    }
}

extension ServiceEvent {
    /// A thread that does the service's work hangs.
    static func threadHung(silence: ThreadWatch.Silence) -> Self {
        Self(
            .error, "service.thread.hung",
            "\(silence.problem): what this process owns goes to others, and it ends soon unless "
                + "the thread goes on",
            ("thread", LogValue(silence.thread)), ("silent.seconds", LogValue(silence.seconds)),
            ("limit.seconds", LogValue(silence.limitSeconds)))
    }

    static func threadTurnsAgain(thread: String) -> Self {
        Self(
            .warning, "service.thread.turns", "thread \(thread) gives signs of life again",
            ("thread", LogValue(thread)))
    }

    /// A thread hung for too long. The process ends, so that another one can do its work.
    static func serviceHung(silence: ThreadWatch.Silence, code: ExitCode) -> Self {
        Self(
            .error, "service.hung", "\(silence.problem): ends, to be started again",
            ("thread", LogValue(silence.thread)), ("exit.code", LogValue(code.rawValue)))
    }
}
