internal import NatsTransport
internal import Primitives
internal import ServiceRuntime

/// Shows the copies of the tape's streams as metrics: as the leader of each stream sees them, and
/// as the servers' own monitors do. One thread uses it, that of `TapeWatch`.
struct CopyWatch {
    private static let callTimeout = Duration.seconds(1)
    /// The most servers whose names are kept.
    private static let serversMax = 16

    private let monitors: [TapeWatch.Monitor]
    private let metrics: MetricRegistry
    private var comparisons: [String: CopyComparison] = [:]
    /// The servers' names by their ids, which change with every start.
    private var names: [String: String] = [:]
    /// The gauges of the last look: stream and server.
    private var shown: Set<[String]> = []

    init(_ monitors: [TapeWatch.Monitor], _ metrics: MetricRegistry) {
        self.monitors = monitors
        self.metrics = metrics
    }

    // MARK: as the leader sees them

    /// `copies` is `nil` where the server is not one of a cluster. `isLeaderless`: no server leads
    /// the stream now.
    func show(_ stream: String, _ copies: StreamCopies?, isLeaderless: Bool) {
        let labels = [("stream", stream)]
        let followers = copies?.followers ?? []
        let current = isLeaderless ? 0 : 1 + followers.count { $0.isCurrent && !$0.isOffline }
        metrics.gauge(
            "mds_tape_copies_current",
            "copies of a stream, its leader's included, that have what was acknowledged; 0 while "
                + "no server leads it; the gateway shows it",
            "below `mds_tape_copies` for long: start the server that is away", labels: labels
        ).set(Double(current))
        guard !isLeaderless else { return }
        metrics.gauge(
            "mds_tape_copies", "servers that hold a copy of a stream; the gateway shows it",
            "below `mds_tape_copies_wanted`: run `tapeline setup`", labels: labels
        )
        .set(Double(1 + followers.count))
        metrics.gauge(
            "mds_tape_copies_lag_messages",
            "writes that the slowest copy of a stream has not got yet, as its leader counts "
                + "them; the gateway shows it", "does not fall: check that server's disk",
            labels: labels
        ).set(Double(followers.map(\.lag).max() ?? 0))
    }

    func showWanted(_ copies: Int) {
        metrics.gauge(
            "mds_tape_copies_wanted",
            "copies of each stream that `MDS_REPLICAS` says; the gateway shows it"
        ).set(Double(copies))
    }

    // MARK: as the monitors see them

    /// Asks each monitor for its own copies and compares them. A single monitor shows nothing.
    /// `beforeCall` is called before each call that blocks.
    mutating func compare(_ streams: [String], _ beforeCall: () -> Void) {
        guard monitors.count > 1 else { return }
        var found: [String: [String: CopyComparison.Copy]] = [:]
        for monitor in monitors {
            beforeCall()
            guard let page = Self.page(monitor, "/jsz?streams=true"),
                let server = name(of: page, monitor, beforeCall)
            else { continue }
            for (stream, copy) in Self.copies(page) where streams.contains(stream) {
                found[stream, default: [:]][server] = copy
            }
        }
        var next: Set<[String]> = []
        for stream in streams {
            let copies = found[stream] ?? [:]
            guard copies.count > 1 else { continue }
            for (server, verdict) in comparisons[stream, default: CopyComparison()].look(copies) {
                next.insert([stream, server])
                behind(stream, server).set(Double(verdict.behind))
                differs(stream, server).set(verdict.differs ? 1 : 0)
            }
        }
        for gone in shown.subtracting(next) {
            behind(gone[0], gone[1]).remove()
            differs(gone[0], gone[1]).remove()
        }
        shown = next
    }

    private func behind(_ stream: String, _ server: String) -> Gauge {
        metrics.gauge(
            "mds_tape_copy_behind_messages",
            "messages that another copy had at the look before, five seconds ago, and that a "
                + "server's own copy has not; the gateway shows it, with NATS_MONITOR_URL of "
                + "several servers", "above 0 for minutes: heal that copy",
            labels: [("stream", stream), ("server", server)])
    }

    private func differs(_ stream: String, _ server: String) -> Gauge {
        metrics.gauge(
            "mds_tape_copy_differs",
            "1 while a server's own copy holds other messages than most copies, for three looks "
                + "in a row, else 0; the gateway shows it, with NATS_MONITOR_URL of several "
                + "servers", "1: `tapeline tape verify`, then heal that copy",
            labels: [("stream", stream), ("server", server)])
    }

    /// Returns what a monitor answers; `nil` when it does not, which is usual while its server is
    /// away.
    private static func page(_ monitor: TapeWatch.Monitor, _ path: String) -> JSONValue? {
        do {
            let answer = try HTTPProbe.get(
                host: monitor.host, port: monitor.port, path: path, timeout: callTimeout)
            return try JSONValue.parse(answer.body)
        } catch {
            return nil
        }
    }

    private mutating func name(
        of page: JSONValue, _ monitor: TapeWatch.Monitor, _ beforeCall: () -> Void
    ) -> String? {
        guard let id = page["server_id"]?.string else { return nil }
        if let known = names[id] { return known }
        beforeCall()
        guard let name = Self.page(monitor, "/varz")?["server_name"]?.string else { return nil }
        if names.count >= Self.serversMax { names = [:] }
        names[id] = name
        return name
    }

    /// Returns the copies on a server. Of streams of the same name in several accounts, none is
    /// compared: the monitor does not say which account is ours.
    static func copies(_ page: JSONValue) -> [String: CopyComparison.Copy] {
        var found: [String: CopyComparison.Copy] = [:]
        var twice: Set<String> = []
        for account in page["account_details"]?.array ?? [] {
            for stream in account["stream_detail"]?.array ?? [] {
                guard let name = stream["name"]?.string,
                    let copy = CopyComparison.Copy(state: stream["state"])
                else { continue }
                if found.updateValue(copy, forKey: name) != nil { twice.insert(name) }
            }
        }
        return found.filter { !twice.contains($0.key) }
    }
}
