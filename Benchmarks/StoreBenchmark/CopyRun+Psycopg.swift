import BenchmarkRows
import Foundation
import TestSupport

// The usual way of a program in Python, whose rows are tuples.
extension CopyRun {
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    /// Has psycopg copy the rows that are in the table. `ours` is our rate in this run.
    func besidePsycopg(_ ours: Double) throws {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = here.deletingLastPathComponent().deletingLastPathComponent()
        do {
            let answer = try TestSupport.run(
                "/bin/bash",
                [
                    root.appendingPathComponent("deploy/local/engines.sh").path, "--of", "data",
                    here.appendingPathComponent("copy_psycopg.py").path, columns,
                    "\(perTransaction)",
                ],
                environment: [
                    "PYTHONDONTWRITEBYTECODE": "1", "PGHOST": "127.0.0.1",
                    "PGPORT": "\(database.server.port)", "PGDATABASE": database.name,
                    "PGUSER": PostgresServer.user, "PGPASSWORD": PostgresServer.password,
                ])
            guard let theirs = Double(answer) else { throw Load.Unusable() }
            say("  psycopg, rows from tuples in memory: \(Int(theirs)) rows/s")
            row(ours, ", beside psycopg").beside("psycopg, from tuples", theirs).tell()
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            say("psycopg was not measured: \(failure.message)")
        }
    }
}
