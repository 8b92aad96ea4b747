import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Carries out `tapeline buckets import`: puts back what a file has and the buckets do not.
struct BucketImport {
    /// How often a write is tried whose outcome is not known.
    private static let triesMax = 3
    /// The most gaps that are named; the others are counted.
    private static let gapsShownMax = 20

    enum Outcome: String, CaseIterable, Sendable {
        case imported
        /// The bucket has it.
        case present
        /// The bucket has another value, which is newer.
        case differs
        /// The key was deleted in this bucket.
        case deleted
        /// No gap of the ledger still waits, or none may be put back.
        case nothing
    }

    let command: BucketsCommand
    let path: String
    let terminal: Terminal

    private struct Result {
        var outcomes: [(entry: BucketFile.Entry, outcome: Outcome)] = []
        var gaps: [GapCheck.Fate: Int] = [:]
        var problems: [String] = []
        /// Gaps that no database was asked about.
        var unchecked = 0
    }

    /// Reads the file, or reports all that is wrong with it.
    func file(_ names: TapeNames) throws(ToolError) -> BucketFile {
        guard let bytes = try FileSystem.read(path, bytesMax: BucketFile.bytesMax) else {
            throw .usage("there is no file \(path)")
        }
        do throws(BucketFile.Refusal) {
            return try BucketFile(bytes, for: names)
        } catch {
            for problem in error.lines { terminal.problem("\(path): \(problem)") }
            throw .unreadable("\(path) cannot be imported, and nothing was changed")
        }
    }

    func run(
        _ file: BucketFile, _ deployment: Deployment, _ client: TapeClient
    ) throws -> ExitCode {
        let buckets = try open(client)
        let database = deployment.postgres == nil ? nil : try deployment.openDatabase()
        defer { database?.close() }
        let check = database.map { GapCheck(database: $0) }
        var plan = Result()
        var puts: [(index: Int, value: [UInt8])] = []
        for entry in file.entries {
            let standing = try standing(entry, buckets)
            guard standing == .imported else {
                plan.outcomes.append((entry, standing))
                continue
            }
            let value = try value(of: entry, check, file.time, &plan)
            if let value { puts.append((plan.outcomes.count, value)) }
            plan.outcomes.append((entry, value == nil ? .nothing : .imported))
        }
        guard !command.isDryRun, !puts.isEmpty else { return report(plan, file, isDone: false) }
        if !command.asJSON {
            for line in lines(plan, file) { terminal.line(line) }
            guard
                try Confirmation.ask(
                    "Import \(puts.count == 1 ? "this value" : "these \(puts.count) values")?",
                    isGiven: command.isConfirmed, terminal)
            else { return .failure }
        }
        for (index, value) in puts {
            plan.outcomes[index].outcome =
                try put(plan.outcomes[index].entry, value, buckets)
        }
        return report(plan, file, isDone: true)
    }

    private func open(_ client: TapeClient) throws -> [SmallBucket: KeyValueBucket] {
        var buckets: [SmallBucket: KeyValueBucket] = [:]
        for bucket in SmallBucket.allCases {
            let name = bucket.name(client.names)
            guard let opened = try client.jetStream.bucketAsFound(name) else {
                throw ToolError.refused("there is no bucket \(name): run 'tapeline setup' before")
            }
            buckets[bucket] = opened
        }
        return buckets
    }

    // MARK: one value

    /// Returns `imported` if the bucket has nothing of the key, not even that it was deleted.
    private func standing(
        _ entry: BucketFile.Entry, _ buckets: [SmallBucket: KeyValueBucket]
    ) throws -> Outcome {
        guard let bucket = buckets[entry.bucket],
            !(try bucket.keys(matching: entry.key).keys.isEmpty)
        else { return .imported }
        guard let stored = try bucket.get(entry.key) else { return .deleted }
        return stored.value == entry.value ? .present : .differs
    }

