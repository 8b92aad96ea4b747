import Primitives
import ServiceRuntime

/// What an acknowledgement of the tape means, as the NATS server's monitoring says it.
enum Durability: Equatable, Sendable {
    /// The packet is on the disk.
    case always
    /// It will be there within this time; a power cut before it loses acknowledged packets.
    case within(nanoseconds: Int64)
    case unknown(reason: String)

    private static let timeout: Duration = .seconds(2)

    /// The servers of a cluster are configured alike: the first that says something counts.
    static func ask(_ monitors: [MonitorAddress]) -> Durability {
        var last = Durability.unknown(reason: "\(ToolConfiguration.monitorKey) is not set")
        for monitor in monitors {
            last = ask(monitor)
            guard case .unknown = last else { break }
        }
        return last
    }

    private static func ask(_ monitor: MonitorAddress) -> Durability {
        do throws(ServiceError) {
            let answer = try HTTPProbe.get(
                host: monitor.host, port: monitor.port, path: "/jsz?config=true",
                timeout: timeout)
            guard answer.status == 200 else {
                return .unknown(reason: "the monitoring answered \(answer.status)")
            }
            return parse(answer.body)
        } catch {
            return .unknown(reason: "\(error)")
        }
    }

    static func parse(_ body: [UInt8]) -> Durability {
        guard let config = parsedJSON(body)?["config"], config.members != nil else {
            return .unknown(reason: "the monitoring says nothing of it")
        }
        if config["sync_always"]?.bool == true { return .always }
        guard let interval = config["sync_interval"]?.int, interval > 0 else {
            return .unknown(reason: "the monitoring names no sync_interval")
        }
        return .within(nanoseconds: Int64(interval))
    }

    var sentence: String {
        switch self {
        case .always: "an acknowledged packet is on the disk (sync_interval: always)"
        case .within(let nanoseconds):
            "an acknowledged packet is on the disk within \(nanoseconds / 1_000_000_000) s; "
                + "a power cut before that loses it"
        case .unknown(let reason): "unknown: \(reason)"
        }
    }

    var name: String {
        switch self {
        case .always: "always"
        case .within: "interval"
        case .unknown: "unknown"
        }
    }
}
