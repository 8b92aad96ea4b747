internal import Primitives

/// What a server has, and whether it can be used. Pure.
package struct QuestDBCheck: Sendable {
    /// What `tables()` and `wal_tables()` say of a table.
    package struct Table: Hashable, Sendable {
        var number = 0
        var isWAL = false
        var isDeduplicated = false
        var time = ""
        /// After how long rows are removed; 0: never.
        var lifetime = 0
        package var isSuspended = false
        /// The last transaction that is stored, and the last one that is applied to the table.
        var stored = 0
        var applied = 0
        /// The commit mode, where a table may have one of its own.
        var commitMode: String?
    }

    /// What `SHOW COLUMNS` says of a column.
    struct Column: Hashable {
        let type: String
        let isKey: Bool
    }

    /// The oldest version that has decimals and nanoseconds.
    static let versionMin = [9, 2]
    /// The oldest version whose commit mode `adaptive` loses nothing that it has answered. Older
    /// ones do not flush entries of a log that are in files of their own, with `sync` neither.
    static let adaptiveMin = [10, 2]
    static let protocolVersion = 3

    package static let tablesQuestion =
        "SELECT id, table_name, designatedTimestamp, walEnabled, dedup, ttlValue FROM tables()"
    package static let bytesQuestion =
        "SELECT tableName, diskSize FROM table_storage() WHERE rowCount > 0"
    /// It takes all columns, because older servers have no `commitMode`.
    package static let walQuestion = "SELECT * FROM wal_tables()"
    package static let parametersQuestion =
        "(SHOW PARAMETERS) WHERE property_path = 'cairo.commit.mode' "
        + "OR property_path = '\(logParts)' OR property_path LIKE '\(windows)%'"

    private static let windows = "cairo.adaptive.commit.group.window"
    /// Above 0, the log of a new table has its entries in files of their own.
    private static let logParts = "cairo.default.sequencer.part.txn.count"

    package static func columnsQuestion(_ table: QuestDBTable) -> String {
        "SHOW COLUMNS FROM \(QuestDBTable.quoted(table.name))"
    }

    /// By name.
    package private(set) var tables: [String: Table] = [:]
    private var columns: [String: [String: Column]] = [:]

    package init(tables answer: QuestDBAnswer, wal: QuestDBAnswer) throws(QuestDBAnswerError) {
        for row in 0..<answer.count {
            var table = Table()
            table.number = try answer.number(row, "id")
            table.isWAL = try answer.flag(row, "walEnabled")
            table.isDeduplicated = try answer.flag(row, "dedup")
            table.time = answer.value(row, "designatedTimestamp")?.string ?? ""
            table.lifetime = answer.value(row, "ttlValue")?.int ?? 0
            tables[try answer.text(row, "table_name")] = table
        }
        for row in 0..<wal.count {
            let name = try wal.text(row, "name")
            tables[name]?.isSuspended = try wal.flag(row, "suspended")
            tables[name]?.stored = try wal.number(row, "sequencerTxn")
            tables[name]?.applied = try wal.number(row, "writerTxn")
            tables[name]?.commitMode = wal.value(row, "commitMode")?.string
        }
    }

    /// Adds what `SHOW COLUMNS` says of a table.
    package mutating func add(
        _ answer: QuestDBAnswer, of table: QuestDBTable
    ) throws(QuestDBAnswerError) {
        for row in 0..<answer.count {
            let type = try answer.text(row, "type").filter { $0 != " " }
            columns[table.name, default: [:]][try answer.text(row, "column")] = Column(
                type: type, isKey: try answer.flag(row, "upsertKey"))
        }
    }

    package func has(_ table: QuestDBTable) -> Bool { tables[table.name] != nil }

    /// The numbers of tables, which one that is made again does not share.
    package func numbers(of wanted: [QuestDBTable]) -> [String: Int] {
        var numbers: [String: Int] = [:]
        for table in wanted { numbers[table.name] = tables[table.name]?.number }
        return numbers
    }

    /// The last transactions of tables that are stored, by name.
    package func stored(of wanted: [QuestDBTable]) -> [String: Int] {
        var stored: [String: Int] = [:]
        for table in wanted { stored[table.name] = tables[table.name]?.stored }
        return stored
    }

    /// Names the tables that do not show all of these transactions yet. What is stored later does
    /// not count: there may always be more. A table whose log is shorter was made again.
    package func lacking(_ stored: [String: Int]) -> [String] {
        stored.filter { name, last in
            tables[name].map { $0.stored >= last && $0.applied < last } ?? false
        }.keys.sorted()
    }

    /// Returns why a table cannot be used, as one line; `nil`: it can.
    package func problem(of table: QuestDBTable) -> String? {
        if let problem = problemOfSettings(of: table) { return problem }
        let name = table.name
        let columns = columns[name] ?? [:]
        for column in table.columns where columns[column.name]?.type != column.type {
            return "\(name).\(column.name) is \(columns[column.name]?.type ?? "not there"), not "
                + column.type
        }
        let keys = Set(columns.filter(\.value.isKey).keys)
        guard keys == Set(table.keys) else {
            return "\(name) has DEDUP UPSERT KEYS(\(keys.sorted().joined(separator: ", "))), not "
                + "(\(table.keys.joined(separator: ", ")))"
        }
        return nil
    }

    /// The same of what `tables()` and `wal_tables()` say of it, without its columns.
    package func problemOfSettings(of table: QuestDBTable) -> String? {
        let name = table.name
        guard let found = tables[name] else { return "there is no table \(name)" }
        guard found.isWAL else { return "\(name) has no WAL" }
        guard found.isDeduplicated else {
            return "\(name) has no DEDUP, so a repeat would be there twice"
        }
        guard found.time == table.time else {
            return "\(name) has the timestamp \(found.time), not \(table.time)"
        }
        if found.lifetime != 0 { return "\(name) has a TTL, which removes rows" }
        if found.isSuspended {
            return "\(name) is suspended: see why, then ALTER TABLE \(name) RESUME WAL"
        }
        if let mode = found.commitMode, mode != "sync", mode != "adaptive" {
            return "\(name) has the commit mode \(mode), with which a power cut loses rows"
        }
        return nil
    }

    // MARK: the server

    /// Reads the values of parameters by their names.
    package static func parameters(
        _ answer: QuestDBAnswer
    ) throws(QuestDBAnswerError) -> [String: String] {
        var parameters: [String: String] = [:]
        for row in 0..<answer.count {
            parameters[try answer.text(row, "property_path")] = try answer.text(row, "value")
        }
        return parameters
    }

    /// Returns why a server cannot be used, as one line; `nil`: it can.
    package static func problem(
        of settings: QuestDBSettings, parameters: [String: String]
    ) -> String? {
        guard settings.edition == "OSS" else {
            return "it is '\(settings.edition)', whose versions are not known here: use QuestDB's "
                + "open edition"
        }
        guard let version = numbers(settings.version) else {
            return "its version '\(settings.version)' is no release"
        }
        guard !version.lexicographicallyPrecedes(versionMin) else {
            return "its version is \(settings.version), needed is \(text(versionMin))"
        }
        guard settings.protocols.contains(protocolVersion) else {
            return "it does not take version \(protocolVersion) of the line protocol"
        }
        let commitMode = parameters["cairo.commit.mode"]
        let isOld = version.lexicographicallyPrecedes(adaptiveMin)
        if commitMode == "sync" {
            let parts = parameters[logParts]
            guard isOld, parts != "0" else { return nil }
            return "\(logParts) is \(parts ?? "not shown"), with which a power cut loses rows "
                + "before version \(text(adaptiveMin)): set it to 0, and make the tables anew"
        }
        guard commitMode == "adaptive" else {
            return "cairo.commit.mode is \(commitMode ?? "not shown"), with which a power cut "
                + "loses rows that it has answered: set it to sync"
        }
        if isOld {
            return "its commit mode is adaptive, which is taken from \(text(adaptiveMin)) on"
        }
        // With a window it answers before rows are on the disk, to flush those of several requests
        // together.
        let found = parameters.filter { $0.key.hasPrefix(windows) }
        let isNone = found.values.allSatisfy { Int($0.prefix { $0.isNumber }) == 0 }
        return isNone && !found.isEmpty
            ? nil : "\(windows) is \(found.values.min() ?? "not shown"), and has to be 0"
    }

    private static func text(_ version: [Int]) -> String {
        version.map { String($0) }.joined(separator: ".")
    }

    /// Returns the first numbers of a version such as 9.2.0.
    private static func numbers(_ text: String) -> [Int]? {
        let parts = text.split(separator: ".").prefix(2).map { Int($0) }
        guard parts.count == 2 else { return nil }
        return parts.contains(nil) ? nil : parts.compactMap { $0 }
    }
}
