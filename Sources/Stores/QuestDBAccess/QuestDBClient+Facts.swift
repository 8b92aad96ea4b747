package import QuestDBWire
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
}
