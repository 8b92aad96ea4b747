import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol

/// Runs the command of an action as a process of its own, so that one that hangs can be ended.
struct ActionCarrier {
    /// Longer than any command waits for what it has asked for.
    private static let timeout = Duration.seconds(75)
    private static let endTimeout = Duration.seconds(5)
    private static let turn = Duration.milliseconds(100)
    /// The end of its output is kept.
    private static let outputBytesMax = 4_096

    let program: String
    let environment: [String: String]
    let shutdown: ShutdownSignal

    func carryOut(_ plan: ActionPlan, of person: String) -> ActionAnswer {
        do throws(ToolError) {
            return try FileSystem.withTemporaryFolder("action", environment) {
                folder throws(ToolError) in
                try run(plan, of: person, in: folder)
            }
        } catch {
            return ActionAnswer(.failed, "\(error)")
        }
    }

    private func run(
        _ plan: ActionPlan, of person: String, in folder: String
    ) throws(ToolError) -> ActionAnswer {
        let log = "\(folder)/output"
        var own = environment
        own[Requester.variable] = person.isEmpty ? nil : person
        let child: ChildProcess
        do {
            child = try ChildProcess(
                executable: program, arguments: plan.arguments, environment: own, logPath: log,
                options: [.ownGroup, .endsWithParent])
        } catch {
            throw .runtime(error)
        }
        let deadline = SystemClock().deadline(after: Self.timeout)
        while child.wait(timeout: Self.turn) == nil, !shutdown.isRequested,
            SystemClock().remaining(until: deadline) > .zero
        {}
        let isEnded = child.exitStatus != nil
        let status = child.stop(grace: Self.endTimeout)
        var text = String(
            decoding: FileSystem.tail(of: log, bytesMax: Self.outputBytesMax), as: UTF8.self)
        while text.hasSuffix("\n") { text.removeLast() }
        if !isEnded { text += "\nit was ended before its end" }
        if text.isEmpty { text = status.map { "it ended with \($0)" } ?? "it does not end" }
        return ActionAnswer(plan.stage(isEnded ? status : nil), text)
    }
}
