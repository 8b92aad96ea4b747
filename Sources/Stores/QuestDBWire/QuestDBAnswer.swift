package import Primitives

/// An answer that is none.
package struct QuestDBAnswerError: Error, CustomStringConvertible {
    package let description: String
}

/// The rows of an answer of `/exec`.
package struct QuestDBAnswer: Sendable {
    private let names: [String: Int]
    private let rows: [[JSONValue]]

    package init(_ body: [UInt8]) throws(QuestDBAnswerError) {
        let json = try Self.json(body)
        guard let columns = json["columns"]?.array, let rows = json["dataset"]?.array else {
            throw QuestDBAnswerError(description: "the answer has no rows")
        }
        let names = columns.map { $0["name"]?.string ?? "" }
        self.names = Dictionary(zip(names, names.indices)) { first, _ in first }
        self.rows = try rows.map { row throws(QuestDBAnswerError) in
            guard let values = row.array, values.count == names.count else {
                throw QuestDBAnswerError(description: "a row of the answer has other columns")
            }
            return values
        }
    }

    package var count: Int { rows.count }

    /// Returns a value; `nil`: there is no such column.
    package func value(_ row: Int, _ name: String) -> JSONValue? {
        names[name].map { rows[row][$0] }
    }

    package func text(_ row: Int, _ name: String) throws(QuestDBAnswerError) -> String {
        guard let text = value(row, name)?.string else { throw Self.lacks(name) }
        return text
    }

    package func flag(_ row: Int, _ name: String) throws(QuestDBAnswerError) -> Bool {
        guard let flag = value(row, name)?.bool else { throw Self.lacks(name) }
        return flag
    }

    package func number(_ row: Int, _ name: String) throws(QuestDBAnswerError) -> Int {
        guard let number = value(row, name)?.int else { throw Self.lacks(name) }
        return number
    }

    private static func lacks(_ name: String) -> QuestDBAnswerError {
        QuestDBAnswerError(description: "the answer has no \(name)")
    }

    static func json(_ body: [UInt8]) throws(QuestDBAnswerError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue.parse(body)
        } catch {
            throw QuestDBAnswerError(description: "the answer is no JSON: \(error)")
        }
    }
}

/// What `/settings` says.
package struct QuestDBSettings: Hashable, Sendable {
    /// `OSS` for the open one. Others number their versions by themselves.
    package let edition: String
    package let version: String
    /// The versions of the line protocol that it takes.
    package let protocols: [Int]

    package init(_ body: [UInt8]) throws(QuestDBAnswerError) {
        let json = try QuestDBAnswer.json(body)
        guard let config = json["config"], let version = config["release.version"]?.string else {
            throw QuestDBAnswerError(description: "the settings name no version")
        }
        self.version = version
        edition = config["release.type"]?.string ?? ""
        protocols = (config["line.proto.support.versions"]?.array ?? []).compactMap(\.int)
    }
}

/// What became of rows that were sent.
package struct QuestDBVerdict: Hashable, Sendable {
    package enum Fault: Sendable {
        /// The server, or the way to it: later it may go well.
        case away
        /// Tables, rights or settings: a person mends them.
        case schema
        /// A row. None of the request's rows is stored, because they are of one table.
        case rows
        case tooLarge
    }

    package let fault: Fault
    /// What the server says, as one line.
    package let message: String

    /// Reads an answer of `/write`. Returns `nil` when the rows are stored. The server says so by
    /// 204 alone: 200 is from something else, such as the page of a proxy.
    package static func ofWrite(status: Int, body: [UInt8]) -> QuestDBVerdict? {
        if status == 204 { return nil }
        var (text, hasLine) = (Self.line(body), false)
        if let json = Self.json(body), let message = json["message"]?.string {
            hasLine = (json["line"]?.int ?? 0) > 0
            text = Self.line(Array(message.utf8))
            if let id = json["errorId"]?.string { text += " (\(id))" }
        }
        return QuestDBVerdict(fault: fault(status, text, hasLine: hasLine), message: text)
    }

    private static func fault(_ status: Int, _ text: String, hasLine: Bool) -> Fault {
        if status == 413 { return .tooLarge }
        if status == 400, hasLine {
            // A row is at fault, unless the table is not as it was at the start.
            return ofSchema.contains { text.contains($0) } ? .schema : .rows
        }
        if [400, 401, 403, 404, 405, 415].contains(status) { return .schema }
        // The server also says so of rows that its tables cannot take. Its own faults, such as a
        // full disk, have the number of the operating system, which is not below zero, or name a
        // limit of its memory.
        let isOfRows = text.contains("errno: -1,") && !text.contains("memory limit")
        return status == 500 && hasLine && isOfRows ? .rows : .away
    }

    /// What a line is answered with when columns are missing or of another type, or the table has no
    /// WAL.
    private static let ofSchema = ["cast error from", "is disabled", "non-WAL"]

    /// Reads an answer of `/exec`. Returns `nil` when it is one.
    package static func ofQuestion(status: Int, body: [UInt8]) -> QuestDBVerdict? {
        if status == 200 { return nil }
        var text = Self.line(body)
        if let json = Self.json(body), let error = json["error"]?.string {
            text = Self.line(Array(error.utf8))
        }
        let isSchema = [400, 401, 403, 404, 405].contains(status) && !text.contains("timeout")
        return QuestDBVerdict(fault: isSchema ? .schema : .away, message: text)
    }

    /// Returns `nil` for what is no JSON, such as the page of a proxy.
    private static func json(_ body: [UInt8]) -> JSONValue? {
        do throws(QuestDBAnswerError) {
            return try QuestDBAnswer.json(body)
        } catch {
            return nil
        }
    }

    private static let textBytesMax = 600

    private static func line(_ body: [UInt8]) -> String {
        String(decoding: body.prefix(textBytesMax), as: UTF8.self)
            .split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
