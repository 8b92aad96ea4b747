internal import MarketModel
internal import NatsTransport
internal import Primitives
package import ServiceRuntime
package import ValkeyClient

/// Keeps the latest quote, trade, bars and provider's bars of every symbol and source in Valkey.
///
/// The packets come from the thread that reads the tape (`HotQueue`). It does not depend on the
/// database, and a loss of Valkey's data loses nothing on the tape. While a round trip is in
/// progress, new values replace older ones of the same key in memory. When its answers are there,
/// and some milliseconds after it began, the next one begins.
///
/// A *value* is the latest record under one key. It is *pending* while it is not in Valkey. The
/// *marker* is a key of this process: if it is missing, Valkey was emptied, and all values are
/// written again. A key's *life* is the time after which it expires.
package final class HotStateKeeper {
    /// How Valkey is reached, and how the hot state is kept there.
    package struct Settings: Sendable {
        package var valkey: ValkeyConfiguration
        /// The most symbols of sources in memory. Beyond it, those without recent values are
        /// dropped.
        package var symbolsMax: Int
        /// The time after which a key without new values expires.
        package var life = Duration.seconds(36 * 3_600)
        /// The age from which readers take a value as stale.
        package var staleAfter = Duration.seconds(300)

        package init(_ valkey: ValkeyConfiguration, symbolsMax: Int) {
            self.valkey = valkey
            self.symbolsMax = symbolsMax
        }
    }

    /// The name under which this part is listed in the readiness report.
    package static let part = "hot state"
    /// The same for its lanes, which values do not need.
    private static let lanesPart = "lanes of the hot state"

    /// The longest wait when there is nothing to do. A new packet ends it immediately.
    private static let idleNanoseconds: Int64 = 100_000_000
    /// The longest wait for an answer of Valkey, so that the queue is emptied meanwhile.
    private static let answerWait = Duration.milliseconds(20)
    /// The shortest time from the beginning of a round trip to that of the next one, so that the
    /// values of several packets go into one. A round trip after a quiet time begins immediately.
    package static let paceNanoseconds: Int64 = 2_000_000
    /// The first and the longest wait after a failure of Valkey.
    private static let retryFirst = Duration.milliseconds(100)
    private static let retryMax = Duration.seconds(5)
    /// The timeout for connecting, during which packets wait in the queue.
    private static let connectTimeout = Duration.seconds(1)
    /// The timeout of a round trip. An answer usually takes some milliseconds.
    private static let answerTimeout = Duration.seconds(2)
    /// The longest time for the last values, after the last packet. `WriterThreads` waits longer.
    private static let endNanoseconds: Int64 = 1_000_000_000
    /// The interval at which the marker is renewed and checked.
    private static let markerNanoseconds: Int64 = 500_000_000
    /// The most keys of one round trip: far below what a pipeline of `ValkeyConnection` may hold.
    private static let keysPerRoundTrip = 2_048

    private let settings: Settings
    private let queue: HotQueue
    private let namespace: String
    private let context: ServiceContext
    private let clock = SystemClock()
    private let beat: ThreadBeat
    /// The key of the marker, with a random number of this process.
    private let marker: String
    private let ages: HotAges
    private var metrics: HotMetrics
    private var table: HotTable
    /// The connection to Valkey; `nil` when there is none.
    private var session: HotSession?
    private var retries = Retries()
    /// When the marker is renewed and checked next.
    private var markerAt = MonotonicTime.distantPast
    /// When the next round trip may begin.
    private var pacedUntil = MonotonicTime.distantPast

    /// The waits after failures of Valkey.
    private struct Retries {
        private var backoff = Backoff(
            first: HotStateKeeper.retryFirst, limit: HotStateKeeper.retryMax)
        private var random = SystemRandomNumberGenerator()
        /// When the next attempt after a failure may be made.
        private(set) var at = MonotonicTime.distantPast
        /// Whether the last attempt to connect or write failed, or none was made so far.
        private(set) var isTroubled = true

        mutating func wait(from now: MonotonicTime) {
            at = now + backoff.next(using: &random).clampedNanoseconds
            isTroubled = true
        }

        mutating func noWait() { at = .distantPast }

        /// Returns false when all was well before.
        mutating func end() -> Bool {
            guard isTroubled else { return false }
            isTroubled = false
            backoff.reset()
            at = .distantPast
            return true
        }
    }

    init(
        _ settings: Settings, _ queue: HotQueue, namespace: String, context: ServiceContext,
        beat: ThreadBeat
    ) {
        var settings = settings
        settings.valkey.connectTimeout = Self.connectTimeout
        settings.valkey.commandTimeout = Self.answerTimeout
        settings.valkey.clientName = "tapeline-hot-state"
        self.settings = settings
        self.queue = queue
        self.namespace = namespace
        self.context = context
        self.beat = beat
        ages = HotAges(
            life: settings.life.clampedNanoseconds, stale: settings.staleAfter.clampedNanoseconds)
        marker = "\(namespace):hot:\(UInt64.random(in: 0...UInt64.max))"
        metrics = HotMetrics(context.telemetry.metrics)
        table = HotTable(symbolsMax: settings.symbolsMax)
        context.telemetry.metrics.watchQueue(
            "hot-state", capacity: { HotQueue.packetsMax }, depth: { [weak queue] in queue?.count })
    }

    /// Runs on the calling thread until the queue is closed and its values are in Valkey, as far as
    /// Valkey takes them. A failure is reported, never thrown, because the rest of the service
    /// continues.
    package static func run(
        _ settings: Settings, _ queue: HotQueue, namespace: String, context: ServiceContext
    ) {
        let beat = context.threads.thread("hot-state")
        defer { beat.retire() }
        HotStateKeeper(settings, queue, namespace: namespace, context: context, beat: beat).run()
    }

    private func run() {
        var packets: [HotQueue.Waiting?] = []
        var mayCome = true
        while mayCome {
            beat.beat()
            let (time, collecting) = wait
            mayCome = queue.take(into: &packets, waiting: time, collecting: collecting)
            for case let packet? in packets {
                beat.beat()
                take(packet)
            }
            packets.removeAll(keepingCapacity: true)
            if let fill = queue.takeFill() { table.add(fill) }
            write()
        }
        writeLast()
        session?.close()
    }

    /// Writes what is pending after the last packet: nobody else would write it. Ends at a failure
    /// of Valkey.
    private func writeLast() {
        let deadline = clock.monotonic() + Self.endNanoseconds
        table.lanes.finish()
        while let session {
            let now = clock.monotonic()
            guard session.isWaiting || table.pendingCount > 0 || table.lanes.isDue(now) else {
                return
            }
            guard now >= retries.at else { return }
            guard now < deadline else {
                return failed(.timeout, "the last values were not written before the end")
            }
            beat.beat()
            pacedUntil = .distantPast
            write()
        }
    }

    /// How long to wait before the next turn, and whether packets are only collected meanwhile. The
    /// wait is zero while an answer of Valkey is expected, because `write` waits for that.
    private var wait: (time: Duration, collecting: Bool) {
        let now = clock.monotonic()
        let idle = now + Self.idleNanoseconds
        guard let session else { return (clock.remaining(until: min(idle, retries.at)), false) }
        if session.isWaiting { return (.zero, false) }
        if now < pacedUntil { return (clock.remaining(until: pacedUntil), true) }
        let isDue = table.pendingCount > 0 || table.lanes.isDue(now)
        let next = isDue ? retries.at : max(retries.at, markerAt)
        return (clock.remaining(until: min(idle, next)), false)
    }

    /// Takes the values of a packet into the table.
    private func take(_ packet: HotQueue.Waiting) {
        // Every packet that a reader delivers has this subject.
        guard let place = packet.message.withReplyTo({ PulledMessage(ofReplySubject: $0) }) else {
            return
        }
        let origin = HotOrigin(
            source: packet.source,
            order: HotOrder(streamCreated: packet.streamCreated, sequence: place.streamSequence),
            receivedAt: packet.receivedAt, stored: place.time)
        packet.message.withPayload { table.add($0, origin) }
    }
}

