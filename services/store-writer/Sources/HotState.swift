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
            client, group: "hot", mailbox: mailbox, readersMax: TapeNames.tickStreams + 1)
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
        do {
            let commands = keys.append(news, to: session)
            let replies = try session.replies(count: commands)
            news.removeAll()
            if let refusal = replies.lazy.compactMap(\.errorMessage).first {
                try refused(refusal, on: session)
            }
            written.add(UInt64(replies.count))
        } catch {
            failed("\(error)")
        }
    }

    /// Valkey was restarted or flushed its scripts: they are loaded again with the next session.
    private func refused(_ message: String, on session: ValkeyConnection) throws {
        context.telemetry.emit(HotStateFailed(reason: message))
        if message.hasPrefix("NOSCRIPT") { try keys.load(on: session) }
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

    /// What was gathered is dropped: the next news of a symbol replace it anyway.
    private func failed(_ reason: String) {
        session?.close()
        session = nil
        news.removeAll()
        context.readiness.set(Self.part, reason)
        context.telemetry.emit(HotStateFailed(reason: reason))
        _ = context.shutdown.wait(timeout: backoff.next(using: &random))
    }
}
