import DeploymentWatch
import Primitives
import TapeTransport

/// What the doctor knows of the NATS server and of the streams on it.
struct NatsFacts: Sendable {
    /// A stream or bucket that the services need.
    struct Stream: Equatable, Sendable {
        let name: String
        /// False if there is no such stream.
        var exists = true
        var bytes: UInt64 = 0
        /// -1: no limit.
        var bytesMax: Int64 = -1
        var copies = 1
        /// How it differs from what the services want.
        var differences: [String] = []
        /// The average over what it stores. `nil` if it stores too little.
        var bytesPerSecond: Double?

        var freePercent: UInt64? {
            bytesMax > 0 ? Room.percent(free: freeBytes, of: UInt64(bytesMax)) : nil
        }

        var freeBytes: UInt64 {
            let limit = UInt64(max(0, bytesMax))
            return limit - min(limit, bytes)
        }
    }

    /// What the server's monitor says about it (`/varz`).
    struct Monitor: Equatable, Sendable {
        var hasJetStream = false
        var storedBytes: UInt64 = 0
        var storeBytesMax: UInt64 = 0
        var connections: UInt64 = 0
        var connectionsMax: UInt64 = 0
        var slowConsumers: UInt64 = 0
    }

    /// The two times of a packet of the tape: when it was sent, and when the tape took it.
    struct Packet: Equatable, Sendable {
        let sent: Timestamp
        let taken: Timestamp

        var nanoseconds: Int64 { taken.nanoseconds(since: sent) }
    }

    var peer = ""
    /// Empty if the server hides it, `nil` if it did not answer.
    var version: String?
    var durability = Durability.unknown("not asked")
    var monitor: Monitor?
    var clock: ClockOffset?
    var streams: [Stream] = []
    /// The last packet of each partition.
    var lastTicks: [Packet] = []
    var lastBars: [Packet] = []

    private var copies: Int { streams.filter(\.exists).map(\.copies).max() ?? 1 }

    var findings: [Finding] {
        [versionFinding, durabilityFinding] + monitorFindings
            + (clock.map { [$0.finding(.nats, of: "NATS")] } ?? []) + streamFindings
            + Self.clockFinding(of: "ticks", from: "gateway", lastTicks)
            + Self.clockFinding(of: "bars", from: "operator", lastBars)
    }

    private var versionFinding: Finding {
        guard let version else {
            return Finding(
                .unseen, .nats, "the server at \(peer) did not say its version",
                "run the doctor again; if it stays so, see the server's log")
        }
        let advice = "replace nats-server (docs/operate.md, 'Versions of NATS')"
        switch ServerFloor.verdict(version: version, copies: copies) {
        case .good: return Finding(.fine, .nats, "nats-server \(version) at \(peer)")
        case .old(let reason): return Finding(.warning, .nats, reason, advice)
        case .refused(let reason): return Finding(.wrong, .nats, reason, advice)
        }
    }

    private var durabilityFinding: Finding {
        let text = "an acknowledgement means: \(durability.sentence(replicas: copies))"
        let advice = "set sync_interval: always in jetstream {…} of the server's configuration"
        switch durability {
        case .onDisk: return Finding(.fine, .nats, text)
        case .onDiskWithin:
            return Finding(
                copies > 1 ? .warning : .wrong, .nats, text, advice, runbook: "TapeDurability")
        case .unknown:
            return Finding(
                .unseen, .nats, text,
                "let NATS_MONITOR_URL name the monitor of this server (http://host:8222)")
        }
    }

