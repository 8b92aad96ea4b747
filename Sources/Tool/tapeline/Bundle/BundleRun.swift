internal import Glibc
import PostgresClient
import Primitives
import ServiceRuntime
import TapeTransport

/// Carries out `tapeline support-bundle`. What cannot be had is named in the list of contents.
struct BundleRun {
    /// How long one command of the tool may take.
    private static let commandTimeout: Duration = .seconds(60)
    private static let gzipTimeout: Duration = .seconds(60)
    /// The end of each log that is kept.
    private static let logBytesMax = 256 << 10
    private static let gzips = ["/usr/bin/gzip", "/bin/gzip"]

    let command: BundleCommand
    let terminal: Terminal
    let deployment: Deployment
    let environment: [String: String]
    /// This program, which runs the commands whose output is kept.
    let program: String
    let shutdown: ShutdownSignal

    func run() throws(ToolError) -> ExitCode {
        guard !FileSystem.exists(command.output) else {
            throw .refused("\(command.output) is there already: remove it, or name another file")
        }
        guard let gzip = Self.gzips.first(where: FileSystem.isExecutable) else {
            throw .refused("the program gzip is missing: install it")
        }
        let folder = "\(command.output).\(getpid()).new"
        try FileSystem.makeFolder(folder, mode: 0o700)
        do throws(ToolError) {
            let bundle = try collected(in: folder)
            for line in bundle.contents { terminal.line(line) }
            try write(bundle, by: gzip, in: folder)
        } catch {
            try remove(folder, after: error)
            throw error
        }
        try remove(folder, after: nil)
        let size = FileSystem.byteCount(of: command.output) ?? 0
        terminal.line()
        terminal.line(
            "\(command.output): \(TapeReport.bytes(UInt64(size))). Secrets were taken out; "
                + "symbols, prices, names of hosts and users are inside. "
                + "Look at it before you send it"
        )
        return .success
    }

    /// Removes what was collected. `error` is why there is no bundle.
    private func remove(_ folder: String, after error: ToolError?) throws(ToolError) {
        do throws(ToolError) {
            try FileSystem.removeFolder(folder)
        } catch let problem {
            let first = error.map { "\($0); " } ?? ""
            throw .refused(
                "\(first)\(folder) has secrets and is still there (\(problem)): remove it")
        }
    }

    private func requireNoEnd() throws(ToolError) {
        guard !shutdown.isRequested else { throw .refused("interrupted; no bundle was written") }
    }

    private func write(
        _ bundle: SupportBundle, by gzip: String, in folder: String
    ) throws(ToolError) {
        let words = command.output.split(separator: "/").last.map(String.init) ?? ""
        let name = String(words.dropLast(BundleCommand.ending.count))
        let tar = "\(folder)/bundle.tar"
        try FileSystem.write(
            bundle.archive(folder: name, at: SystemClock().now()), to: tar)
        let status = try child(gzip, ["-n", "-6", tar], [:], Self.gzipTimeout, "\(folder)/gzip")
        guard status?.isSuccess == true else {
            let said = String(
                decoding: FileSystem.tail(of: "\(folder)/gzip", bytesMax: 300), as: UTF8.self)
            throw .refused("gzip did not pack the bundle: \(said.isEmpty ? "no end" : said)")
        }
        guard unsafe rename("\(tar).gz", command.output) == 0 else {
            throw FileSystem.failure("write", command.output)
        }
    }

    private func child(
        _ program: String, _ arguments: [String], _ environment: [String: String],
        _ timeout: Duration, _ output: String
    ) throws(ToolError) -> ChildProcess.ExitStatus? {
        try requireNoEnd()
        let status: ChildProcess.ExitStatus?
        do throws(ServiceError) {
            let process = try ChildProcess(
                executable: program, arguments: arguments, environment: environment,
                logPath: output)
            shutdown.onRequest { process.signal(SIGTERM) }
            status = process.wait(timeout: timeout)
            if status == nil { process.stop(SIGKILL, grace: timeout) }
        } catch {
            throw .runtime(error)
        }
        try requireNoEnd()
        return status
    }

    // MARK: contents

    private func collected(in folder: String) throws(ToolError) -> SupportBundle {
        let examination = try Examination(deployment, environment, command.pages)
        let sources = try SecretSources(deployment, environment, command.target)
        var bundle = SupportBundle(SecretFilter(sources.secrets))
        try addCommands(to: &bundle, folder)
        bundle.add("versions.txt", Array(versions.utf8), "this tool and this machine")
        bundle.add(
            "configuration.txt", Array(sources.configuration.utf8),
            "settings of this shell and of each process, without secrets")
        addPages(examination.services, to: &bundle)
        try requireNoEnd()
        addDatabase(to: &bundle)
        try addStack(to: &bundle)
        try requireNoEnd()
        return bundle
    }

