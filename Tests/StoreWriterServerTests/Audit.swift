import Foundation
import TestSupport
import Testing

/// Returns the statement for all times, without a range.
func wholeTime(_ sql: String) -> String {
    [("from", "-infinity"), ("before", "-infinity"), ("to", "infinity"), ("after", "infinity")]
        .reduce(sql) { $0.replacing(":'\($1.0)'", with: "'\($1.1)'") }
}

/// Runs the checks of `deploy/postgres/audit.sql` by name.
enum Audit {
    struct Unknown: Error {
        let name: String
    }

    /// Returns expected|found|ok|detail of a check. It sees `damage`, which is rolled back after
    /// it.
    static func check(
        _ name: String, in database: TestDatabase, after damage: String? = nil
    ) throws -> String {
        let text = try ["audit.sql", "audit-bars.sql"].map { file in
            try String(contentsOfFile: "\(TestDatabase.deployed)/\(file)", encoding: .utf8)
        }.joined(separator: "\n")
        let checks = text.components(separatedBy: "\n-- check: ").dropFirst()
        guard let check = checks.first(where: { $0.hasPrefix("\(name):") }) else {
            throw Unknown(name: name)
        }
        let sql = check.split(separator: "\n").dropFirst().filter { !$0.hasPrefix("\\") }
        let statement = wholeTime(sql.joined(separator: "\n"))
        return try database.psql(damage.map { "BEGIN; \($0); \(statement); ROLLBACK" } ?? statement)
    }

    /// Expects that checks find nothing wrong.
    static func expect(
        _ names: String..., in database: TestDatabase, _ comment: @autoclosure () -> String = "",
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        for name in names {
            let found = try check(name, in: database)
            #expect(
                found.contains("|t|"), "\(comment()) \(name): \(found)", sourceLocation: location)
        }
    }

    /// Returns what the checks of `audit.sql` say, a line per check.
    static func lines(of database: TestDatabase) throws -> [Substring] {
        try database.server.psql(
            file: "\(TestDatabase.deployed)/audit.sql", variables: ["schema=\(database.schema)"],
            database: database.name
        ).split(separator: "\n").filter { $0.contains("|") }
    }

    /// Expects that they all find nothing wrong.
    static func expectAll(
        in database: TestDatabase, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let lines = try lines(of: database)
        #expect(lines.count == 7, "\(lines)", sourceLocation: location)
        for line in lines { #expect(line.contains("|t|"), "\(line)", sourceLocation: location) }
    }
}
