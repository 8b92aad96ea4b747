internal import Primitives

/// The guarantee of the tape's acknowledgements. No client can ask for it: it depends on the
/// server's configuration, which only its monitoring port shows.
package enum Durability: Equatable, Sendable {
    /// An acknowledgement comes after the disk write.
    case onDisk
    /// The last writes, up to this age, may be lost when the power fails.
    case onDiskWithin(nanoseconds: Int64)
    case unknown(String)

    static let notConfigured = Durability.unknown("set NATS_MONITOR_URL")

    var isUnknown: Bool { if case .unknown = self { true } else { false } }

    /// Reads the answer to `/jsz?config=true` of the server with this id.
    init(monitor answer: JSONValue, of server: String) {
        guard let found = answer["server_id"]?.string, let config = answer["config"] else {
            self = .unknown("what answers at NATS_MONITOR_URL is no NATS server with JetStream")
            return
        }
        guard found == server else {
            self = .unknown("NATS_MONITOR_URL is that of another server than NATS_URL's")
            return
        }
        if config["sync_always"]?.bool ?? false {
            self = .onDisk
        } else if let interval = config["sync_interval"]?.int, interval > 0 {
            self = .onDiskWithin(nanoseconds: Int64(interval))
        } else {
            self = .unknown("the server does not say when it writes to the disk")
        }
    }

    /// True when acknowledged packets survive a power cut; `nil` when unknown. Replicas that keep
    /// them in memory for a while may lose them, when all of them lose power.
    var isDurable: Bool? {
        switch self {
        case .onDisk: true
        case .onDiskWithin: false
        case .unknown: nil
        }
    }

    /// Returns one sentence for a person.
    package func sentence(replicas: Int) -> String {
        switch self {
        case .onDisk where replicas <= 1: return "on disk"
        case .onDisk: return "on the disks of a majority of \(replicas) replicas"
        case .onDiskWithin(let nanoseconds):
            let time = Self.text(nanoseconds)
            return replicas <= 1
                ? "on disk within \(time): a power cut can take what is younger"
                : "in the memory of a majority of \(replicas) replicas, on their disks "
                    + "within \(time)"
        case .unknown(let reason): return "unknown: \(reason)"
        }
    }

    /// The name for programs.
    package var name: String {
        switch self {
        case .onDisk: "always"
        case .onDiskWithin: "interval"
        case .unknown: "unknown"
        }
    }

    private static func text(_ nanoseconds: Int64) -> String {
        let milliseconds = nanoseconds / 1_000_000
        return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000) s" : "\(milliseconds) ms"
    }
}
