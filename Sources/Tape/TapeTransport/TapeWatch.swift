internal import NatsTransport
package import Primitives
internal import ServiceRuntime
internal import Synchronization

/// Watches the tape beside the data plane: how full its streams are, whether there is room for
/// more, and what an acknowledgement means. It has a separate thread, which no other thread waits
/// for.
package final class TapeWatch: Sendable {
    private static let interval = Duration.seconds(5)
    /// A place with less room than this is checked more often, because it may be full within
    /// seconds.
    private static let narrowPercent: UInt64 = 30
    private static let narrowInterval = Duration.milliseconds(500)
    private static let callTimeout = Duration.seconds(1)
    private static let eventsMax = 16

    /// A server's monitor, which shows its configuration.
    package struct Monitor: Hashable, Sendable {
        package let host: String
        package let port: UInt16

        package init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }

        /// Reads `http://host:port`. Fails when the text is none.
        package init?(url: String) {
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
        /// -1: no limit.
        let bytesMax: Int64
        /// The servers that hold it. What the stream is configured to have is no proof: a server
        /// without a cluster accepts any number.
        let replicas: Int

        init(_ name: String, _ info: StreamInfo) {
            self.name = name
            bytes = info.bytes
            messages = info.messages
            bytesMax = info.configuration.maxBytes
            replicas = info.copies.map(\.servers.count) ?? 1
        }

        /// The bytes that it still accepts; `nil` without a limit.
        var headroom: UInt64? {
            bytesMax < 0 ? nil : UInt64(bytesMax) - min(UInt64(bytesMax), bytes)
        }

        var room: HeadroomLevel.Room? {
            headroom.map {
                HeadroomLevel.Room(
                    place: .stream(name), freeBytes: $0, limitBytes: UInt64(bytesMax))
            }
        }
    }

    /// What the last check found.
    private struct Seen {
        var durability = Durability.notConfigured
        var streams: [Stream] = []
        /// The room that the server has left for all stores together; `nil` when unknown.
        var disk: HeadroomLevel.Room?
        var headroom = HeadroomLevel()
        /// Why the stream data are older than they should be; `nil` when they are not.
        var problem: String?
        var certificate = ServerCertificate()
    }

    private final class Shared: Sendable {
        let mailbox = TapeMailbox(capacity: TapeWatch.eventsMax)
        let seen = Mutex(Seen())
    }

    private let shared = Shared()
    private let thread: ServiceThread

    /// With `metrics` the streams are also gauges; only one service of the namespace should do
    /// that.
    package init(
        _ client: TapeClient, monitors: [Monitor], streams: [String], metrics: Bool
    ) throws {
        client.notify(shared.mailbox)
        if !monitors.isEmpty {
            shared.seen.withLock { $0.durability = .unknown("the server is being asked") }
        }
        let shared = shared
        thread = try ServiceThread(name: "tape-watch") {
            let beat = client.threads.thread("tape-watch", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            Self.run(client.calling(beat), monitors, streams, metrics, shared, beat)
        }
    }

    deinit { shared.mailbox.close() }

    package func stop() {
        shared.mailbox.close()
        _ = thread.join(timeout: Self.callTimeout)
    }

    // MARK: the thread

    private static func run(
        _ client: TapeClient, _ monitors: [Monitor], _ names: [String], _ metrics: Bool,
        _ shared: Shared, _ beat: ThreadBeat
    ) {
        let jetStream = client.jetStream.within(callTimeout)
        var events: [TapeEvent] = []
        var isAsked = false
        // Gateways show the copies, as the other gauges of the streams.
        var copies = metrics ? CopyWatch(monitors, client.telemetry.metrics) : nil
        copies?.showWanted(client.connection.replicas)
        let wantsCertificate = metrics && client.connection.wantsTLS
        if wantsCertificate {
            client.telemetry.metrics.addCertificate(of: "nats-server") {
                shared.seen.withLock { $0.certificate.end }
            }
        }
        while !shared.mailbox.isClosed {
            if !monitors.isEmpty {
                // The monitor's host name has to be resolved first.
                beat.beat(before: ThreadWatch.systemTime)
                let (durability, disk) = ask(monitors, client)
                // The present server's answer stays valid while it does not answer again.
                let isNew = !durability.isUnknown || !isAsked
                isAsked = isAsked || !durability.isUnknown
                let servers = wantsCertificate ? monitors.compactMap(state) : []
                let serverID = client.connection.serverID
                shared.seen.withLock {
                    for server in servers { $0.certificate.take(server, connectedTo: serverID) }
                    if isNew { $0.durability = durability }
                    $0.disk = disk
                }
            }
            look(names, jetStream, shared, copies)
            let wait = judge(shared, client.telemetry, metrics)
            copies?.compare(names) { beat.beat(before: ThreadWatch.systemTime) }
            beat.beat()
            _ = shared.mailbox.receive(into: &events, max: eventsMax, timeout: wait)
            // The link may be to another server now, or to the same one with another configuration.
            for case .reconnected in events { isAsked = false }
            events.removeAll(keepingCapacity: true)
        }
    }

    /// Returns how long to wait until the next check.
    private static func judge(
        _ shared: Shared, _ telemetry: TelemetryHub, _ metrics: Bool
    ) -> Duration {
        let (seen, changes) = shared.seen.withLock { seen in
            // Streams that could not be read are treated as unchanged.
            guard seen.problem == nil else { return (seen, [HeadroomLevel.Change]()) }
            let changes = seen.headroom.update(
                streams: seen.streams.compactMap(\.room), disk: seen.disk)
            return (seen, changes)
        }
        for change in changes {
            switch change.level {
            case .low: telemetry.emit(.headroomLow(room: change.room))
            case .ample: telemetry.emit(.headroomAmple(room: change.room))
            }
        }
        if metrics { show(seen, telemetry.metrics) }
        let rooms = seen.streams.compactMap(\.room) + [seen.disk].compactMap { $0 }
        return rooms.contains { $0.percent < narrowPercent } ? narrowInterval : interval
    }

    /// Asks the monitors. Only the answer of the server that has the connection counts: the others
    /// have separate configurations and disks.
    private static func ask(
        _ monitors: [Monitor], _ client: TapeClient
    ) -> (Durability, disk: HeadroomLevel.Room?) {
        var last: (Durability, disk: HeadroomLevel.Room?) = (.notConfigured, nil)
        for monitor in monitors {
            last = ask(monitor, client)
            if !last.0.isUnknown { break }
        }
        return last
    }

    private static func ask(
        _ monitor: Monitor, _ client: TapeClient
    ) -> (Durability, disk: HeadroomLevel.Room?) {
        do {
            let answer = try HTTPProbe.get(
                host: monitor.host, port: monitor.port, path: "/jsz?config=true",
                timeout: callTimeout)
            let json = try JSONValue.parse(answer.body)
            let durability = Durability(monitor: json, of: client.connection.serverID)
            return (durability, durability.isUnknown ? nil : disk(json))
        } catch {
            return (.unknown("the server's monitor does not answer: \(error)"), nil)
        }
    }

    /// Returns what an acknowledgement of the client's server means, asked once.
    package static func durability(_ monitors: [Monitor], _ client: TapeClient) -> Durability {
        ask(monitors, client).0
    }

    /// `nil`: there is no answer, which `ask` reports.
    private static func state(_ monitor: Monitor) -> JSONValue? {
        do {
            let answer = try HTTPProbe.get(
                host: monitor.host, port: monitor.port, path: "/varz", timeout: callTimeout)
            return try JSONValue.parse(answer.body)
        } catch {
            return nil
        }
    }

    private static func disk(_ answer: JSONValue) -> HeadroomLevel.Room? {
        guard let limit = answer.at("config", "max_storage")?.uint64, limit > 0,
            let used = answer["storage"]?.uint64
        else { return nil }
        return HeadroomLevel.Room(
            place: .disk, freeBytes: limit - min(limit, used), limitBytes: limit)
    }

    /// Reads all streams. When one cannot be read, those of the last look stay.
    private static func look(
        _ names: [String], _ jetStream: JetStream, _ shared: Shared, _ copies: CopyWatch?
    ) {
        var streams: [Stream] = []
        var problem: String?
        for name in names where !shared.mailbox.isClosed {
            do throws(JetStreamError) {
                guard let info = try jetStream.streamInfo(name) else { continue }
                copies?.show(name, info.copies, isLeaderless: false)
                streams.append(Stream(name, info))
            } catch {
                problem = "\(error)"
                // The others may have a leader.
                guard case .leaderless = error else { break }
                copies?.show(name, nil, isLeaderless: true)
            }
        }
        shared.seen.withLock {
            if problem == nil { $0.streams = streams }
            $0.problem = problem
        }
    }

    private static func show(_ seen: Seen, _ metrics: MetricRegistry) {
        for stream in seen.streams {
            let labels = [("stream", stream.name)]
            metrics.gauge(
                "mds_tape_stream_bytes",
                "bytes that a stream of the tape holds; the gateway shows it", labels: labels
            ).set(Double(stream.bytes))
            guard let headroom = stream.headroom else { continue }
            metrics.gauge(
                "mds_tape_stream_headroom_bytes",
                "bytes that a stream still takes before publishing waits; the gateway shows it",
                "falls towards 0: raise the limit or purge", labels: labels
            ).set(Double(headroom))
        }
        let disk = metrics.gauge(
            "mds_tape_disk_headroom_bytes",
            "bytes that the NATS server may still take for all of its stores; the gateway shows "
                + "it, with NATS_MONITOR_URL",
            "falls towards 0: a larger disk, or smaller streams")
        if let room = seen.disk { disk.set(Double(room.freeBytes)) } else { disk.remove() }
        let durable = metrics.gauge(
            "mds_tape_durable",
            "1 when an acknowledgement of the tape means that it is on the disk, else 0; the "
                + "gateway shows it, with NATS_MONITOR_URL, and only when the server reports it",
            "0: set `sync_interval: always`, or accept what a power cut loses, with "
                + "`GATEWAY_TAPE_DURABLE=false`; `/status` shows how much")
        if let isDurable = seen.durability.isDurable {
            durable.set(isDurable ? 1 : 0)
        } else {
            durable.remove()
        }
        metrics.gauge(
            "mds_tape_headroom_low",
            "1 while a stream or the disk is nearly full (below 10 % free, until 20 % are), else "
                + "0", "find out what holds the purge back, or raise the limit"
        ).set(seen.headroom.level == .low ? 1 : 0)
    }

    // MARK: results

    /// Returns how much room these streams and the server's disk had at the last check, at most
    /// five seconds ago.
    package func headroom(ofStreams streams: [String]) -> HeadroomLevel.Level {
        shared.seen.withLock { $0.headroom.level(ofStreams: streams) }
    }

    /// Writes the section "tape" of `/status`.
    package func write(into json: inout JSONWriter) {
        let seen = shared.seen.withLock { $0 }
        let replicas = seen.streams.map(\.replicas).min()
        json.member(
            "acknowledged_means", seen.durability.sentence(replicas: replicas ?? 1))
        json.key("replicas")
        if let replicas { json.value(replicas) } else { json.null() }
        json.key("problem")
        if let problem = seen.problem { json.value(problem) } else { json.null() }
        json.member("headroom", seen.headroom.level.rawValue)
        json.key("disk_headroom_bytes")
        if let disk = seen.disk { json.value(disk.freeBytes) } else { json.null() }
        json.array("streams") { json in
            for stream in seen.streams { Self.write(stream, seen.headroom, into: &json) }
        }
    }

    private static func write(
        _ stream: Stream, _ levels: HeadroomLevel, into json: inout JSONWriter
    ) {
        json.object { json in
            json.member("stream", stream.name)
            json.member("bytes", stream.bytes)
            json.member("messages", stream.messages)
            json.key("max_bytes")
            if stream.bytesMax < 0 { json.null() } else { json.value(stream.bytesMax) }
            json.key("headroom_bytes")
            if let headroom = stream.headroom { json.value(headroom) } else { json.null() }
            json.member("headroom", levels.level(of: .stream(stream.name)).rawValue)
        }
    }
}

// MARK: events

extension ServiceEvent {
    static func headroomLow(room: HeadroomLevel.Room) -> Self {
        Self(
            .warning, "tape.headroom.low",
            "the tape is nearly full; when it is, nothing more can be published: see what holds "
                + "its purge back in /status, or raise the limit",
            fields: room.fields
        ) { room.count("low", in: $0) }
    }

    static func headroomAmple(room: HeadroomLevel.Room) -> Self {
        Self(.info, "tape.headroom.ample", "the tape has room again", fields: room.fields) {
            room.count("ample", in: $0)
        }
    }
}

extension HeadroomLevel.Room {
    fileprivate var fields: [(String, LogValue)] {
        [
            ("place", .text(place.description)), ("free.bytes", .unsigned(freeBytes)),
            ("limit.bytes", .unsigned(limitBytes)),
        ]
    }

    fileprivate func count(_ level: String, in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_headroom_transitions_total",
            "a change of a stream's or the disk's headroom to that level",
            by: "level: low, ample", labels: [("level", level)]
        ).add()
    }
}
