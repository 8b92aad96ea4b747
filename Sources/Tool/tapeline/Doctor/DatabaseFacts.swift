import DeploymentWatch
import Primitives
import StoreSinks

/// What the doctor knows of the database.
struct DatabaseFacts: Sendable {
    /// A migration: a file of ours, or a line of the database's ledger.
    struct Migration: Equatable, Sendable {
        let version: Int
        let checksum: String

        /// Whether this is the same number with another text.
        func isAnother(_ other: Migration) -> Bool {
            version == other.version && checksum != other.checksum
        }
    }

    /// The user of this session, and what it may do.
    struct Rights: Equatable, Sendable {
        var user = ""
        var isSuperuser = false
        /// Tables that this user cannot read.
        var unreadable: [String] = []
        /// True if this user may remove rows.
        var mayDelete = false
    }

    /// What keeps the server able to work for years.
    struct Upkeep: Equatable, Sendable {
        var sessions: UInt64 = 0
        var sessionsMax: UInt64 = 0
        var autovacuum = true
        /// Transactions since the oldest row was frozen.
        var transactionAge: Int64 = 0
        /// Replication slots that nobody reads from.
        var idleSlots: [String] = []
    }

    var peer = ""
    /// "17.2"
    var version = ""
    /// 170002
    var versionNumber = 0
    var bytes: UInt64 = 0
    /// Room that is left for it, if a limit is known. `nil` if not.
    var freeBytes: UInt64?
    /// The average since the schema was made. `nil` if it is new.
    var bytesPerSecond: Double?
    var rights = Rights()
    var upkeep = Upkeep()
    /// Empty if the schema has no ledger, `nil` if this user cannot read it.
    var applied: [Migration]? = []
    /// `nil` if no folder with migrations was found.
    var known: [Migration]?
    /// `nil` if the schema has no function that tells it.
    var profile: DatabaseProfile?
    var clock: ClockOffset?

    static let versionMin = 150_000
    /// The server stops taking writes at 2 billion.
    static let transactionAgeMax: Int64 = 1_000_000_000

    var findings: [Finding] {
        [versionFinding] + migrationFindings + durabilityFindings + rightFindings + roomFindings
            + upkeepFindings + (clock.map { [$0.finding(.database, of: "PostgreSQL")] } ?? [])
    }

    private var versionFinding: Finding {
        let timescale = profile.map { profile in
            profile.timescaleVersion.map {
                "TimescaleDB \($0) (\(profile.license ?? "")), tables \(profile.mode)"
            }
                ?? "no TimescaleDB: tables are partitioned natively"
        }
        let text = "PostgreSQL \(version) at \(peer)" + (timescale.map { ", \($0)" } ?? "")
        guard versionNumber >= Self.versionMin else {
            return Finding(.wrong, .database, text, "PostgreSQL 15 or newer is needed")
        }
        return Finding(.fine, .database, text)
    }

    private var migrationFindings: [Finding] {
        let migrate = "run 'store-writer migrate' (docs/upgrade.md)"
        guard let applied else {
            return [
                Finding(
                    .unseen, .database,
                    "the user \(rights.user) cannot read which migrations are applied",
                    "ask as the user of the writer (POSTGRES_USER)")
            ]
        }
        guard let last = applied.map(\.version).max() else {
            return [Finding(.wrong, .database, "the schema has no tables of ours", migrate)]
        }
        guard let known, let newest = known.map(\.version).max() else {
            return [
                Finding(
                    .unseen, .database,
                    "\(last) migrations are applied; those of this release are not here",
                    "run the doctor in a checkout, or let WRITER_MIGRATIONS name the folder")
            ]
        }
        let changed = known.filter { file in applied.contains { $0.isAnother(file) } }
        // The first one changes in place until the first release, and never again.
        if changed.contains(where: { $0.version == 1 }) {
            return [
                Finding(
                    .wrong, .database,
                    "the schema is that of an earlier revision, which no release had",
                    "make a new database, or name another namespace (MDS_NAMESPACE)")
            ]
        }
        if last < newest {
            return [
                Finding(
                    .wrong, .database, "\(last) of \(newest) migrations are applied", migrate)
            ]
        }
        if last > newest {
            return [
                Finding(
                    .warning, .database,
                    "the schema has \(last) migrations, this release knows \(newest)",
                    "use the newer release here, too (docs/upgrade.md)")
            ]
        }
        guard changed.isEmpty else {
            let numbers = changed.map { "\($0.version)" }.joined(separator: ", ")
            return [
                Finding(
                    .wrong, .database,
                    "the files of migrations \(numbers) are not those that were applied",
                    "take the files of the release; an applied migration is never edited")
            ]
        }
        return [Finding(.fine, .database, "all \(last) migrations are applied")]
    }