    private var monitorFindings: [Finding] {
        // Why there is none is said where the meaning of an acknowledgement is.
        guard let monitor else { return [] }
        var found: [Finding] = []
        if !monitor.hasJetStream {
            found.add(
                .wrong, .nats, "JetStream is off, so there can be no tape",
                "add jetstream {…} to the server's configuration (deploy/nats/server.conf)")
        } else if monitor.storeBytesMax > 0 {
            let free = monitor.storeBytesMax - min(monitor.storeBytesMax, monitor.storedBytes)
            let percent = Room.percent(free: free, of: monitor.storeBytesMax)
            let text =
                "the server may store \(TapeReport.bytes(free)) more, \(percent) % of its limit"
            found.append(
                percent >= HeadroomLevel.lowPercent
                    ? Finding(.fine, .nats, text)
                    : Finding(
                        .wrong, .nats, text, "raise max_file_store (NATS_STORE_BYTES_MAX)",
                        runbook: "TapeRoom"))
        }
        if monitor.connectionsMax > 0, monitor.connections > monitor.connectionsMax / 5 * 4 {
            found.add(
                .warning, .nats,
                "\(monitor.connections) of \(monitor.connectionsMax) connections are taken",
                "raise max_connections of the server, or close programs that hold them")
        }
        if monitor.slowConsumers > 0 {
            found.add(
                .warning, .nats,
                "the server has disconnected \(monitor.slowConsumers) clients that read too "
                    + "slowly", "see which ones in the server's log", runbook: "Nats")
        }
        return found
    }

    // MARK: clocks

    /// From here on, answers about what was known raise (`bars_as_of`).
    private static let delayMaxNanoseconds: UInt64 = 1_000_000_000
    /// A packet that is older than the newest one by more says nothing about the clocks of now.
    private static let ageMaxNanoseconds: Int64 = 3_600_000_000_000

    /// Compares the clocks of NATS and of those who send, by the packet farthest from zero.
    private static func clockFinding(
        of records: String, from sender: String, _ packets: [Packet]
    ) -> [Finding] {
        let newest = packets.map(\.taken).max() ?? .undefined
        let counted = packets.filter {
            $0.sent.isDefined && newest.nanoseconds(since: $0.taken) <= ageMaxNanoseconds
        }
        guard
            let delay = counted.map(\.nanoseconds).max(by: { $0.magnitude < $1.magnitude }),
            delay.magnitude > delayMaxNanoseconds
        else { return [] }
        let seconds = (Double(delay.magnitude) / 1e8).rounded() / 10
        return [
            Finding(
                .warning, .tape,
                "the tape took the last \(records) of a partition \(seconds) s "
                    + "\(delay < 0 ? "before" : "after") the \(sender) sent them, by their clocks: "
                    + "nobody can say what was known then",
                "set the clocks of NATS and of each \(sender) by NTP (chrony, systemd-timesyncd)",
                runbook: "ClocksDisagree")
        ]
    }

    // MARK: streams

    private var streamFindings: [Finding] {
        let missing = streams.filter { !$0.exists }.map(\.name)
        var found: [Finding] = []
        if !missing.isEmpty {
            found.add(
                .wrong, .tape, "missing: \(missing.joined(separator: ", "))",
                "'tapeline setup' makes them, as the user 'tool'")
        }
        let other = streams.filter { !$0.differences.isEmpty }
        for stream in other {
            found.add(
                .wrong, .tape,
                "\(stream.name) is not as the services want it: "
                    + stream.differences.joined(separator: "; "),
                "'tapeline setup' changes what can be changed, and says what cannot")
        }
        let good = streams.filter { $0.exists && $0.differences.isEmpty }
        if !good.isEmpty {
            found.add(.fine, .tape, "\(good.count) streams and buckets are as wanted")
        }
        return found + roomFindings
    }

    private var roomFindings: [Finding] {
        let limited = streams.filter { $0.exists && $0.freePercent != nil }
        let low = limited.filter { ($0.freePercent ?? 100) < HeadroomLevel.lowPercent }
        if !low.isEmpty {
            return low.map { stream in
                Finding(
                    .warning, .tape,
                    Self.roomText(stream)
                        + Room.time(
                            free: stream.freeBytes, bytesPerSecond: stream.bytesPerSecond,
                            then: "gateways keep ticks in their spools"),
                    "see which group holds the purge back ('tapeline groups list'), or enlarge it: "
                        + "'tapeline setup --stream-bytes'", runbook: "TapeRoom")
            }
        }
        guard let fullest = limited.min(by: { ($0.freePercent ?? 0) < ($1.freePercent ?? 0) })
        else { return [] }
        let text = "the fullest: \(Self.roomText(fullest)): what all groups have read is purged"
        return [Finding(.fine, .tape, text)]
    }

    private static func roomText(_ stream: Stream) -> String {
        "\(stream.name) has \(stream.freePercent ?? 0) % free, "
            + TapeReport.bytes(stream.freeBytes)
    }
}
