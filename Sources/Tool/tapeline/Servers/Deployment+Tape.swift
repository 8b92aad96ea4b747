import ServiceRuntime
import TapeTransport

extension Deployment {
    /// What a command says when it cannot do its work on the tape.
    struct TapeWork {
        /// A clause for a server that does not answer: "the groups cannot be looked at".
        let failure: String
        /// What a user may not do who lacks the rights: "see or change groups".
        let right: String
    }

    /// Opens the tape for `body`, and closes it afterwards.
    func onTape<Outcome>(
        _ work: TapeWork, _ body: (TapeClient) throws -> Outcome
    ) throws(ToolError) -> Outcome {
        let client = try openTape()
        defer {
            client.close()
            // Of an event that came too often the log says at the end how often.
            client.telemetry.logger.flush()
        }
        do {
            return try body(client)
        } catch let error as ToolError {
            throw error
        } catch {
            // A request without permission looks like a server that does not answer.
            guard let complaint = client.complaint else {
                throw .unreachable("\(work.failure): \(error)")
            }
            throw .refused(
                "NATS does not let this user \(work.right) (\(complaint)): name the user 'tool' by "
                    + "NATS_USER and NATS_PASSWORD or NATS_PASSWORD_FILE")
        }
    }
}