    /// Returns the value to write; `nil`: none.
    private func value(
        of entry: BucketFile.Entry, _ check: GapCheck?, _ time: Timestamp, _ plan: inout Result
    ) throws -> [UInt8]? {
        guard case .gaps(let source, let partition) = entry.kind else {
            if case .loads(let source) = entry.kind,
                try SourceLoads(json: entry.value).ranges.contains(where: { $0.state == .running })
            {
                plan.problems.append(
                    "a load of source \(source) was running at the export: to continue it would "
                        + "store a second time what the table has; load that range as a source of "
                        + "its own (--source)")
            }
            return entry.value
        }
        let ledger = try WaitingGaps(json: entry.value)
        guard let check else {
            plan.unchecked += ledger.gaps.count
            return nil
        }
        var waiting: [WaitingGaps.Gap] = []
        for gap in ledger.gaps {
            let fate = try check.fate(gap, of: source, after: ledger.lastOrdinal)
            plan.gaps[fate, default: 0] += 1
            if fate == .waits { waiting.append(gap) }
            guard fate == .doubtful || fate == .lasting else { continue }
            plan.problems.append(
                "the gap of \(gap.symbol) (source \(source), partition \(partition)) from "
                    + "\(gap.from) is not put back: "
                    + (fate == .lasting
                        ? "it lasted at the export" : "ticks of its time came after the export"))
        }
        return waiting.isEmpty ? nil : WaitingGaps.ledger(waiting, time: time)
    }

    /// Stores the value if the key was never written.
    private func put(
        _ entry: BucketFile.Entry, _ value: [UInt8], _ buckets: [SmallBucket: KeyValueBucket]
    ) throws -> Outcome {
        guard let bucket = buckets[entry.bucket] else { return .nothing }
        var reason = ""
        for _ in 0..<Self.triesMax {
            switch try bucket.put(entry.key, value, expected: 0) {
            case .stored: return .imported
            case .conflict:
                guard let stored = try bucket.get(entry.key) else { return .deleted }
                // A write before, whose outcome was not known, was stored.
                if stored.value == value { return .imported }
                return .differs
            case .unknown(let problem): reason = problem
            }
        }
        throw ToolError.unreachable(
            "nobody knows whether \(entry.key) was written (\(reason)): run it again, it completes "
                + "what is there")
    }

    // MARK: reporting

    private func count(_ plan: Result, _ outcome: Outcome) -> Int {
        plan.outcomes.count { $0.outcome == outcome }
    }

    private func lines(_ plan: Result, _ file: BucketFile) -> [String] {
        let words: [(Outcome, String)] = [
            (.imported, "to import"), (.present, "there already"),
            (.differs, "with another value there, which stays"),
            (.deleted, "deleted there since, and not put back"),
            (.nothing, "without a gap to put back"),
        ]
        let head = "\(path), exported \(file.time.short):"
        return [head]
            + words.compactMap { outcome, text in
                let kinds = plan.outcomes.filter { $0.outcome == outcome }.map(\.entry.kind)
                guard !kinds.isEmpty else { return nil }
                return "  \(BucketsText.counted(BucketFile.counts(kinds))) \(text)"
            }
    }

    private func report(_ plan: Result, _ file: BucketFile, isDone: Bool) -> ExitCode {
        if command.asJSON {
            terminal.line(json(plan, file, isDone: isDone))
        } else if isDone {
            terminal.line("imported \(count(plan, .imported))")
        } else {
            for line in lines(plan, file) { terminal.line(line) }
            if count(plan, .imported) == 0 { terminal.line("nothing to import") }
        }
        for problem in plan.problems.prefix(Self.gapsShownMax) { terminal.problem(problem) }
        if plan.problems.count > Self.gapsShownMax {
            terminal.problem("and \(plan.problems.count - Self.gapsShownMax) more of this")
        }
        guard plan.unchecked > 0 else { return .success }
        terminal.problem(
            "\(plan.unchecked) gaps are not put back, because only a database says which of them "
                + "still wait: name it by POSTGRES_HOST, POSTGRES_DB, POSTGRES_USER and "
                + "POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE), and run it again")
        return .incomplete
    }

    private func json(_ plan: Result, _ file: BucketFile, isDone: Bool) -> String {
        JSONWriter.made { json in
            json.member("file", path)
            json.member("namespace", file.namespace)
            json.member("exported", time: file.time)
            json.member("dry_run", command.isDryRun)
            json.member("changed", isDone)
            for outcome in Outcome.allCases { json.member(outcome.rawValue, count(plan, outcome)) }
            json.object("gaps") { json in
                for fate in GapCheck.Fate.allCases {
                    json.member(fate.rawValue, plan.gaps[fate] ?? 0)
                }
                json.member("unchecked", plan.unchecked)
            }
            json.member("entries", each: plan.outcomes) { pair, json in
                let (entry, outcome) = pair
                json.member("bucket", entry.bucket.rawValue)
                json.member("key", entry.key)
                json.member("outcome", outcome.rawValue)
            }
        }.text
    }
}
