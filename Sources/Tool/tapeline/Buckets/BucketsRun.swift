import ServiceRuntime
import TapeTransport

/// Carries out `tapeline buckets`.
struct BucketsRun {
    let command: BucketsCommand
    let terminal: Terminal

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        switch command.verb {
        case .export(let path):
            let export = BucketExport(command: command, path: path, terminal: terminal)
            return try onTape(of: deployment) { try export.run(deployment, $0) }
        case .importing(let path):
            let work = BucketImport(command: command, path: path, terminal: terminal)
            // The file is checked as a whole before anything else.
            let file = try work.file(deployment.names)
            return try onTape(of: deployment) { try work.run(file, deployment, $0) }
        }
    }

    private func onTape(
        of deployment: Deployment, _ body: (TapeClient) throws -> ExitCode
    ) throws(ToolError) -> ExitCode {
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            return try body(client)
        } catch let error as ToolError {
            throw error
        } catch {
            // A request without permission looks like a server that does not answer.
            guard let complaint = client.complaint else {
                throw .unreachable("the buckets cannot be read or written: \(error)")
            }
            throw .refused(
                "NATS does not let this user see or change the buckets (\(complaint)): name the "
                    + "user 'tool' by NATS_USER and NATS_PASSWORD or NATS_PASSWORD_FILE")
        }
    }
}
