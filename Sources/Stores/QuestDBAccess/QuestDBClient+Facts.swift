package import QuestDBWire
internal import ServiceRuntime
package import StoreHTTP

// What a server says of itself.
extension QuestDBClient {
    /// Why the server cannot be used; `nil`: it can.
    package func problem() throws(StoreServerError) -> String? {
        let settings = try serverSettings()
        let answer = try rows(QuestDBCheck.parametersQuestion)
        let parameters = try read { () throws(QuestDBAnswerError) in
            try QuestDBCheck.parameters(answer)
        }
        return QuestDBCheck.problem(of: settings, parameters: parameters)
    }

    /// Which database it has; empty: it does not say so.
    package func identity() throws(StoreServerError) -> String {
        let answer = try rows(QuestDBIdentity.question)
        guard answer.count > 0 else { return "" }
        return try read { () throws(QuestDBAnswerError) in try answer.text(0, "identity") }
    }

    /// Returns the bytes of those of these tables that have rows, by name.
    package func tableBytes(
        _ tables: [QuestDBTable]
    ) throws(StoreServerError) -> [(table: String, bytes: Int64)] {
        let answer = try rows(QuestDBCheck.bytesQuestion)
        let found = try read { () throws(QuestDBAnswerError) in
            var found: [String: Int64] = [:]
            for row in 0..<answer.count {
                found[try answer.text(row, "tableName")] = Int64(
                    try answer.number(row, "diskSize"))
            }
            return found
        }
        return tables.compactMap { table in
            found[table.name].map { (table: table.name, bytes: $0) }
        }
    }

    /// Reads what it says of all tables, and of the columns of these.
    package func check(_ tables: [QuestDBTable]) throws(StoreServerError) -> QuestDBCheck {
        let (all, wal) = (
            try rows(QuestDBCheck.tablesQuestion), try rows(QuestDBCheck.walQuestion)
        )
        var check = try read { () throws(QuestDBAnswerError) in
            try QuestDBCheck(tables: all, wal: wal)
        }
        for table in tables where check.has(table) {
            let columns = try rows(QuestDBCheck.columnsQuestion(table))
            check = try read { () throws(QuestDBAnswerError) in
                var more = check
                try more.add(columns, of: table)
                return more
            }
        }
        return check
    }

    /// Throws unless the rows that were written went into the tables with these numbers. The server
    /// answers well, too, when a table is dropped while rows are on their way, and may make a table
    /// that is not there, without keys. A person may also have switched off since what keeps each
    /// row once, or have started the server again with other settings: the next request finds it
    /// without an error.
    package func confirm(
        _ tables: [QuestDBTable], _ numbers: [String: Int]
    ) throws(StoreServerError) {
        if let problem = try problem() { throw StoreServerError("\(peer): \(problem)", .schema) }
        let check = try check([])
        let now = check.numbers(of: tables)
        guard now == numbers else {
            let changed = tables.map(\.name).filter { now[$0] != numbers[$0] }
            throw StoreServerError(
                "\(peer): \(changed.joined(separator: ", ")) was dropped or made anew while rows "
                    + "were written", .schema)
        }
        for table in tables {
            guard let problem = check.problemOfSettings(of: table) else { continue }
            throw StoreServerError("\(peer): \(problem)", .schema)
        }
    }

    /// How often it is asked whether all that was stored is applied, each time after a second.
    private static let waitsMax = 60

    /// Waits until the tables show what their logs have now.
    package func waitUntilApplied(_ tables: [QuestDBTable]) throws(StoreServerError) {
        let pause = Mailbox<Void>(capacity: 1)
        var woken: [Void] = []
        var mark: [String: Int]?
        for _ in 0..<Self.waitsMax {
            if try lag(of: tables, behind: &mark) == nil { return }
            _ = pause.receive(into: &woken, max: 1, timeout: .seconds(1))
        }
        if let reason = try lag(of: tables, behind: &mark) {
            throw StoreServerError(reason, .away)
        }
    }

    /// Returns why the tables do not show yet what their logs had at the mark; `nil`: they do. The
    /// first call sets the mark.
    package func lag(
        of tables: [QuestDBTable], behind mark: inout [String: Int]?
    ) throws(StoreServerError) -> String? {
        let check = try check([])
        let stored = mark ?? check.stored(of: tables)
        mark = stored
        let names = check.lacking(stored).joined(separator: ", ")
        return names.isEmpty ? nil : "\(peer) does not apply the logs of \(names): see wal_tables()"
    }
}
