package import PostgresClient

/// Why a database was not brought to the present schema. No file is applied in part, because each
/// is one transaction with its line in the ledger. Only an online file may be: it begins again.
package enum MigrationError: Error, Equatable, Sendable {
    case unreadable(path: String, reason: String)
    /// The name is not `NNNN_name.sql`, or does not end with `.sql`.
    case badFileName(String)
    case duplicateVersion(Int, String, String)
    /// Versions must be 1, 2, 3 … without a gap.
    case missingFile(version: Int)
    /// The first file is not the one that was applied, so the database was made by a revision from
    /// before the first release. `later` is how many files were applied after it.
    case earlierRevision(name: String, later: Int)
    /// The file differs from the one that was applied.
    case changed(version: Int, name: String, applied: String, present: String)
    /// A newer release has migrated the database.
    case databaseIsNewer(applied: Int, known: Int)
    /// The ledger lacks a version below one that it has.
    case ledgerHasGap(version: Int)
    case malformedLedger(String)
    /// Another migrator is at work for longer than a statement may take.
    case anotherIsAtWork
    /// Other sessions kept a lock for all attempts.
    case locked(step: String, attempts: Int, PostgresError)
    /// The query of an online file gave more statements than a file may have.
    case tooManyStatements(step: String, max: Int)
    /// `line` is the line in the file, if the server reported it.
    case failed(step: String, line: Int?, PostgresError)
}

extension MigrationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "cannot read \(path): \(reason): is the folder with the migrations right?"
        case .badFileName(let name):
            "\(name) is no migration: files are named 0001_what_it_does.sql"
        case .duplicateVersion(let version, let first, let second):
            "\(first) and \(second) are both version \(version): renumber the newer one"
        case .missingFile(let version):
            "there is no file for version \(version): versions have no gaps"
        case .earlierRevision(let name, let later):
            "this database has the schema of an earlier revision (it was made by another \(name)"
                + "\(later == 0 ? "" : ", and \(later) files after it")), which no release had: "
                + "make a new database, or name another namespace (MDS_NAMESPACE)"
        case .changed(let version, let name, let applied, let present):
            "\(name) was changed after it was applied (version \(version), checksum \(applied) in "
                + "the database, \(present) in the file): restore it and add a new migration"
        case .databaseIsNewer(let applied, let known):
            "the database has version \(applied), this program knows versions up to \(known): "
                + "use the release that migrated it, or a newer one"
        case .ledgerHasGap(let version):
            "schema_migrations has no version \(version) but a later one: restore that line"
        case .malformedLedger(let line):
            "schema_migrations holds a line that this program did not write: \(line)"
        case .anotherIsAtWork:
            "another migration of this database is still at work: wait for it, then try again"
        case .locked(let step, let attempts, let error):
            "\(step): other sessions kept a lock during \(attempts) attempts: end their "
                + "transactions (pg_stat_activity), then try again (\(error))"
        case .tooManyStatements(let step, let max):
            "\(step): a query gives more than \(max) statements: make them in several files"
        case .failed(let step, let line, let error):
            "\(step)\(line.map { " (line \($0))" } ?? ""): \(error)"
        }
    }
}
