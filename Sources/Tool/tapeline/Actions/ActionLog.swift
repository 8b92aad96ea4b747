import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Puts on the tape what a person does, before it is done and after that.
struct ActionLog {
    /// Its records belong to no symbol, and are all in the first partition.
    private static let partition = Partition(0)

    let deployment: Deployment

    /// How often it is tried while others publish under the same source.
    private static let triesMax = 3

    func note(
        _ request: ActionRequest, _ stage: ActionStage, _ outcome: String = ""
    ) throws(ToolError) {
        for _ in 1..<Self.triesMax {
            do throws(ToolError) {
                return try put(request, stage, outcome)
            } catch .refused {
                // Somebody else has opened the source at the same moment.
                continue
            } catch {
                throw error
            }
        }
        try put(request, stage, outcome)
    }

    private func put(
        _ request: ActionRequest, _ stage: ActionStage, _ outcome: String
    ) throws(ToolError) {
        let client = try deployment.openTape()
        defer { client.close() }
        let record = ActionRecord(
            header: TickHeader(
                symbol: TickHeader.noSymbol, providerTime: .undefined,
                receiveTime: SystemClock().now()),
            number: request.number, stage: stage, person: request.person, origin: request.origin,
            command: request.command, reason: request.reason,
            outcome: Self.cut(outcome, to: ActionRecord.outcomeBytesMax))
        do {
            // What was begun is noted also while this process is to end.
            let publisher = try ManualPublisher(client, [Self.partition], ShutdownSignal())
            try publisher.open()
            try publisher.append(record, Self.partition)
            try publisher.drain()
        } catch {
            throw ToolError(error) { .unreachable("\($0)") }
        }
    }

    /// Returns the end of a text, where a command says what came of it, cut between characters.
    static func cut(_ text: String, to bytesMax: Int) -> String {
        var kept = text.suffix(bytesMax)
        while kept.utf8.count > bytesMax { kept.removeFirst() }
        return String(kept)
    }
}
