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

    func note(
        _ request: ActionRequest, _ stage: ActionStage, _ outcome: String = ""
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
        } catch let error as ToolError {
            throw error
        } catch {
            throw .unreachable("\(error)")
        }
    }

    /// Returns the beginning of a text, cut between characters.
    static func cut(_ text: String, to bytesMax: Int) -> String {
        var kept = text.prefix(bytesMax)
        while kept.utf8.count > bytesMax { kept.removeLast() }
        return String(kept)
    }
}