// MARK: - Valkey

extension HotStateKeeper {
    /// Makes one step: connects, waits for the answers of a round trip, or begins the next one.
    private func write() {
        let now = clock.monotonic()
        guard let session else {
            if now >= retries.at { connect(now) }
            return
        }
        do throws(ValkeyError) {
            if session.isWaiting {
                guard
                    let settled = try session.advance(
                        waitingAtMost: Self.answerWait, &table)
                else { return }
                account(settled, session)
            } else if now >= max(retries.at, pacedUntil) {
                let isMarkerDue = now >= markerAt
                guard isMarkerDue || table.pendingCount > 0 || table.lanes.isDue(now) else {
                    return
                }
                if isMarkerDue { markerAt = now + Self.markerNanoseconds }
                pacedUntil = now + Self.paceNanoseconds
                try session.begin(
                    &table, keysMax: Self.keysPerRoundTrip, withMarker: isMarkerDue, now: now, ages)
            }
        } catch {
            session.giveUp(&table)
            session.close()
            self.session = nil
            failed(error.hotFailure, "\(error)")
        }
    }

    /// Handles the outcome of a round trip.
    private func account(_ settled: HotSession.Settled, _ session: HotSession) {
        metrics.wrote(settled.written, of: settled.keys)
        if settled.replaced > 0 {
            context.telemetry.emit(.hotKeysReplaced(count: settled.replaced))
        }
        if settled.isFlushed { rebuild("Valkey was flushed") }
        account(lanesOf: settled)
        if let refusal = settled.refusal {
            refused(refusal, session)
        } else {
            let oldest = session.oldest
            metrics.aged(received: oldest.received, stored: oldest.stored, now: clock.now())
            recovered()
        }
        metrics.show(table)
    }

