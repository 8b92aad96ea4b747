internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import TapeTransport

/// Shows how old the oldest message is that `tapeline tape verify` has not read yet on a server.
/// The keeper's thread uses it.
struct VerificationWatch {
    private static let lookNanoseconds: Int64 = 60_000_000_000
    /// The most servers that are shown.
    private static let serversMax = 16

    private let metrics: MetricRegistry
    private let jetStream: JetStream
    private let streams: [String]
    private var lookAt = MonotonicTime.distantPast
    private var shown: Set<String> = []

    init(_ metrics: MetricRegistry, _ jetStream: JetStream, _ streams: [String]) {
        self.metrics = metrics
        self.jetStream = jetStream
        self.streams = streams
    }

    /// Looks when it is due; blocks for some requests. What cannot be read now stays as it was
    /// shown.
    mutating func turn(_ bucket: KeyValueBucket?, now: MonotonicTime, time: Timestamp) {
        guard let bucket, now >= lookAt else { return }
        lookAt = now + Self.lookNanoseconds
        var oldest: [String: Timestamp] = [:]
        do throws(JetStreamError) {
            for name in streams {
                guard let info = try jetStream.streamInfo(name), let copies = info.copies,
                    !copies.followers.isEmpty
                else { continue }
                for server in copies.servers.prefix(Self.serversMax) {
                    let since = try unverified(info, server, bucket) ?? time
                    oldest[server] = min(oldest[server] ?? since, since)
                }
            }
        } catch {
            return
        }
        for (server, since) in oldest {
            gauge(server).set(Double(max(0, time.nanoseconds - since.nanoseconds)) / 1e9)
        }
        for server in shown.subtracting(oldest.keys) { gauge(server).remove() }
        shown = Set(oldest.keys)
    }

    /// Ends what is shown: another process is the keeper.
    mutating func end() {
        for server in shown { gauge(server).remove() }
        shown = []
    }

    /// Returns when the oldest message that was not verified was stored; `nil` when all were.
    private func unverified(
        _ info: StreamInfo, _ server: String, _ bucket: KeyValueBucket
    ) throws(JetStreamError) -> Timestamp? {
        let name = info.configuration.name
        let record = try CopyRecord.read(bucket, stream: name, server: server)
        let verified = record?.sequence ?? 0
        guard verified < info.lastSequence else { return nil }
        return try jetStream.firstMessage(stream: name, from: verified + 1, subject: ">")?.time
    }

    private func gauge(_ server: String) -> Gauge {
        metrics.gauge(
            "mds_tape_copy_unverified_seconds",
            "age of the oldest message that `tapeline tape verify` has not read in the server's "
                + "own copy; the keeper shows it, once a minute, where streams have copies",
            "rises: run `tapeline tape verify` more often", labels: [("server", server)])
    }
}
