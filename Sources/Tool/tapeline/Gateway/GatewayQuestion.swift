import Primitives
import ServiceRuntime

/// Asks the gateway's program what it answers without NATS, in its log: `provider-gateway try`.
struct GatewayQuestion {
    private static let logBytesMax = 1 << 20
    private static let turn = Duration.milliseconds(50)
    private static let endTimeout = Duration.seconds(2)

    /// The path of the gateway's program.
    let program: String
    /// The argument that says what is asked.
    let word: String
    /// The gateway's settings.
    let environment: [String: String]
    /// Its list of instruments; `nil`: the settings name it, or it needs none.
    let list: String?
    /// How long the answer may take.
    let timeout: Duration
    /// Takes each line of the log while it grows. Returns how much longer the answer may take.
    var follow: ((JSONValue) -> Duration)?

    struct Answer {
        let log: [UInt8]
        /// `nil`: it did not end in time, or the person did not wait for it.
        let exitStatus: ChildProcess.ExitStatus?
    }

    /// Returns the answer. Ends early after a request to stop.
    func ask(_ shutdown: ShutdownSignal?) throws(ToolError) -> Answer {
        try Checkout.require(program)
        return try FileSystem.withTemporaryFolder(word, environment) { folder throws(ToolError) in
            try ask(in: folder, shutdown)
        }
    }

    private func ask(
        in folder: String, _ shutdown: ShutdownSignal?
    ) throws(ToolError) -> Answer {
        let log = "\(folder)/gateway.log"
        var settings = environment
        settings["LOG_FORMAT"] = "json"
        settings["LOG_LEVEL"] = "info"
        if let list {
            try FileSystem.write(Array(list.utf8), to: "\(folder)/instruments.yaml")
            settings["GATEWAY_INSTRUMENTS"] = "\(folder)/instruments.yaml"
        }
        let child: ChildProcess
        do {
            child = try ChildProcess(
                executable: program, arguments: [word], environment: settings, logPath: log,
                options: [.ownGroup, .endsWithParent])
        } catch {
            throw .runtime(error)
        }
        var deadline = SystemClock().deadline(after: timeout)
        var followed = 0
        while child.wait(timeout: Self.turn) == nil,
            SystemClock().remaining(until: deadline) > .zero, shutdown?.isRequested != true
        {
            deadline = deadline.advanced(by: followLog(log, after: &followed))
        }
        let ended = child.exitStatus
        child.stop(grace: Self.endTimeout)
        return Answer(
            log: FileSystem.tail(of: log, bytesMax: Self.logBytesMax), exitStatus: ended)
    }

    /// Hands over the whole lines after so many. Returns how much longer the answer may take.
    private func followLog(_ path: String, after count: inout Int) -> Duration {
        guard let follow else { return .zero }
        let lines = FileSystem.tail(of: path, bytesMax: Self.logBytesMax)
            .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        let new = lines.dropFirst(count)
        count = max(count, lines.count)
        return new.reduce(.zero) { time, line in
            time + (parsedJSON(Array(line)).map(follow) ?? .zero)
        }
    }
}
