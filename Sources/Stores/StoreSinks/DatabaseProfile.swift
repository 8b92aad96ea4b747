package import PostgresClient
package import Primitives

/// The kind of the database, and the settings that decide whether a COMMIT outlives a crash. The
/// writer's maintenance reads it every 30 s, and `tapeline doctor` when it is asked.
package struct DatabaseProfile: Equatable, Sendable {
    /// `plain` or `timescaledb`.
    package let mode: String
    package let serverVersion: String
    /// TimescaleDB's version and edition; `nil` without TimescaleDB.
    package let timescaleVersion: String?
    package let license: String?
    /// Whether the server is in recovery, and so takes no rows.
    package let isStandby: Bool
    /// The setting `fsync`, as text.
    package let fsync: String
    /// The setting `full_page_writes`, as text.
    package let fullPageWrites: String
    /// The setting `synchronous_commit` for sessions of this user in this database, as text.
    package let synchronousCommit: String

    package init(
        mode: String, serverVersion: String, timescaleVersion: String?, license: String?,
        isStandby: Bool, fsync: String, fullPageWrites: String, synchronousCommit: String
    ) {
        self.mode = mode
        self.serverVersion = serverVersion
        self.timescaleVersion = timescaleVersion
        self.license = license
        self.isStandby = isStandby
        self.fsync = fsync
        self.fullPageWrites = fullPageWrites
        self.synchronousCommit = synchronousCommit
    }

    /// Why a COMMIT may not outlive a crash, each reason with the setting to change. Empty when it
    /// does.
    package var broken: [String] {
        var problems: [String] = []
        if fsync != "on" {
            problems.append(
                "fsync is \(fsync): a crash of the machine can damage the whole database; "
                    + "set fsync = on in postgresql.conf")
        }
        if fullPageWrites != "on" {
            problems.append(
                "full_page_writes is \(fullPageWrites): a page that was half written stays "
                    + "damaged; set full_page_writes = on in postgresql.conf")
        }
        if synchronousCommit == "off" {
            problems.append(
                "synchronous_commit is off: a crash loses rows that were acknowledged; set it "
                    + "on, for this user: ALTER ROLE ... SET synchronous_commit = on")
        }
        if isStandby {
            problems.append(
                "the server is a standby, which takes no rows; let POSTGRES_HOST name the primary")
        }
        return problems
    }

    package var isDurable: Bool { broken.isEmpty }

    /// Reads the profile from the database.
    package static func read(
        on database: PostgresConnection, timeout: Duration
    ) throws(PostgresError) -> DatabaseProfile {
        let found = try database.execute(
            """
            SELECT mode, server_version, timescaledb_version, license, pg_is_in_recovery(),
                current_setting('fsync'), current_setting('full_page_writes'),
                current_setting('synchronous_commit')
            FROM store_mode()
            """, timeout: timeout)
        func text(_ column: Int) -> String { found[0, column] ?? "" }
        guard found.rowCount == 1 else {
            throw .unexpected(
                operation: "read store mode", peer: database.peer,
                reason: "store_mode() answered \(found.rowCount) rows")
        }
        return DatabaseProfile(
            mode: text(0), serverVersion: text(1), timescaleVersion: found[0, 2],
            license: found[0, 3], isStandby: text(4) == "t", fsync: text(5),
            fullPageWrites: text(6), synchronousCommit: text(7))
    }

    package func write(into json: inout JSONWriter) {
        json.member("mode", mode)
        json.member("server_version", serverVersion)
        json.key("timescaledb_version")
        if let timescaleVersion { json.value(timescaleVersion) } else { json.null() }
        json.key("timescaledb_license")
        if let license { json.value(license) } else { json.null() }
        json.member("standby", isStandby)
        json.member("durable", isDurable)
        json.object("durability") { json in
            json.member("fsync", fsync)
            json.member("full_page_writes", fullPageWrites)
            json.member("synchronous_commit", synchronousCommit)
        }
        json.member("problems", values: broken)
    }
}
