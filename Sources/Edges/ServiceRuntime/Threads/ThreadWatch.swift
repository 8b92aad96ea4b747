internal import Primitives
internal import Synchronization

/// Watches the threads that do a service's work. A thread that no longer turns, and waits for
/// nothing that has a deadline of ours, is *hung*. Then the service is not alive (`/healthz`), its
/// memberships report `paused`, so that others take its partitions, and a while later the process
/// ends.
///
/// It has no clock: its runner calls `turn` once per `turnTime`.
public final class ThreadWatch: Sendable {
    /// The limit of a thread that never waits for long.
    public static let loopLimit = Duration.seconds(5)
    /// The limit of a thread that asks servers and disks. Each call has a deadline below this.
    public static let callLimit = Duration.seconds(45)
    /// The time that a disk may take for a write, and the system for resolving a name: neither has
    /// a deadline of ours. With their default configuration, resolvers give up within this time.
    public static let systemTime = Duration.seconds(180)
    /// The time from the moment at which a thread is treated as hung to the end of the process.
    public static let hungTimeMax = Duration.seconds(30)
    /// The time between two turns.
    static let turnTime = Duration.milliseconds(250)
    /// More threads are a bug: code names threads, and their numbers are bounded.
    public static let threadsMax = 512

    /// The silence of one thread.
    struct Silence: Equatable, Sendable {
        let thread: String
        let turns: Int
        let turnsMax: Int

        var isHung: Bool { turns > turnsMax }
        var seconds: Int { Int(max(0, turns)) / ThreadWatch.turnsPerSecond }
        var limitSeconds: Int { turnsMax / ThreadWatch.turnsPerSecond }
        var problem: String { "thread \(thread): no sign of life for \(seconds) s" }
    }

    /// The result of a turn.
    struct Finding: Equatable, Sendable {
        /// Threads that are hung in this turn and were not in the previous one.
        var fell: [Silence] = []
        /// Threads that were hung in the previous turn and are not in this one.
        var rose: [String] = []
        /// The process has to end, because this thread has been hung for too long.
        var end: Silence?
    }

    private struct State {
        var beats: [ThreadBeat] = []
        var hung: [Silence] = []
        var metrics: MetricRegistry?
    }

    private static let turnsPerSecond = turns(in: .seconds(1))
    private let state = ConditionLock(State())
    private let hasHung = Atomic(false)
    private let hungTurnsMax: Int

    public init(hungTimeMax: Duration = ThreadWatch.hungTimeMax) {
        hungTurnsMax = Self.turns(in: hungTimeMax)
    }

    static func turns(in time: Duration) -> Int {
        let turns = max(0, time.clampedNanoseconds) / turnTime.clampedNanoseconds
        return Int(clamping: min(turns, Int64(Int32.max)))
    }

    /// From now on the thread of this name has to beat within `limit`, until it retires.
    public func thread(
        _ name: String, within limit: Duration = ThreadWatch.loopLimit
    ) -> ThreadBeat {
        let beat = ThreadBeat(name, within: limit)
        let metrics = state.withLock { state in
            state.beats.removeAll(where: \.isRetired)
            state.beats.append(beat)
            precondition(
                state.beats.count <= Self.threadsMax,
                "more than \(Self.threadsMax) threads are watched")
            return state.metrics
        }
        if let metrics { show(beat, in: metrics) }
        return beat
    }

    /// True while a thread is hung. Costs one atomic load.
    public var isHung: Bool { hasHung.load(ordering: .relaxed) }

    /// One line for each thread that is hung.
    var problems: [String] { state.withLock { $0.hung.map(\.problem) } }

    /// Makes one turn of the watch.
    func turn() -> Finding {
        state.withLock { state in
            state.beats.removeAll(where: \.isRetired)
            let before = state.hung.map(\.thread)
            state.hung = state.beats.compactMap { beat in
                let silence = Silence(
                    thread: beat.name, turns: beat.countTurn(), turnsMax: beat.turnsMax)
                return silence.isHung ? silence : nil
            }
            hasHung.store(!state.hung.isEmpty, ordering: .relaxed)
            let now = state.hung.map(\.thread)
            return Finding(
                fell: state.hung.filter { !before.contains($0.thread) },
                rose: before.filter { !now.contains($0) },
                end: state.hung.first { $0.turns > $0.turnsMax + hungTurnsMax })
        }
    }

    // MARK: status and metrics

    /// Shows each thread, including those that are added later.
    func show(in metrics: MetricRegistry) {
        let beats = state.withLock { state in
            state.metrics = metrics
            return state.beats
        }
        metrics.reading(
            "mds_threads_hung",
            "watched threads that give no sign of life for longer than their limit (5 s; for "
                + "threads that ask servers 45 s); the process gives its partitions away and "
                + "ends 30 s later", "above 0: [ThreadFailed](runbooks/Threads.md)"
        ) {
            [weak self] in
            self.map { watch in Double(watch.state.withLock { $0.hung.count }) }
        }
        for beat in beats { show(beat, in: metrics) }
    }

    private func show(_ beat: ThreadBeat, in metrics: MetricRegistry) {
        metrics.reading(
            "mds_thread_silence_seconds",
            "how long a watched thread has given no sign of life, not counting calls with a "
                + "deadline", "see `mds_threads_hung`", labels: [("thread", beat.name)]
        ) { [weak beat] in
            guard let beat, !beat.isRetired else { return nil }
            return Double(max(0, beat.silence)) / Double(Self.turnsPerSecond)
        }
    }

    /// Writes the section "threads" of `/status`.
    func write(into json: inout JSONWriter) {
        let beats = state.withLock { $0.beats }
        json.array("watched") { json in
            for beat in beats where !beat.isRetired {
                let silence = Silence(
                    thread: beat.name, turns: beat.silence, turnsMax: beat.turnsMax)
                json.object { json in
                    json.member("thread", beat.name)
                    json.member("silentSeconds", silence.seconds)
                    json.member("limitSeconds", silence.limitSeconds)
                    json.member("hung", silence.isHung)
                }
            }
        }
    }
}
