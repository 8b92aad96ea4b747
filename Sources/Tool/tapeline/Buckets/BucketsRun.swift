import ServiceRuntime
import TapeTransport

/// Carries out `tapeline buckets`.
struct BucketsRun {
    private static let work = Deployment.TapeWork(
        failure: "the buckets cannot be read or written", right: "see or change the buckets")

    let command: BucketsCommand
    let terminal: Terminal

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        switch command.verb {
        case .export(let path):
            let export = BucketExport(command: command, path: path, terminal: terminal)
            return try deployment.onTape(Self.work) { try export.run(deployment, $0) }
        case .importing(let path):
            let work = BucketImport(command: command, path: path, terminal: terminal)
            // The file is checked as a whole before anything else.
            let file = try work.file(deployment.names)
            return try deployment.onTape(Self.work) { try work.run(file, deployment, $0) }
        }
    }
}