    /// The commands whose output is kept.
    private var commands: [(file: String, words: [String], meaning: String)] {
        var all: [(file: String, words: [String], meaning: String)] = [
            ("doctor.txt", ["doctor"], "what is wrong, and what to do"),
            ("doctor.json", ["doctor", "--json"], "the same for programs"),
            ("watch.json", ["watch", "--once", "--json"], "rates, lag, owners, verdict"),
            ("tape.json", ["tape", "--json", "--no-rate"], "streams, partitions, readers"),
            ("members.json", ["members", "--json"], "groups, members, owners"),
            ("positions.json", ["position", "show", "--json"], "where readers have read to"),
            ("groups.json", ["groups", "list", "--json"], "for whom the tape is kept"),
            ("sources.json", ["source", "list", "--json"], "sources and their state"),
            ("letters.json", ["dlq", "list", "--json"], "rows that were refused"),
            ("gaps.json", ["gaps", "--last", "1000", "--json"], "what is missing now"),
        ]
        if deployment.home != nil {
            all.append(("status.json", ["status", "--json"], "the processes of the stack"))
        }
        return all
    }

    private func addCommands(
        to bundle: inout SupportBundle, _ folder: String
    ) throws(ToolError) {
        var settings = environment
        // A URL may have a password, so it is not passed as an argument.
        if let url = command.target.natsURL { settings["NATS_URL"] = url }
        var place: [String] = []
        if let home = deployment.home { place += ["--name", home.name] }
        if let home = command.target.home { place += ["--home", home] }
        let pages =
            command.pages.services.flatMap { ["--service", "\($0.host):\($0.port)"] }
            + (command.pages.prometheus.map { ["--prometheus", "\($0.host):\($0.port)"] } ?? [])
        for (file, words, meaning) in commands {
            let output = "\(folder)/\(file)"
            let own = words + place + (words[0] == "doctor" ? pages : [])
            let status = try child(program, own, settings, Self.commandTimeout, output)
            let said = FileSystem.piece(
                of: output, from: 0, bytesMax: SupportBundle.fileBytesMax * 2)
            bundle.add(file, said, meaning)
            if status == nil { bundle.addAbsent("\(file): no end of 'tapeline \(words[0])'") }
        }
    }

    private var versions: String {
        let files = ["/proc/version", "/etc/os-release", "/proc/loadavg", "/proc/meminfo"]
        let texts = files.map { path in
            "\n\(path)\n"
                + String(
                    decoding: FileSystem.piece(of: path, from: 0, bytesMax: 16_384), as: UTF8.self)
        }
        return ProductVersion.line("tapeline") + "\n" + texts.joined()
    }

    private func addPages(_ services: [ServicePage], to bundle: inout SupportBundle) {
        guard !services.isEmpty else {
            bundle.addAbsent(
                "status and metrics of the services: name them with --service HOST:PORT")
            return
        }
        let pages = [
            ("/status", "json", "what the service knows"), ("/metrics", "txt", "its metrics"),
        ]
        for service in services {
            for (path, ending, meaning) in pages {
                do throws(ServiceError) {
                    let answer = try service.body(path)
                    bundle.add(
                        "services/\(service.name)\(path).\(ending)", answer.body, meaning)
                } catch {
                    bundle.addAbsent("\(path) of \(service.name): \(error)")
                }
            }
        }
    }

    private func addDatabase(to bundle: inout SupportBundle) {
        do {
            let session = try deployment.openDatabase()
            defer { session.close() }
            let found = try session.execute(
                """
                SELECT format('%s.%s  %s rows  %s bytes', n.nspname, c.relname,
                    greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid))
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'm')
                ORDER BY pg_total_relation_size(c.oid) DESC LIMIT 200
                """, timeout: Deployment.statementTimeout)
            let lines = (0..<found.rowCount).compactMap { found[$0, 0] }
            bundle.add(
                "database-sizes.txt", Array((lines.joined(separator: "\n") + "\n").utf8),
                "the largest tables")
        } catch {
            bundle.addAbsent("database-sizes.txt: \(error)")
        }
    }

    /// The files of a local stack.
    private func addStack(to bundle: inout SupportBundle) throws(ToolError) {
        guard let home = deployment.home else {
            bundle.addAbsent("logs: those of a local stack alone are known here")
            return
        }
        if let state = try FileSystem.read(home.state) {
            bundle.add("stack.json", state, "the supervisor's notes")
        }
        for name in FileSystem.names(in: home.logs).sorted() where name.hasSuffix(".log") {
            // One byte more shows whether something was cut off.
            let end = FileSystem.tail(
                of: "\(home.logs)/\(name)", bytesMax: Self.logBytesMax + 1)
            bundle.add(
                "logs/\(name)",
                end.count > Self.logBytesMax ? SecretFilter.withoutFirstLine(end) : end,
                "the end of its log", keepsEnd: true)
        }
    }
}