    private var durabilityFindings: [Finding] {
        guard let profile else {
            guard applied?.isEmpty != true else { return [] }
            return [
                Finding(
                    .unseen, .database,
                    "the user \(rights.user) cannot read whether a COMMIT survives a crash",
                    "ask as the user of the writer (POSTGRES_USER)")
            ]
        }
        guard !profile.isDurable else {
            return [Finding(.fine, .database, "a COMMIT survives a crash")]
        }
        return profile.broken.map { reason in
            let parts = reason.split(separator: ";", maxSplits: 1).map(String.init)
            return Finding(
                .wrong, .database, parts.first ?? reason,
                parts.count > 1 ? String(parts[1].drop { $0 == " " }) : "",
                runbook: "DatabaseNotDurable")
        }
    }

    private var rightFindings: [Finding] {
        guard applied?.isEmpty != true else { return [] }
        if !rights.unreadable.isEmpty {
            return [
                Finding(
                    .wrong, .database,
                    "the user \(rights.user) cannot read "
                        + rights.unreadable.joined(separator: ", "),
                    "'store-writer migrate' grants it to POSTGRES_USER and POSTGRES_READER")
            ]
        }
        if rights.isSuperuser || rights.mayDelete {
            return [
                Finding(
                    .warning, .database,
                    "the user \(rights.user) may remove rows"
                        + (rights.isSuperuser ? " and anything else" : ""),
                    "let services and people use users with fewer rights (docs/security.md)")
            ]
        }
        return [
            Finding(
                .fine, .database, "the user \(rights.user) can read the tables and remove no row")
        ]
    }

    private var roomFindings: [Finding] {
        let text = "the database has \(TapeReport.bytes(bytes))"
        guard let freeBytes else {
            return [
                Finding(
                    .skipped, .database, "\(text); how much it may have is not known",
                    "let WRITER_DATABASE_BYTES say how much its disk has for it")
            ]
        }
        let percent = Room.percent(free: freeBytes, of: bytes &+ freeBytes)
        let room =
            "\(text), \(percent) % of its room are free"
            + Room.time(
                free: freeBytes, bytesPerSecond: bytesPerSecond,
                then: "writers wait and the tape keeps all")
        let advice = "keep rows for a shorter time (WRITER_RETENTION), or give it a larger disk"
        if percent < MachineFacts.diskWrongPercent {
            return [Finding(.wrong, .database, room, advice, runbook: "Disk")]
        }
        if percent < MachineFacts.diskWarningPercent {
            return [Finding(.warning, .database, room, advice, runbook: "Disk")]
        }
        return [Finding(.fine, .database, room)]
    }

    private var upkeepFindings: [Finding] {
        var found: [Finding] = []
        if upkeep.sessionsMax > 0, upkeep.sessions > upkeep.sessionsMax / 5 * 4 {
            found.add(
                .warning, .database,
                "\(upkeep.sessions) of \(upkeep.sessionsMax) sessions are taken",
                "raise max_connections, or close programs that hold sessions")
        }
        if !upkeep.autovacuum {
            found.add(
                .warning, .database, "autovacuum is off: tables grow without end",
                "set autovacuum = on in postgresql.conf")
        }
        if upkeep.transactionAge > Self.transactionAgeMax {
            found.add(
                .wrong, .database,
                "no VACUUM has frozen the oldest rows for \(upkeep.transactionAge) "
                    + "transactions; at 2 billion the server takes no writes",
                "end old transactions (pg_stat_activity), then VACUUM FREEZE")
        }
        if !upkeep.idleSlots.isEmpty {
            found.add(
                .warning, .database,
                "nobody reads the replication slots "
                    + "\(upkeep.idleSlots.joined(separator: ", ")), so the disk fills with WAL",
                "start their readers, or drop them (pg_drop_replication_slot)")
        }
        return found
    }
}
