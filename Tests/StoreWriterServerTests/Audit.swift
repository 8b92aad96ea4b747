import Foundation
import TestSupport

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

    /// Returns expected|found|ok|detail. The check sees `damage`, which is rolled back after it.
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
        return try database.psql(
            damage.map { "BEGIN; \($0); \(statement); ROLLBACK" } ?? statement)
    }
}
