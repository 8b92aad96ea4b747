import Foundation
import PostgresClient
import Primitives
import TestSupport
import Testing

@testable import StoreWriter

/// Returns the error with which `body` ends. It has to fail.
func migrationFailure(_ body: () throws -> Void) -> MigrationError? {
    #expect(throws: MigrationError.self) { try body() }
}

@Suite("The plan of a migration")
struct MigrationPlanTests {
    private let files = [
        MigrationFile(name: "0002_second.sql", sql: "SELECT 2"),
        MigrationFile(name: "0001_first.sql", sql: "SELECT 1"),
        MigrationFile(name: "0003_third.sql", sql: "SELECT 3"),
    ]

    private func applied(_ versions: Int...) -> [AppliedMigration] {
        let sorted = files.sorted { $0.name < $1.name }
        return versions.map { AppliedMigration(version: $0, checksum: sorted[$0 - 1].checksum) }
    }

    private func plan(
        _ files: [MigrationFile], _ applied: [AppliedMigration]
    ) throws(MigrationError) -> [Int] {
        try MigrationPlan(versioned: files, repeatable: [], applied: applied).steps.map(\.version)
    }

    @Test("an empty database gets every version in order")
    func fresh() throws {
        let plan = try MigrationPlan(
            versioned: files,
            repeatable: [
                MigrationFile(name: "b.sql", sql: ""), MigrationFile(name: "a.sql", sql: ""),
            ], applied: [])
        #expect(plan.steps.map(\.version) == [1, 2, 3])
        #expect(plan.steps.map(\.file.name).first == "0001_first.sql")
        #expect(plan.repeatable.map(\.name) == ["a.sql", "b.sql"])
    }

    @Test("a database in between gets the rest, whatever the ledger's order")
    func rest() throws {
        #expect(try plan(files, applied(2, 1)) == [3])
        #expect(try plan(files, applied(1, 2, 3)) == [])
        #expect(try plan([], []) == [])
    }

    @Test("what cannot be planned is refused with the reason")
    func refusals() {
        let first = files[1]
        func file(_ name: String) -> MigrationFile { MigrationFile(name: name, sql: "") }
        func other(_ version: Int) -> AppliedMigration {
            AppliedMigration(version: version, checksum: "other")
        }
        let cases: [([MigrationFile], [AppliedMigration], MigrationError)] = [
            (files, applied(1, 3), .ledgerHasGap(version: 2)),
            (files, applied(2), .ledgerHasGap(version: 1)),
            ([first], applied(1, 2), .databaseIsNewer(applied: 2, known: 1)),
            ([], applied(1), .databaseIsNewer(applied: 1, known: 0)),
            (
                [first], [other(1)], .earlierRevision(name: first.name, later: 0)
            ),
            // It had more files than this one, too.
            (
                [first], [other(1)] + applied(2, 3),
                .earlierRevision(name: first.name, later: 2)
            ),
            (
                files, applied(1) + [other(2)],
                .changed(
                    version: 2, name: files[0].name, applied: "other", present: files[0].checksum)
            ),
            ([first, file("0003_x.sql")], [], .missingFile(version: 2)),
            ([file("0000_x.sql")], [], .missingFile(version: 1)),
            (
                [first, file("0001_again.sql")], [],
                .duplicateVersion(1, "0001_again.sql", "0001_first.sql")
            ),
            ([file("1_x.sql")], [], .badFileName("1_x.sql")),
            ([file("0001.sql")], [], .badFileName("0001.sql")),
            ([file("00x1_x.sql")], [], .badFileName("00x1_x.sql")),
            ([file("0001_x.txt")], [], .badFileName("0001_x.txt")),
        ]
        for (versioned, applied, expected) in cases {
            let error = migrationFailure { _ = try plan(versioned, applied) }
            #expect(error == expected)
        }
        let repeatable = migrationFailure {
            _ = try MigrationPlan(versioned: [], repeatable: [file("readme.md")], applied: [])
        }
        #expect(repeatable == .badFileName("readme.md"))
    }

