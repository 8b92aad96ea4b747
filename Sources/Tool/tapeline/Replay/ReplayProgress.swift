import Primitives
import ServiceRuntime

/// What the gateway of a replay says of itself.
struct ReplayProgress {
    private(set) var state = "waiting"
    private(set) var records: UInt64 = 0
    private(set) var packets: UInt64 = 0
    /// Records that no provider delivers.
    private(set) var unknown: UInt64 = 0
    private(set) var purged: UInt64 = 0
    private(set) var lost: UInt64 = 0
    private(set) var problem: String?
    /// Why the tape takes nothing; nil: it does.
    private(set) var room: String?
    private(set) var begin = Timestamp.undefined
    private(set) var reached = Timestamp.undefined
    private(set) var end = Timestamp.undefined
    /// All of it was taken and put on the tape.
    private(set) var isDone = false

    /// Nil: it is not there yet, or another process answers.
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
            // Before it owns the source it has no provider.
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

    /// `packetsInAll`: of a file; nil: of a range, whose times say how far it is.
    func line(packetsInAll: UInt64?) -> String {
        let share =
            packetsInAll.map { ProgressLine.share(packets, of: $0) }
            ?? ProgressLine.share(reached, from: begin, to: end)
        let place = reached.isDefined ? ", up to \(reached)" : ""
        let problem = problem.map { ": \($0)" } ?? ""
        return "\(state)\(share), \(records) records\(place)\(problem)"
    }
}
