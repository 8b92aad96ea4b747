import BenchmarkRows
import Foundation
import StoreSinks
import TestSupport

/// Compares frames of the Python package with psql's binary `\copy` of the columns of the same rows
/// to nowhere, in the same order, in turns on one server.
struct FrameRun {
    /// The least rate, as a share of psql's.
    static let ratioMin = 0.8
    private static let rows = 400_000
    private static let perTransaction = 20_000
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    let database: Stage.Database
    let kind: Load.Kind

    func run() throws -> Bool {
        try fill()
        do {
            return try read().allSatisfy { $0 }
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            say("frames were not measured: \(failure.message)")
            return true
        }
    }

    private func fill() throws {
        let copy = CopyRun(
            database: database, kind: kind, perTransaction: Self.perTransaction, sessions: 1)
        try database.psql("TRUNCATE \(copy.table)")
        let session = try database.connect()
        for first in stride(from: 1, through: Self.rows, by: Self.perTransaction) {
            let load = try Load(
                kind, rows: Self.perTransaction, perPacket: 512, firstOrdinal: UInt64(first))
            try copy.transaction(load, session)
        }
        try database.psql("VACUUM ANALYZE \(copy.table)")
    }

    /// Returns of each kind of frame whether it is fast enough.
    private func read() throws -> [Bool] {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = ServerPrograms.checkout
        let folder = try TemporaryFolder("frames")
        let password = PostgresServer.password.replacingOccurrences(of: " ", with: "%20")
        let place = "127.0.0.1:\(database.server.port)/\(database.name)"
        try TestSupport.run("/bin/bash", ["\(root)/deploy/local/transport.sh", folder.path])
        let answer = try TestSupport.run(
            "/bin/bash",
            [
                "\(root)/deploy/local/engines.sh", "--of", "desk",
                here.appendingPathComponent("read_frames.py").path,
                "postgresql://\(PostgresServer.user):\(password)@\(place)",
                kind.rawValue, ServerPrograms.database("psql"),
            ],
            environment: [
                "PYTHONDONTWRITEBYTECODE": "1",
                "TAPELINE_ARROW": folder.file("libtapeline_arrow.so"),
            ])
        return try answer.split(separator: "\n").map { line in
            let words = line.split(separator: ";").map(String.init)
            guard words.count == 3, let ours = Double(words[1]), let psql = Double(words[2]) else {
                throw Stage.Unusable(description: "the package says: \(answer)")
            }
            let name = "\(database.name), \(kind.rawValue) into \(words[0])"
            let ratio = ours / psql
            say("frames: \(name): \(Int(ours)) rows/s, psql \(Int(psql)), \(percent(ratio)) of it")
            BenchmarkRow(name, ours, "rows/s").beside("psql \\copy to nowhere, binary", psql)
                .ratio(atLeast: Self.ratioMin).tell()
            return ratio >= Self.ratioMin
        }
    }
}
