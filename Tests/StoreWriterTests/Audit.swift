import Foundation
import TestSupport

/// The checks of `deploy/postgres/audit.sql`, by their names.
enum Audit {
    struct Unknown: Error {
        let name: String
    }

    /// expected|found|ok|detail
    static func check(_ name: String, in database: TestDatabase) throws -> String {
        let text = try String(
            contentsOfFile: "\(TestDatabase.deployed)/audit.sql", encoding: .utf8)
        let checks = text.components(separatedBy: "\n-- check: ").dropFirst()
        guard let check = checks.first(where: { $0.hasPrefix("\(name):") }) else {
            throw Unknown(name: name)
        }
        let sql = check.split(separator: "\n").dropFirst().filter { !$0.hasPrefix("\\") }
        return try database.psql(sql.joined(separator: "\n"))
    }
}