    /// Reports whether Valkey takes lanes.
    private func account(lanesOf settled: HotSession.Settled) {
        if let refusal = settled.laneRefusal {
            table.lanes.refuse(clock.monotonic())
            let reason = HotFailure.lanes.advice(refusal)
            context.readiness.degrade(Self.lanesPart, reason)
            context.telemetry.emit(.hotStateFailed(kind: .lanes, reason: reason))
        } else if settled.hasLanes, table.lanes.accept() {
            context.readiness.degrade(Self.lanesPart, nil)
        }
    }

    /// Handles a refusal by Valkey. The refused values are pending again. Scripts that Valkey has
    /// lost are loaded again.
    private func refused(_ refusal: String, _ session: HotSession) {
        let kind = HotFailure(refusal: refusal)
        let isFirst = !retries.isTroubled
        failed(kind, refusal)
        guard kind == .scripts else { return }
        beat.beat(before: Self.answerTimeout)
        do {
            try session.reloadScripts(namespace: namespace)
            // If all was well before, the values are sent again immediately, without the backoff.
            if isFirst { retries.noWait() }
        } catch {
            session.close()
            self.session = nil
            failed(error)
        }
    }

    /// Opens a session, and makes all values pending.
    private func connect(_ now: MonotonicTime) {
        // The server's name has to be resolved first.
        beat.beat(before: ThreadWatch.systemTime)
        do {
            session = try HotSession(
                settings.valkey, namespace: namespace, marker: marker)
            markerAt = now + Self.markerNanoseconds
            rebuild("a session with Valkey was opened")
            recovered()
        } catch {
            failed(error)
        }
    }

    /// Makes all values pending again whose keys have not expired, because Valkey may have lost
    /// them. Newer values in Valkey stay.
    private func rebuild(_ reason: String) {
        table.repeatAll(heardAfter: clock.monotonic() - ages.life)
        metrics.rebuilt()
        context.telemetry.emit(.hotStateRebuilt(keys: table.pendingCount, reason: reason))
    }

    /// Reports a failure to connect or to load scripts.
    private func failed(_ error: any Error) {
        switch error {
        case let error as ValkeyError: failed(error.hotFailure, "\(error)")
        case let error as HotScripts.Refused:
            failed(HotFailure(refusal: error.reason), error.reason)
        default: failed(.refused, "\(error)")
        }
    }

    /// Reports a failure, and waits before the next attempt.
    private func failed(_ kind: HotFailure, _ reason: String) {
        retries.wait(from: clock.monotonic())
        context.readiness.degrade(Self.part, kind.advice(reason))
        context.telemetry.emit(.hotStateFailed(kind: kind, reason: kind.advice(reason)))
        metrics.show(table)
    }

    /// Reports that Valkey works again.
    private func recovered() {
        if retries.end() { context.readiness.degrade(Self.part, nil) }
    }
}

extension ValkeyError {
    fileprivate var hotFailure: HotFailure {
        switch self {
        case .connect: .connect
        case .authentication: .authentication
        case .timeout: .timeout
        case .connectionLost, .closed: .lost
        case .configuration, .malformedReply, .pipelineFull: .unusable
        }
    }
}

extension HotFailure {
    /// Reads a refusal of Valkey, whose first word is a code.
    init(refusal: String) {
        switch refusal.prefix(while: { $0 != " " }) {
        case "NOSCRIPT": self = .scripts
        case "OOM": self = .memory
        default: self = .refused
        }
    }

    /// Returns the reason with what a person can do.
    fileprivate func advice(_ reason: String) -> String {
        switch self {
        case .memory: "\(reason): give Valkey more maxmemory"
        case .lanes:
            "how far values are in Valkey is not written, the values are: \(reason): the user "
                + "needs ~*:lane:*"
        case .refused:
            "\(reason): the user needs the rights +@scripting +@hash +@keyspace +@string"
        case .connect, .authentication, .timeout, .lost, .unusable, .scripts: reason
        }
    }
}
