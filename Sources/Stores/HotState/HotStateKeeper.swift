internal import MarketModel
internal import NatsTransport
internal import Primitives
package import ServiceRuntime
internal import TapeCodec
internal import TapeProtocol
package import TapeTransport
package import ValkeyClient

/// Keeps the latest quote, trade, bars and provider's bars of every symbol and source in Valkey.
///
/// It has separate readers, which begin at the end of the tape. It does not depend on the database,
/// and a loss of Valkey's data loses nothing on the tape. While a round trip is in progress, new
/// values replace older ones of the same key in memory. When its answers are there, the next one
/// begins.
///
/// A *value* is the latest record under one key. It is *pending* while it is not in Valkey. The
/// *marker* is a key of this process: if it is missing, Valkey was emptied, and all values are
/// written again. A key's *life* is the time after which it expires.
package final class HotStateKeeper {
    package struct Settings: Sendable {
        package var valkey: ValkeyConfiguration
        /// The most symbols of sources in memory. Beyond it, those without recent values are
        /// dropped.
        package var symbolsMax: Int
        /// The time after which a key without new values expires.
        package var life: Duration

        package init(
            _ valkey: ValkeyConfiguration, symbolsMax: Int, life: Duration = .seconds(300)
        ) {
            self.valkey = valkey
            self.symbolsMax = symbolsMax
            self.life = life
        }
    }

    /// The name under which this part is listed in the readiness report.
    package static let part = "hot state"

    /// The most events of one turn, so that Valkey has its turn, too.
    private static let eventsPerTurn = 256
    /// The longest wait when there is nothing to do. New messages end it immediately.
    private static let idle = Duration.milliseconds(20)
    /// The longest wait for an answer of Valkey, so that the readers have their turn.
    private static let answerWait = Duration.milliseconds(20)
    /// The first and the longest wait after a failure of Valkey.
    private static let retryFirst = Duration.milliseconds(100)
    private static let retryMax = Duration.seconds(5)
    /// The timeout for connecting, during which the readers have no turn. It is far below the time
    /// after which they make their consumers again.
    private static let connectTimeout = Duration.seconds(1)
    /// The timeout of a round trip. An answer usually takes some milliseconds.
    private static let answerTimeout = Duration.seconds(2)
    /// The interval at which the marker is renewed and checked.
    private static let markerNanoseconds: Int64 = 500_000_000
    /// The most keys of one round trip: far below what a pipeline of `ValkeyConnection` may hold.
    private static let keysPerRoundTrip = 2_048

    private let settings: Settings
    private let client: TapeClient
    private let context: ServiceContext
    private let mailbox = TapeMailbox(capacity: 8_192)
    private let readers: TapeReaders
    private let clock = SystemClock()
    private let beat: ThreadBeat
    /// The key of the marker, with a random number of this process.
    private let marker: String
    /// How long a key lives after its value's receipt.
    private let lifeNanoseconds: Int64
    private var metrics: HotMetrics
    private var table: HotTable
    /// The connection to Valkey; `nil` when there is none.
    private var session: HotSession?
    private var backoff = Backoff(
        first: HotStateKeeper.retryFirst, limit: HotStateKeeper.retryMax)
    private var random = SystemRandomNumberGenerator()
    /// When the next attempt after a failure may be made.
    private var retryAt = MonotonicTime.distantPast
    /// When the marker is renewed and checked next.
    private var markerAt = MonotonicTime.distantPast
    /// Whether the last attempt to connect or write failed, or none was made so far.
    private var isTroubled = true

    init(
        _ settings: Settings, client: TapeClient, context: ServiceContext, beat: ThreadBeat
    ) throws(TapeError) {
        var settings = settings
        settings.valkey.connectTimeout = Self.connectTimeout
        settings.valkey.commandTimeout = Self.answerTimeout
        settings.valkey.clientName = "tapeline-hot-state"
        self.beat = beat
        let client = client.calling(beat)
        self.settings = settings
        lifeNanoseconds = settings.life.clampedNanoseconds
        self.client = client
        self.context = context
        marker = "\(client.names.namespace):hot:\(random.next() as UInt64)"
        metrics = HotMetrics(context.telemetry.metrics)
        table = HotTable(symbolsMax: settings.symbolsMax)
        client.notify(mailbox)
        readers = try TapeReaders(client, group: "hot", mailbox: mailbox)
        mailbox.show(in: context.telemetry.metrics, as: "hot-state")
        for stream in 0..<TapeNames.tickStreams {
            add(client.names.tickStream(stream), [client.names.allTicks])
        }
        add(client.names.barStream, [])
    }

    /// Adds a reader of a stream, without the watermarks in it. It reads all partitions, so the
    /// partition 0 has no meaning here.
    private func add(_ stream: String, _ filters: [String]) {
        _ = readers.add(
            TapeReaders.Input(partition: Partition(0), stream: stream, filters: filters))
    }

    /// Runs on the calling thread until shutdown is requested. Returns before if the readers cannot
    /// be made. A failure is reported, never thrown, because the rest of the service continues.
    package static func run(_ settings: Settings, client: TapeClient, context: ServiceContext) {
        let beat = context.threads.thread("hot-state")
        defer { beat.retire() }
        do throws(TapeError) {
            try HotStateKeeper(settings, client: client, context: context, beat: beat).run()
        } catch {
            context.telemetry.emit(HotStateFailed(kind: .unusable, reason: "\(error)"))
            context.readiness.degrade(part, "\(error)")
        }
    }

    private func run() {
        for reader in readers.indices { readers.open(reader, from: .end) }
        var events: [TapeEvent] = []
        while !context.shutdown.isRequested {
            beat.beat()
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: wait)
            for event in events {
                beat.beat()
                switch event {
                case .delivery(let message): readers.handle(message, take)
                case .reconnected: readers.reconnected()
                // A wake or an answer needs nothing here. When the connection is closed, the intake
                // ends the process.
                case .closed, .answer, .wake: continue
                }
            }
            events.removeAll(keepingCapacity: true)
            readers.timePassed()
            write()
        }
        readers.close()
        session?.close()
    }

    /// How long to wait for messages: not at all while an answer of Valkey is expected or values
    /// can be sent.
    private var wait: Duration {
        guard let session else { return Self.idle }
        if session.isWaiting { return .zero }
        return table.pendingCount > 0 && clock.monotonic() >= retryAt
            ? .zero : Self.idle
    }

    /// Takes the values of a packet into the table.
    private func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        guard header.tickCount > 0 else { return }
        let stored = message.withReplyTo { PulledMessage(ofReplySubject: $0)?.time }
        let origin = HotOrigin(
            source: header.source,
            order: HotOrder(
                streamCreated: readers.streamCreated(reader),
                sequence: readers.streamSequence(reader)),
            receivedAt: clock.monotonic(), stored: stored ?? .undefined)
        message.withPayload { table.add($0, origin) }
    }
}

