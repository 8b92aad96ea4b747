internal import Primitives

/// A file of a migration: SQL statements without BEGIN and COMMIT.
///
/// It is one transaction, unless its name ends with `.online.sql`: then each statement is applied
/// by itself, so that it may be one that a transaction does not allow.
package struct MigrationFile: Equatable, Sendable {
    /// A statement of an online file, and the line on which it begins, counted from 1.
    struct Statement: Equatable {
        var line: Int
        var sql: String
    }

    package let name: String
    package let sql: String

    package init(name: String, sql: String) {
        self.name = name
        self.sql = sql
    }

    /// The XXH3-64 of the text, in hexadecimal.
    package var checksum: String {
        let digits = String(Checksum.of(sql), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    var isOnline: Bool { name.hasSuffix(".online.sql") }

    /// The statements of an online file. Each ends with a `;` at the end of a line.
    var statements: [Statement] {
        var found: [Statement] = []
        var open: Statement?
        for (index, line) in sql.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            let text = String(line.drop { $0 == " " })
            if open == nil, text.isEmpty || text.hasPrefix("--") { continue }
            var statement = open ?? Statement(line: index + 1, sql: "")
            statement.sql += line + "\n"
            if text.hasSuffix(";") {
                found.append(statement)
                open = nil
            } else {
                open = statement
            }
        }
        if let open { found.append(open) }
        return found
    }

    /// The number before the first `_` in `0001_what_it_does.sql`; `nil` for another shape of name.
    var version: Int? {
        guard name.hasSuffix(".sql") else { return nil }
        let parts = name.dropLast(4).split(separator: "_", maxSplits: 1)
        guard parts.count == 2, parts[0].count == 4, parts[0].utf8.allSatisfy(isDigit) else {
            return nil
        }
        return Int(parts[0])
    }

    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}

/// A row of `schema_migrations`.
package struct AppliedMigration: Equatable, Sendable {
    package let version: Int
    package let checksum: String

    package init(version: Int, checksum: String) {
        self.version = version
        self.checksum = checksum
    }
}

/// The steps that a database still needs: the missing versions, in order, then all repeatable
/// files. Pure: it is made of files and the ledger's lines, or throws when they do not match.
package struct MigrationPlan: Equatable, Sendable {
    /// A file to apply once.
    package struct Step: Equatable, Sendable {
        package let version: Int
        package let file: MigrationFile
    }

    /// The missing versions, in order.
    package let steps: [Step]
    /// The repeatable files in the order of their names. They are applied every time, so each must
    /// be idempotent.
    package let repeatable: [MigrationFile]

    package init(
        versioned: [MigrationFile], repeatable: [MigrationFile], applied: [AppliedMigration]
    ) throws(MigrationError) {
        let known = try Self.ordered(versioned)
        let ledger = applied.sorted { $0.version < $1.version }
        for (index, line) in ledger.enumerated() {
            guard line.version == index + 1 else {
                throw .ledgerHasGap(version: index + 1)
            }
            guard index < known.count else {
                throw .databaseIsNewer(applied: ledger.last?.version ?? 0, known: known.count)
            }
            let file = known[index].file
            guard file.checksum == line.checksum else {
                // It changes in place until the first release, and never again.
                if index == 0 {
                    throw .earlierRevision(name: file.name, later: ledger.count - 1)
                }
                throw .changed(
                    version: line.version, name: file.name, applied: line.checksum,
                    present: file.checksum)
            }
        }
        steps = Array(known.dropFirst(ledger.count))
        for file in repeatable where !file.name.hasSuffix(".sql") {
            throw .badFileName(file.name)
        }
        self.repeatable = repeatable.sorted { $0.name < $1.name }
    }

    /// Returns the files in order. Their versions must be 1, 2, 3 … each once.
    private static func ordered(_ files: [MigrationFile]) throws(MigrationError) -> [Step] {
        var steps: [Step] = []
        for file in files.sorted(by: { $0.name < $1.name }) {
            guard let version = file.version else { throw .badFileName(file.name) }
            if let last = steps.last, last.version == version {
                throw .duplicateVersion(version, last.file.name, file.name)
            }
            guard version == steps.count + 1 else {
                throw .missingFile(version: steps.count + 1)
            }
            steps.append(Step(version: version, file: file))
        }
        return steps
    }
}
