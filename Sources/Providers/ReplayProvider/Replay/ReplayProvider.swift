internal import Glibc
internal import MarketModel
package import Primitives
package import ProviderKit
internal import Recordings
package import ServiceRuntime
internal import Synchronization
internal import TapeCodec
internal import TapeTransport

/// Delivers a recording, or a range of another tape, unchanged: records, definitions, subscriptions
/// and gaps in their order, with the recorded watermarks.
///
/// What is on the tape already is found in the recording and left out. So a gateway that is killed
/// and started again loses nothing and doubles nothing.
package final class ReplayProvider: ProviderSource {
    package let name = "replay"
    /// False, because the recording can wait.
    package let isUrgent = false
    package let isRecorded = true

    /// The wait between two tries to read.
    private static let retryWait = Duration.seconds(1)
    /// The wait while the channel is full. The receiver takes thousands of records meanwhile.
    private static let fullWait = Duration.milliseconds(1)

    /// What the status page shows.
    private struct State {
        var phase = ReplayPhase.waiting
        /// Why the replay waits or cannot continue; `nil`: it continues.
        var problem: String?
        /// The packets that were read.
        var packets: UInt64 = 0
        /// The records of the recording that are on the target tape.
        var records: UInt64 = 0
        /// The records of kinds that no provider delivers.
        var unknown: UInt64 = 0
        /// The ticks that the recording lacks. It is known at its end.
        var missing = MissingTicks()
        /// The times at which the first and the latest packet were sent; undefined: none was read.
        var begin = Timestamp.undefined
        var reached = Timestamp.undefined
        /// The end of the recorded range.
        var end = Timestamp.undefined
    }

    private let settings: ReplaySettings
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let clock = SystemClock()
    private let state = Mutex(State())
    /// The beat of the thread that replays.
    private let beat = Mutex<ThreadBeat?>(nil)
    private let shutdown = ShutdownSignal()
    private let thread = Mutex<ServiceThread?>(nil)

    package init(_ context: ProviderKind.Context) throws {
        settings = try ReplaySettings(context.configuration)
        telemetry = context.telemetry
        threads = context.threads
    }

    /// The checks of this provider's settings.
    package static let rules: [ConfigurationRule] = [.of { _ = try ReplaySettings($0) }]

    // MARK: the gateway's side

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let started = try ServiceThread(name: "replay") { self.run(order, channel) }
        thread.withLock { $0 = started }
    }

    /// Does nothing: the recording decides what is delivered.
    package func follow(begun: [UInt32], ended: [UInt32]) {}

    package func stop(within timeout: Duration) -> Bool {
        shutdown.request("the gateway stops the replay")
        return thread.withLock { $0 }?.join(timeout: timeout) ?? true
    }

    package func write(into json: inout JSONWriter) {
        let present = state.withLock { $0 }
        json.member("process", Int(getpid()))
        json.member("state", present.phase.rawValue)
        json.key("problem")
        if let problem = present.problem { json.value(problem) } else { json.null() }
        json.member("packets", present.packets)
        json.member("records", present.records)
        json.member("unknown", present.unknown)
        json.member("purged", present.missing.purged)
        json.member("lost", present.missing.lost)
        json.member("begin", present.begin.isDefined ? "\(present.begin)" : "")
        json.member("reached", present.reached.isDefined ? "\(present.reached)" : "")
        json.member("end", present.end.isDefined ? "\(present.end)" : "")
    }

    // MARK: the thread

    /// How far the replay has come. It is kept over failures, so that a new try continues there.
    private struct Progress {
        /// The number of records that the target tape has, by partition.
        var sent: [UInt64]
        /// How far times are moved, in nanoseconds; `nil`: the first packet decides it.
        var shift: Int64?
        /// The first ordinal of each partition of the recording.
        var origins: [Partition: UInt64] = [:]
    }

    /// Replays, and tries again after failures that may pass.
    private func run(_ order: ProviderOrder, _ channel: ProviderChannel) {
        var progress: Progress?
        let beat = threads.thread("replay", within: ThreadWatch.callLimit)
        self.beat.withLock { $0 = beat }
        defer { beat.retire() }
        while goesOn {
            do {
                try replay(order, channel, &progress)
                return
            } catch is ReadingStopped {
                return
            } catch {
                let isFinal =
                    (error as? TapeError).map { !$0.isRetryable }
                    ?? (error as? TapeRangeError).map { !$0.isRetryable } ?? true
                fail("\(error)", isFinal: isFinal)
                if isFinal || shutdown.wait(timeout: Self.retryWait) { return }
            }
        }
    }

    /// False after `stop`. It is read in each turn, and beats.
    private var goesOn: Bool {
        beat.withLock { $0 }?.beat()
        return !shutdown.isRequested
    }

    /// Reports a failure, once. `isFinal`: there is no further try.
    private func fail(_ problem: String, isFinal: Bool) {
        let isNew = state.withLock { state in
            let isNew = state.problem != problem
            state.problem = problem
            state.phase = isFinal ? .failed : .waiting
            return isNew
        }
        if isNew { telemetry.emit(.replayFailed(problem: problem, isFinal: isFinal)) }
    }

    /// Delivers the recording from where it stopped. `progress`: `nil` before the first try.
    private func replay(
        _ order: ProviderOrder, _ channel: ProviderChannel, _ progress: inout Progress?
    ) throws {
        if progress == nil { progress = try findProgress(order) }
        let tape = try open()
        defer { tape.close() }
        guard var present = progress else { return }
        let first = try tape.next()
        if let first, present.shift == nil {
            present.shift = clock.now().nanoseconds(since: first.header.sendTime)
        }
        var floor = ReplayFloor(tape.about)
        var pass = ReplayPass(
            order.registry, routes(order, tape.about), sent: present.sent,
            shift: present.shift ?? 0,
            origins: present.origins)
        defer {
            progress = Progress(sent: pass.sent, shift: present.shift, origins: pass.origins)
        }
        begin(.replaying, tape.about)
        var pace = ReplayPace(settings.speed)
        var batch: [ProviderRecord] = []
        var next = first
        while let packet = next {
            try pass.take(packet, into: &batch)
            floor.took(packet.header)
            let reached = floor.floor.moved(byNanoseconds: present.shift ?? 0)
            if !batch.isEmpty || pass.delivered > 0 || settings.movesToNow {
                try wait(&pace, packet, present.shift ?? 0)
                try send(&batch, reached, channel)
            }
            note(packet, pass)
            guard goesOn else { throw ReadingStopped() }
            next = try tape.next()
        }
        state.withLock { $0.missing = tape.missing }
        let reached = floor.floor.moved(byNanoseconds: present.shift ?? 0)
        try send(&batch, reached, channel)
        state.withLock { $0.phase = .finished }
        telemetry.emit(
            .replayFinished(
                records: pass.delivered, unknown: pass.unknown, missing: tape.missing))
        channel.finish()
    }

    /// Finds in the recording what is on the tape already. Only after that is anything delivered.
    private func findProgress(_ order: ProviderOrder) throws -> Progress {
        let standing = try ReplayStanding(order)
        let shift: Int64? = settings.movesToNow ? nil : 0
        if case .file(let path, _) = settings.input { try check(path) }
        guard !standing.isEmpty else {
            return Progress(sent: standing.tails.map(\.count), shift: shift)
        }
        let tape = try open()
        defer { tape.close() }
        begin(.checking, tape.about)
        var proof = ReplayProof(standing, routes(order, tape.about), shift: shift)
        while !proof.isDone, let packet = try tape.next() {
            guard goesOn else { throw ReadingStopped() }
            try proof.take(packet)
        }
        if let problem = proof.missing() { throw problem }
        return Progress(sent: standing.tails.map(\.count), shift: proof.shift)
    }

    /// Reads a complete file, so that a damaged one is refused before anything is delivered.
    private func check(_ path: String) throws {
        _ = try RecordingFile.check(path) { !goesOn }
        guard goesOn else { throw ReadingStopped() }
    }

    /// Opens the recording, to be read from its beginning.
    private func open() throws -> any RecordedTape {
        switch settings.input {
        case .file(let path, _): return try RecordingFile(path)
        case .range(let range):
            let now = clock.now()
            // Packets that were sent shortly before the range's end may still be on their way to
            // the tape.
            guard now.nanoseconds(since: range.to) >= RecordedRange.settledNanoseconds else {
                throw TapeRangeError(
                    "REPLAY_TO is \(range.to): its tape is complete 5 s later", isRetryable: true)
            }
            return try RecordedRange(range, telemetry: telemetry, created: now) {
                !self.goesOn
            }
        }
    }

    private func routes(_ order: ProviderOrder, _ info: RecordingInfo) -> ReplayRoutes {
        let asked = settings.symbols
        return ReplayRoutes(
            partitions: order.partitions, symbols: asked.isEmpty ? info.symbols : asked)
    }

    // MARK: pieces

    private func begin(_ phase: ReplayPhase, _ info: RecordingInfo) {
        state.withLock { state in
            state.phase = phase
            state.problem = nil
            state.end = info.to
        }
    }

    /// Shows the progress after a packet.
    private func note(_ packet: RecordedPacket, _ pass: ReplayPass) {
        state.withLock { state in
            state.packets += 1
            state.records = pass.sent.reduce(0, +)
            state.unknown = pass.unknown
            if !state.begin.isDefined { state.begin = packet.header.sendTime }
            state.reached = packet.header.sendTime
        }
    }

    /// Waits until the packet is due.
    private func wait(
        _ pace: inout ReplayPace, _ packet: RecordedPacket, _ shift: Int64
    ) throws {
        let sent = packet.header.sendTime
        // A record that is moved to now is due at its moved time, also after a second start.
        let wait =
            settings.movesToNow
            ? sent.moved(byNanoseconds: shift).nanoseconds(since: clock.now())
            : pace.wait(sent: sent, monotonic: clock.monotonic())
        guard wait > 0 else { return }
        beat.withLock { $0 }?.beat(before: .nanoseconds(wait))
        if shutdown.wait(timeout: .nanoseconds(wait)) { throw ReadingStopped() }
    }

    /// Sends a batch. It waits while the channel is full.
    private func send(
        _ batch: inout [ProviderRecord], _ floor: Timestamp, _ channel: ProviderChannel
    ) throws {
        while true {
            switch channel.send(&batch, floor: floor) {
            case .sent: return
            case .closed: throw ReadingStopped()
            case .full:
                guard goesOn else { throw ReadingStopped() }
                if shutdown.wait(timeout: Self.fullWait) { throw ReadingStopped() }
            }
        }
    }
}

/// What a replay does at present.
enum ReplayPhase: String, Sendable {
    /// Waiting for its input.
    case waiting
    /// Finding in the recording what is on the tape.
    case checking
    case replaying
    case finished
    /// A person has to check.
    case failed
}

extension ServiceEvent {
    static func replayFailed(problem: String, isFinal: Bool) -> Self {
        Self(
            isFinal ? .error : .warning, "replay.failed",
            isFinal ? "the replay cannot go on: \(problem)" : "the replay waits: \(problem)")
    }

    static func replayFinished(records: UInt64, unknown: UInt64, missing: MissingTicks) -> Self {
        Self(
            missing.isEmpty && unknown == 0 ? .info : .warning, "replay.finished",
            missing.summary.map { "the recording is at its end; of its tape \($0)" }
                ?? "the recording is at its end",
            ("records", .unsigned(records)), ("unknown", .unsigned(unknown)),
            ("purged", .unsigned(missing.purged)), ("lost", .unsigned(missing.lost)))
    }
}
