internal import Glibc
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Carries out `tapeline buckets export`. It only reads, so services may run beside it.
struct BucketExport {
    let command: BucketsCommand
    /// `nil`: standard output.
    let path: String?
    let terminal: Terminal

    /// What was found, and why some of it is in no file.
    private struct Found {
        var entries: [BucketFile.Entry] = []
        var problems: [String] = []
        var bytes = 0
    }

    func run(_ deployment: Deployment, _ client: TapeClient) throws -> ExitCode {
        if let path, !command.replaces, FileSystem.exists(path) {
            throw ToolError.refused(Self.isThere(path))
        }
        let now = SystemClock().now()
        var found = Found()
        for bucket in SmallBucket.allCases { try read(bucket, client, &found) }
        let file = BucketFile(client.names, time: now, entries: found.entries)
        let bytes = file.bytes
        guard bytes.count <= BucketFile.bytesMax else { throw tooLarge }
        if let path {
            guard try FileSystem.writeDurably(bytes, to: path, replaces: command.replaces) else {
                throw ToolError.refused(Self.isThere(path))
            }
        } else {
            terminal.raw(String(decoding: bytes, as: UTF8.self))
        }
        report(file, bytes.count, found.problems)
        try note(deployment, now, bytes.count)
        return found.problems.isEmpty ? .success : .incomplete
    }

    private static func isThere(_ path: String) -> String {
        "\(path) is there already: name another file, or give --force to replace it"
    }

    private var tooLarge: ToolError {
        .refused(
            "the buckets hold more than \(BucketFile.bytesMax >> 20) MiB that would be exported, "
                + "and nothing was written: copy the store folder of NATS instead (docs/backup.md)")
    }

    private func read(
        _ bucket: SmallBucket, _ client: TapeClient, _ found: inout Found
    ) throws {
        let name = bucket.name(client.names)
        guard let opened = try client.jetStream.bucketAsFound(name) else {
            found.problems.append("there is no bucket \(name): 'tapeline setup' makes it")
            return
        }
        for key in try opened.keys().keys {
            switch BucketKey(key, in: bucket, partitions: client.names.partitions) {
            case .madeAgain: continue
            case .kept(let kind):
                guard let entry = try opened.get(key) else { continue }
                do throws(VersionedJSON.Refusal) {
                    let kept = try BucketFile.Entry(
                        bucket, key, kind, value: entry.value, time: entry.time)
                    found.entries.append(kept)
                    found.bytes += kept.value.count
                } catch {
                    found.problems.append("\(key) of bucket \(name) is left out: \(error)")
                }
                guard found.bytes <= BucketFile.bytesMax else { throw tooLarge }
            case .unknown:
                // A key that was deleted has no value.
                guard try opened.get(key) != nil else { continue }
                found.problems.append(
                    "\(key.prefix(100)) of bucket \(name) is left out: this release does not know "
                        + "such a key")
            }
        }
    }

    private func report(_ file: BucketFile, _ bytes: Int, _ problems: [String]) {
        for problem in problems.prefix(BucketFile.problemsMax) { terminal.problem(problem) }
        guard command.asJSON else {
            let sentence = "\(BucketsText.counted(file.counts)) in \(path ?? "standard output")"
            if path == nil { terminal.problem(sentence) } else { terminal.line(sentence) }
            return
        }
        terminal.line(
            JSONWriter.made { json in
                json.member("file", path ?? "-")
                json.member("namespace", file.namespace)
                json.member("exported", time: file.time)
                json.member("bytes", bytes)
                json.member("entries", file.entries.count)
                json.object("counts") { json in
                    for (word, count) in file.counts { json.member(word, count) }
                }
                json.member("left_out", values: problems.prefix(BucketFile.problemsMax))
            }.text)
    }

    /// Notes the export in the database, so that writers show its age.
    private func note(_ deployment: Deployment, _ time: Timestamp, _ bytes: Int) throws {
        guard deployment.postgres != nil else { return }
        do {
            let database = try deployment.openDatabase()
            defer { database.close() }
            try database.execute(
                "SELECT note_export($1, $2, $3)",
                [.timestamp(time), .integer(Int64(bytes)), .text(path ?? "-")],
                timeout: Deployment.statementTimeout)
        } catch {
            terminal.problem(
                "the export is there, and could not be noted in the database: \(error)")
        }
    }
}

/// The words of reports about exports and imports.
enum BucketsText {
    /// Returns "3 values (2 watchlists, 1 groups)".
    static func counted(_ counts: [(word: String, count: Int)]) -> String {
        let all = counts.reduce(0) { $0 + $1.count }
        let kinds = counts.filter { $0.count > 0 }
            .map { "\($0.count) \($0.word.replacing("_", with: " "))" }.joined(separator: ", ")
        return "\(all) value\(all == 1 ? "" : "s")" + (kinds.isEmpty ? "" : " (\(kinds))")
    }
}

extension FileSystem {
    /// Writes a file for its user only, with everything on the disk before it has its name. Returns
    /// false when there is such a file, and it is not to be replaced.
    static func writeDurably(
        _ bytes: [UInt8], to path: String, replaces: Bool
    ) throws(ToolError) -> Bool {
        let temporary = "\(path).\(getpid()).new"
        unsafe unlink(temporary)
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("write", path) }
        defer { unsafe unlink(temporary) }
        let isWritten = writeAll(bytes, to: descriptor) && fsync(descriptor) == 0
        let problem = failure("write", path)
        close(descriptor)
        guard isWritten else { throw problem }
        if replaces {
            guard unsafe rename(temporary, path) == 0 else { throw failure("write", path) }
        } else if unsafe link(temporary, path) != 0 {
            guard errno != EEXIST else { return false }
            // A file system without links, such as that of a memory stick.
            guard [EPERM, EOPNOTSUPP, ENOSYS].contains(errno) else { throw failure("write", path) }
            guard !exists(path) else { return false }
            guard unsafe rename(temporary, path) == 0 else { throw failure("write", path) }
        }
        let folder = unsafe open(folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
        return true
    }
}