    @Test("an online file is cut into its statements, each with its line")
    func statements() {
        let text = """
            -- A comment.
            DROP INDEX a;

              -- Another one; with a semicolon;
            SELECT format('CREATE INDEX %I', name)
            -- Inside.
            FROM tables;
            ANALYZE t
            """
        let file = MigrationFile(name: "0002_a.online.sql", sql: text)
        #expect(file.isOnline && !MigrationFile(name: "0002_a.sql", sql: text).isOnline)
        #expect(file.statements.map(\.line) == [2, 5, 8])
        #expect(
            file.statements.map(\.sql) == [
                "DROP INDEX a;\n",
                "SELECT format('CREATE INDEX %I', name)\n-- Inside.\nFROM tables;\n", "ANALYZE t\n",
            ])
        #expect(MigrationFile(name: "0002_a.online.sql", sql: "-- none\n").statements == [])
    }

    @Test("a checksum has 16 digits and changes with the text")
    func checksums() {
        let sums = (0..<200).map { MigrationFile(name: "x", sql: "SELECT \($0)").checksum }
        #expect(Set(sums).count == 200)
        #expect(sums.allSatisfy { $0.utf8.count == 16 })
    }

    @Test("every error is one line that says what to do")
    func descriptions() {
        let errors: [MigrationError] = [
            .unreadable(path: "p", reason: "r"), .badFileName("n"), .duplicateVersion(1, "a", "b"),
            .missingFile(version: 1), .earlierRevision(name: "n", later: 1),
            .changed(version: 1, name: "n", applied: "a", present: "b"),
            .databaseIsNewer(applied: 2, known: 1), .ledgerHasGap(version: 1),
            .malformedLedger("line 1"),
            .failed(step: "s", line: 7, .closed(operation: "o", peer: "p")),
            .failed(step: "s", line: nil, .closed(operation: "o", peer: "p")),
            .anotherIsAtWork,
            .locked(step: "s", attempts: 2, .closed(operation: "o", peer: "p")),
            .tooManyStatements(step: "s", max: 1),
        ]
        for error in errors {
            #expect(!"\(error)".contains("\n"))
            #expect("\(error)".contains(":"))
        }
        #expect("\(errors[9])".contains("line 7"))
    }

    @Test(
        "a schema's name is a plain identifier",
        arguments: [
            ("md", true), ("_x9", true), ("user", true), (String(repeating: "a", count: 63), true),
            ("", false), ("9md", false), ("MD", false), ("m-d", false), ("m d", false),
            ("m\"d", false), ("md;", false), ("ünï", false),
            (String(repeating: "a", count: 64), false),
        ])
    func schemaNames(text: String, isValid: Bool) {
        #expect((SchemaName(text) != nil) == isValid)
        if isValid { #expect(SchemaName(text)?.quoted == "\"\(text)\"") }
    }
}

@Suite("The folder of migrations")
struct MigrationFolderTests {
    private func folder(_ files: [String: String]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder("migrations")
        for name in ["migrations", "repeatable"] { try Self.makeFolder(folder.file(name)) }
        for (name, text) in files { try folder.write(text, to: name) }
        return folder
    }

    private static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false)
    }

    private func failure(_ folder: TemporaryFolder) -> String {
        migrationFailure { _ = try MigrationFolder(path: folder.path) }.text
    }

    @Test("files are read by name; what is no .sql is left alone")
    func reads() throws {
        let folder = try folder([
            "migrations/0002_b.sql": "two ☃", "migrations/0001_a.sql": "one",
            "migrations/README.md": "x", "repeatable/views.sql": "v",
        ])
        let read = try MigrationFolder(path: folder.path)
        #expect(read.versioned.map(\.name) == ["0001_a.sql", "0002_b.sql"])
        #expect(read.versioned.map(\.sql) == ["one", "two ☃"])
        #expect(read.repeatable == [MigrationFile(name: "views.sql", sql: "v")])
    }

    @Test("a wrong path, an empty folder, a huge or unreadable file is refused by name")
    func refusals() throws {
        let missing = migrationFailure { _ = try MigrationFolder(path: "/nowhere") }
        #expect(
            missing
                == .unreadable(path: "/nowhere/migrations", reason: "No such file or directory"))
        #expect(failure(try folder([:])).contains("no .sql file"))
        let large = String(repeating: "-", count: MigrationFolder.fileBytesMax + 1)
        #expect(failure(try folder(["migrations/0001_a.sql": large])).contains("larger than"))
        let binary = try folder(["migrations/0001_a.sql": "x"])
        try Data([0xff]).write(to: URL(fileURLWithPath: binary.file("migrations/0001_a.sql")))
        #expect(failure(binary).contains("UTF-8"))
        let nested = try folder([:])
        try Self.makeFolder(nested.file("migrations/0001_a.sql"))
        #expect(failure(nested).contains("0001_a.sql"))
        let many = try folder([:])
        for number in 1...1_001 { try many.write("", to: "migrations/\(number)") }
        #expect(failure(many).contains("more than"))
    }
}
