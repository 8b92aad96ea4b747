import Primitives
import ServiceRuntime

/// The progress that the gateway of a replay reports.
struct ReplayProgress {
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
    private(set) var begin = Timestamp.undefined
    private(set) var reached = Timestamp.undefined
    private(set) var end = Timestamp.undefined
    /// True if everything was read and put on the tape.
    private(set) var isDone = false

    /// Asks the gateway. Returns `nil` if it does not listen yet, or if another process answers.
    static func ask(_ port: UInt16, of process: Int32, timeout: Duration) -> ReplayProgress? {
        do throws(ServiceError) {
            let answer = try HTTPProbe.get(
                host: StackPlan.loopback, port: port, path: "/status", timeout: timeout)
            return parsedJSON(answer.body).flatMap { ReplayProgress($0, of: process) }
        } catch {
            return nil
        }
    }

    init?(_ status: JSONValue, of process: Int32) {
        guard let gateway = status["gateway"] else { return nil }
        guard let replay = gateway.at("providers", "replay") else {
            // A gateway that does not own the source yet has no provider.
            guard let role = gateway["role"]?.string else { return nil }
            state = role == "standby" ? "waiting for its turn to feed the source" : role
            return
        }
        guard replay["process"]?.int == Int(process) else { return nil }
        state = replay["state"]?.string ?? "waiting"
        records = replay["records"]?.uint64 ?? 0
        packets = replay["packets"]?.uint64 ?? 0
        unknown = replay["unknown"]?.uint64 ?? 0
        purged = replay["purged"]?.uint64 ?? 0
        lost = replay["lost"]?.uint64 ?? 0
        problem = replay["problem"]?.string
        if gateway["policies_act"]?.bool == true { room = gateway["room"]?.string }
        begin = Self.time(replay["begin"])
        reached = Self.time(replay["reached"])
        end = Self.time(replay["end"])
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
        return "\(state)\(share), \(records) records\(place)\(problem)"
    }
}
