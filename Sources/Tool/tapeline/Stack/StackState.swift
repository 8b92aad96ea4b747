import Primitives
import ServiceRuntime

/// The state of a stack, in a file that the supervisor replaces whenever something changes.
/// Commands trust a process number in it only if the kernel confirms its start time.
struct StackState: Equatable, Sendable {
    static let version = 1

    struct Unit: Equatable, Sendable {
        var name: String
        var kind: UnitPlan.Kind
        var stage: Int
        /// A state of `SupervisedUnit.shown`.
        var state: String
        var detail = ""
        var process: ProcessIdentity?
        var restarts = 0
        /// Nanoseconds from the first start to the first answer, or to the end of a job.
        var startNanoseconds: Int64?
        var address = ""
        var operationsPort: UInt16?
        var stopSignal: Int32 = 15
        var log = ""
    }

    var phase: SupervisionMachine.Phase
    var problem: String?
    var supervisor: ProcessIdentity
    var started: Timestamp
    /// The arguments of `up`.
    var arguments: [String] = []
    var units: [Unit]

    /// Returns `nil` if the file is missing or is not ours.
    static func read(_ home: StackHome) throws(ToolError) -> StackState? {
        guard let bytes = try FileSystem.read(home.state) else { return nil }
        return parse(bytes)
    }

    var isSupervised: Bool { supervisor.isAlive }

    /// The processes that still run, supervised or not.
    var alive: [Unit] { units.filter { $0.process?.isAlive == true } }

    // MARK: JSON

    var json: [UInt8] {
        var writer = JSONWriter(capacity: 4_096)
        writer.object { writer in
            writer.member("version", StackState.version)
            writer.member("phase", phase.rawValue)
            if let problem { writer.member("problem", problem) }
            writer.key("supervisor")
            StackState.write(supervisor, &writer)
            writer.member("started", started.nanoseconds)
            writer.member("arguments", values: arguments)
            writer.array("units") { writer in for unit in units { unit.write(&writer) } }
        }
        return writer.bytes + Array("\n".utf8)
    }

    static func write(_ process: ProcessIdentity, _ writer: inout JSONWriter) {
        writer.object {
            $0.member("id", process.id)
            $0.member("startTime", process.startTime)
        }
    }

    static func parse(_ bytes: [UInt8]) -> StackState? {
        guard let document = parsedJSON(bytes), document["version"]?.int == version,
            let phase = document["phase"]?.string.flatMap(SupervisionMachine.Phase.init),
            let supervisor = document["supervisor"].flatMap(process),
            let started = document["started"]?.int, let elements = document["units"]?.array
        else { return nil }
        let units = elements.compactMap(Unit.init)
        guard units.count == elements.count else { return nil }
        return StackState(
            phase: phase, problem: document["problem"]?.string, supervisor: supervisor,
            started: Timestamp(nanoseconds: Int64(started)),
            arguments: (document["arguments"]?.array ?? []).compactMap(\.string), units: units)
    }

    static func process(_ value: JSONValue) -> ProcessIdentity? {
        guard let id = value["id"]?.int.flatMap(Int32.init(exactly:)), id > 0,
            let startTime = value["startTime"]?.uint64
        else { return nil }
        return ProcessIdentity(id: id, startTime: startTime)
    }
}

extension StackState.Unit {
    fileprivate init?(_ value: JSONValue) {
        guard let name = value["name"]?.string, let stage = value["stage"]?.int,
            let kind = value["kind"]?.string.flatMap(UnitPlan.Kind.init),
            let state = value["state"]?.string, let signal = value["stopSignal"]?.int,
            (1...31).contains(signal)
        else { return nil }
        self.init(name: name, kind: kind, stage: stage, state: state)
        stopSignal = Int32(signal)
        detail = value["detail"]?.string ?? ""
        process = value["process"].flatMap(StackState.process)
        restarts = value["restarts"]?.int ?? 0
        startNanoseconds = value["startNanoseconds"]?.int.map(Int64.init)
        address = value["address"]?.string ?? ""
        operationsPort = value["operationsPort"]?.int.flatMap(UInt16.init(exactly:))
        log = value["log"]?.string ?? ""
    }

    fileprivate func write(_ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member("kind", kind.rawValue)
            writer.member("stage", stage)
            writer.member("state", state)
            if !detail.isEmpty { writer.member("detail", detail) }
            if let process {
                writer.key("process")
                StackState.write(process, &writer)
            }
            writer.member("restarts", restarts)
            if let startNanoseconds { writer.member("startNanoseconds", startNanoseconds) }
            if !address.isEmpty { writer.member("address", address) }
            if let operationsPort { writer.member("operationsPort", operationsPort) }
            writer.member("stopSignal", stopSignal)
            if !log.isEmpty { writer.member("log", log) }
        }
    }
}