// MARK: - Valkey

extension HotStateKeeper {
    /// Makes one step: connects, waits for the answers of a round trip, or begins the next one.
    private func write() {
        let now = clock.monotonic()
        guard let session else {
            if now >= retryAt { connect(now) }
            return
        }
        do throws(ValkeyError) {
            if session.isWaiting {
                guard
                    let settled = try session.advance(
                        waitingAtMost: Self.answerWait, &table)
                else { return }
                account(settled, session)
            } else if now >= retryAt {
                let isMarkerDue = now >= markerAt
                guard isMarkerDue || table.pendingCount > 0 else { return }
                if isMarkerDue { markerAt = now + Self.markerNanoseconds }
                try session.begin(
                    &table, keysMax: Self.keysPerRoundTrip, withMarker: isMarkerDue, now: now,
                    life: lifeNanoseconds)
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
            context.telemetry.emit(HotKeysReplaced(count: settled.replaced))
        }
        if settled.isFlushed { rebuild("Valkey was flushed") }
        if let refusal = settled.refusal {
            refused(refusal, session)
        } else {
            let oldest = session.oldest
            metrics.aged(received: oldest.received, stored: oldest.stored, now: clock.now())
            recovered()
        }
        metrics.show(table)
    }

    /// Handles a refusal by Valkey. The refused values are pending again. Scripts that Valkey has
    /// lost are loaded again.
    private func refused(_ refusal: String, _ session: HotSession) {
        let kind = HotFailure(refusal: refusal)
        let isFirst = !isTroubled
        failed(kind, refusal)
        guard kind == .scripts else { return }
        beat.beat(before: Self.answerTimeout)
        do {
            try session.reloadScripts(namespace: client.names.namespace)
            // If all was well before, the values are sent again immediately, without the backoff.
            if isFirst { retryAt = .distantPast }
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
                settings.valkey, namespace: client.names.namespace, marker: marker,
                lifeMilliseconds: lifeNanoseconds / 1_000_000)
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
        table.repeatAll(heardAfter: clock.monotonic() - lifeNanoseconds)
        metrics.rebuilt()
        context.telemetry.emit(HotStateRebuilt(keys: table.pendingCount, reason: reason))
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
        let wait = backoff.next(using: &random).clampedNanoseconds
        retryAt = clock.monotonic() + wait
        isTroubled = true
        context.readiness.degrade(Self.part, kind.advice(reason))
        context.telemetry.emit(HotStateFailed(kind: kind, reason: kind.advice(reason)))
        metrics.show(table)
    }

    /// Reports that Valkey works again.
    private func recovered() {
        guard isTroubled else { return }
        isTroubled = false
        backoff.reset()
        retryAt = .distantPast
        context.readiness.degrade(Self.part, nil)
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
        case .refused:
            "\(reason): the user needs the rights +@scripting +@hash +@sortedset "
                + "+@keyspace +@string"
        case .connect, .authentication, .timeout, .lost, .unusable, .scripts: reason
        }
    }
}
