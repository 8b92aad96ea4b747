import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import Telemetry
import ValkeyClient

/// Keeps the latest quote, trade and bars of every symbol in Valkey.
///
/// A reader of its own from the tape's end, on a thread of its own: it knows nothing of the
/// database, and losing Valkey loses nothing. What comes faster than it is written is conflated to
/// the latest per symbol.
final class HotState {
    private static let eventsPerTurn = 256
    /// How long news are gathered before they are written: one round trip for all of them.
    private static let gather = Duration.milliseconds(10)
    private static let retryFirst = Duration.milliseconds(200)
    private static let retryMax = Duration.seconds(5)
    /// Keys that are written in one round trip: far below what a pipeline may hold.
    private static let keysPerRoundTrip = 2_000
    static let part = "hot state"

    private let valkey: ValkeyConfiguration
    private let client: TapeClient
    private let context: ServiceContext
    private let mailbox = TapeMailbox(capacity: 8_192)
    private let readers: TapeReaders
    private var news = HotNews()
    private var keys: HotKeys
    private var session: ValkeyConnection?
    private var backoff = Backoff(first: HotState.retryFirst, limit: HotState.retryMax)
    private var random = SystemRandomNumberGenerator()
    private let written: Counter
    private let clock = SystemClock()
    /// Since when nothing could be written, in monotonic nanoseconds.
    private var failingSince: Int64?

    init(
        _ valkey: ValkeyConfiguration, client: TapeClient, context: ServiceContext
    ) throws {
        self.valkey = valkey
        self.client = client
        self.context = context
        keys = HotKeys(namespace: client.names.namespace)
        written = context.telemetry.metrics.counter(
            "mds_hot_state_writes_total", "Keys that were brought up to date in Valkey.")
        client.notify(mailbox)
        readers = try TapeReaders(
            client, group: "hot", mailbox: mailbox)
        for stream in 0..<TapeNames.tickStreams { add(client.names.tickStream(stream)) }
        add(client.names.barStream)
    }

    private func add(_ stream: String) {
        _ = readers.add(TapeReaders.Input(partition: Partition(0), stream: stream, filters: []))
    }

    /// Runs until shutdown is asked for.
    func run() {
        for reader in readers.indices { readers.openAtEnd(reader) }
        var events: [TapeEvent] = []
        while !context.shutdown.isRequested {
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: Self.gather)
            for event in events {
                switch event {
                case .delivery(let message): readers.handle(message, take)
                case .reconnected: readers.reconnected()
                // The writer's threads end the process.
                case .closed, .answer, .wake: continue
                }
            }
            events.removeAll(keepingCapacity: true)
            readers.tick()
            write()
        }
        readers.close()
        session?.close()
    }

    private func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        guard header.tickCount > 0 else { return }
        let order = HotOrder(
            streamCreated: readers.streamCreated(reader),
            sequence: readers.streamSequence(reader))
        message.withPayload { news.add(header, $0, order: order) }
    }

    // MARK: Valkey

    private func write() {
        guard connected(), !news.isEmpty, let session else { return }
        let batch = news.take(atMost: Self.keysPerRoundTrip)
        do {
            let replies = try session.replies(count: keys.append(batch, to: session))
            let refusals = replies.compactMap(\.errorMessage)
            written.add(UInt64(replies.count - refusals.count))
            failingSince = nil
            guard let refusal = refusals.first else { return }
            context.telemetry.emit(HotStateFailed(reason: refusal))
            // Valkey has flushed its scripts: none of the batch was written.
            guard refusal.hasPrefix("NOSCRIPT") else { return }
            news.putBack(batch)
            try keys.load(on: session)
        } catch {
            news.putBack(batch)
            failed("\(error)")
        }
    }

    private func connected() -> Bool {
        if session?.isUsable ?? false { return true }
        do {
            let opened = try ValkeyConnection(valkey)
            try keys.load(on: opened)
            session = opened
            backoff.reset()
            context.readiness.set(Self.part, nil)
            return true
        } catch {
            failed("\(error)")
            return false
        }
    }

    /// What was gathered waits for the next session, but not for longer than a key lives.
    private func failed(_ reason: String) {
        session?.close()
        session = nil
        let now = clock.monotonic().nanoseconds
        let since = failingSince ?? now
        failingSince = since
        if now - since > HotKeys.expiryMilliseconds * 1_000_000 {
            news.removeAll()
            failingSince = now
        }
        context.readiness.set(Self.part, reason)
        context.telemetry.emit(HotStateFailed(reason: reason))
        _ = context.shutdown.wait(timeout: backoff.next(using: &random))
    }
}
