import DeploymentWatch
import Primitives
import ServiceRuntime

/// The progress that a gateway reports whose provider delivers the past.
struct GatewayProgress {
    private(set) var state = "waiting"
    private(set) var records: UInt64 = 0
    private(set) var packets: UInt64 = 0
    /// Records for which there is no provider event.
    private(set) var unknown: UInt64 = 0
    private(set) var purged: UInt64 = 0
    private(set) var lost: UInt64 = 0
    private(set) var problem: String?
    /// Why the tape does not accept ticks. `nil` if it does.
    private(set) var room: String?
    /// The group that it waits for. `nil` if it does not wait.
    private(set) var slowed: SlowedView?
    private(set) var begin = Timestamp.undefined
    private(set) var reached = Timestamp.undefined
    private(set) var end = Timestamp.undefined
    /// True if everything was read and put on the tape.
    private(set) var isDone = false

    /// Asks the gateway on this port for its provider. Returns `nil` if it does not listen yet, or
    /// if another process answers.
    static func ask(
        _ port: UInt16, for provider: String, of process: Int32, timeout: Duration
    ) -> GatewayProgress? {
        do throws(ServiceError) {
            let answer = try HTTPProbe.get(
                host: StackPlan.loopback, port: port, path: "/status", timeout: timeout)
            return parsedJSON(answer.body)
                .flatMap { GatewayProgress($0, of: provider, in: process) }
        } catch {
            return nil
        }
    }

    init?(_ status: JSONValue, of provider: String, in process: Int32) {
        guard let gateway = status["gateway"] else { return nil }
        guard let shown = gateway.at("providers", provider) else {
            // A gateway that does not own the source yet has no provider.
            guard let role = gateway["role"]?.string else { return nil }
            state = role == "standby" ? "waiting for its turn to feed the source" : role
            return
        }
        guard shown["process"]?.int == Int(process) else { return nil }
        state = shown["state"]?.string ?? "waiting"
        records = shown["records"]?.uint64 ?? 0
        packets = shown["packets"]?.uint64 ?? 0
        unknown = shown["unknown"]?.uint64 ?? 0
        purged = shown["purged"]?.uint64 ?? 0
        lost = shown["lost"]?.uint64 ?? 0
        problem = shown["problem"]?.string
        if gateway["policies_act"]?.bool == true { room = gateway["room"]?.string }
        slowed = SlowedView(gateway)
        begin = Self.time(shown["begin"])
        reached = Self.time(shown["reached"])
        end = Self.time(shown["end"])
        isDone =
            state == "finished" && gateway["finished"]?.bool == true
            && gateway["waiting"]?.uint64 == 0
    }

    private static func time(_ value: JSONValue?) -> Timestamp {
        value?.string.flatMap { ISOTime.parse($0) } ?? .undefined
    }

    /// `packetsInAll` is the number of packets in a file. `nil` for a range, whose times show the
    /// progress.
    func line(packetsInAll: UInt64?) -> String {
        let share =
            packetsInAll.map { ProgressLine.share(packets, of: $0) }
            ?? ProgressLine.share(reached, from: begin, to: end)
        let place = reached.isDefined ? ", up to \(reached)" : ""
        let problem = problem.map { ": \($0)" } ?? ""
        let wait = slowed.map { "; \($0.text)" } ?? ""
        return "\(state)\(share), \(records) records\(place)\(problem)\(wait)"
    }
}
