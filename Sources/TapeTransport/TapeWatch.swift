internal import NatsTransport
public import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import Telemetry

/// Looks at the tape from the side, for people: how full its streams are, and what an
/// acknowledgement means. A thread of its own; nobody waits for it.
public final class TapeWatch: Sendable {
    private static let interval = Duration.seconds(5)
    private static let callTimeout = Duration.seconds(1)
    private static let eventsMax = 16

    /// Where a server shows its configuration.
    public struct Monitor: Hashable, Sendable {
        public let host: String
        public let port: UInt16

        /// `http://host:port`; nil when it is none.
        public init?(url: String) {
            guard url.hasPrefix("http://") else { return nil }
            let authority = url.dropFirst(7).prefix { $0 != "/" }
            guard let colon = authority.lastIndex(of: ":"),
                let port = UInt16(authority[authority.index(after: colon)...]), port > 0
            else { return nil }
            var host = authority[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            guard !host.isEmpty else { return nil }
            (self.host, self.port) = (String(host), port)
        }
    }

    private struct Stream {
        let name: String
        let bytes: UInt64
        let messages: UInt64
        /// -1: without a limit.
        let bytesMax: Int64
        let replicas: Int

        var headroom: UInt64? {
            bytesMax < 0 ? nil : UInt64(bytesMax) - min(UInt64(bytesMax), bytes)
        }
    }

    private struct Seen {
        var durability = Durability.notConfigured
        var streams: [Stream] = []
        /// Why the streams are older than they should be.
        var problem: String?
    }

    private final class Shared: Sendable {
        let mailbox = TapeMailbox(capacity: TapeWatch.eventsMax)
        let seen = Mutex(Seen())
    }

    private let shared = Shared()
    private let thread: ServiceThread

    /// With `metrics` the streams are gauges, too: one service of the namespace should do that.
    public init(
        _ client: TapeClient, monitor: Monitor?, streams: [String], metrics: Bool
    ) throws {
        client.notify(shared.mailbox)
        if monitor != nil {
            shared.seen.withLock { $0.durability = .unknown("the server is being asked") }
        }
        let shared = shared
        thread = try ServiceThread(name: "tape-watch") {
            Self.run(client, monitor, streams, metrics, shared)
        }
    }

    deinit { shared.mailbox.close() }

    public func stop() {
        shared.mailbox.close()
        _ = thread.join(timeout: Self.callTimeout)
    }

    // MARK: the thread

    private static func run(
        _ client: TapeClient, _ monitor: Monitor?, _ names: [String], _ metrics: Bool,
        _ shared: Shared
    ) {
        let jetStream = JetStream(client.connection, timeout: callTimeout)
        var events: [TapeEvent] = []
        var isAsked = false
        while !shared.mailbox.isClosed {
            if let monitor, !isAsked {
                let durability = ask(monitor, client)
                isAsked = !durability.isUnknown
                shared.seen.withLock { $0.durability = durability }
            }
            look(names, jetStream, shared)
            if metrics { show(shared.seen.withLock { $0.streams }, client.telemetry.metrics) }
            _ = shared.mailbox.receive(into: &events, max: eventsMax, timeout: interval)
            // It may be another server now, or the same one with another configuration.
            for case .reconnected in events { isAsked = false }
            events.removeAll(keepingCapacity: true)
        }
    }

    private static func ask(_ monitor: Monitor, _ client: TapeClient) -> Durability {
        do {
            let answer = try HTTPProbe.get(
                host: monitor.host, port: monitor.port, path: "/jsz?config=true",
                timeout: callTimeout)
            return Durability(
                monitor: try JSONValue.parse(answer.body), of: client.connection.serverID)
        } catch {
            return .unknown("the server's monitor does not answer: \(error)")
        }
    }

    private static func look(_ names: [String], _ jetStream: JetStream, _ shared: Shared) {
        var streams: [Stream] = []
        do throws(JetStreamError) {
            for name in names where !shared.mailbox.isClosed {
                guard let info = try jetStream.streamInfo(name) else { continue }
                streams.append(
                    Stream(
                        name: name, bytes: info.bytes, messages: info.messages,
                        bytesMax: info.configuration.maxBytes,
                        replicas: info.configuration.replicas))
            }
            shared.seen.withLock {
                $0.streams = streams
                $0.problem = nil
            }
        } catch {
            shared.seen.withLock { $0.problem = "\(error)" }
        }
    }

    private static func show(_ streams: [Stream], _ metrics: MetricRegistry) {
        for stream in streams {
            let labels = [("stream", stream.name)]
            metrics.gauge(
                "mds_tape_stream_bytes", "Bytes that a stream of the tape holds.", labels: labels
            ).set(Double(stream.bytes))
            guard let headroom = stream.headroom else { continue }
            metrics.gauge(
                "mds_tape_stream_headroom_bytes",
                "Bytes that a stream still takes before publishing waits.", labels: labels
            ).set(Double(headroom))
        }
    }

    // MARK: what it has seen

    /// The section "tape" of `/status`.
    public func write(into json: inout JSONWriter) {
        let seen = shared.seen.withLock { $0 }
        let replicas = seen.streams.map(\.replicas).min()
        json.member(
            "acknowledged_means", seen.durability.sentence(replicas: replicas ?? 1))
        json.key("replicas")
        if let replicas { json.value(replicas) } else { json.null() }
        json.key("problem")
        if let problem = seen.problem { json.value(problem) } else { json.null() }
        json.member(
            "streams",
            array: { json in for stream in seen.streams { Self.write(stream, into: &json) } })
    }

    private static func write(_ stream: Stream, into json: inout JSONWriter) {
        json.object { json in
            json.member("stream", stream.name)
            json.member("bytes", stream.bytes)
            json.member("messages", stream.messages)
            json.key("max_bytes")
            if stream.bytesMax < 0 { json.null() } else { json.value(stream.bytesMax) }
            json.key("headroom_bytes")
            if let headroom = stream.headroom { json.value(headroom) } else { json.null() }
        }
    }
}
