public import MarketModel
internal import NatsTransport
internal import Primitives
internal import Synchronization
internal import TapeProtocol
internal import ServiceRuntime

/// Tells over core NATS, once a second, what the tape has acknowledged of a source: what readers
/// have to catch up with. Of bars each worker tells its own partitions. Any thread may use it.
public final class HeadTeller: Sendable {
    private static let intervalNanoseconds: Int64 = 1_000_000_000

    private let client: TapeClient
    private let source: SourceName
    private let input: ReaderPosition.Input
    private let subject: String
    private let toldAt = Mutex(Int64.min)

    public init(_ client: TapeClient, source: SourceName, input: ReaderPosition.Input) {
        self.client = client
        self.source = source
        self.input = input
        subject = client.names.heads(source)
    }

    /// To be called often; asks for the heads only when it is time. `now` is monotonic. What cannot
    /// be sent is not sent later: the next second has the next message.
    public func tell(now: Int64, _ heads: () -> [TapeHead]) {
        let isDue = toldAt.withLock { toldAt in
            guard toldAt == Int64.min || now >= toldAt + Self.intervalNanoseconds else {
                return false
            }
            toldAt = now
            return true
        }
        guard isDue else { return }
        for message in HeadMessage.messages(source, input, heads()) {
            do throws(NatsError) {
                try message.withRawSpan { bytes throws(NatsError) in
                    try client.connection.publish(bytes, to: subject)
                }
            } catch {
                client.telemetry.emit(HeadsUntold(reason: "\(error)"))
            }
        }
    }
}

struct HeadsUntold: TelemetryEvent {
    static let name = "tape.heads.untold"
    let reason: String

    var level: LogLevel { .debug }
    var message: String { "the newest ordinals could not be told" }
    var fields: [(String, LogValue)] { [("reason", .text(reason))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_heads_untold_total",
            "Messages with the newest ordinals that could not be sent."
        ).add()
    }
}
