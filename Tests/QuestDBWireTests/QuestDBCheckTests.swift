import Testing

@testable import QuestDBWire

@Suite("What a server of QuestDB has to be")
struct QuestDBCheckTests {
    private static let table = QuestDBTable(
        name: "t",
        columns: [
            QuestDBColumn("ts", .time), QuestDBColumn("source", .symbol),
            QuestDBColumn("partition", .long),
            QuestDBColumn("price", .decimal(precision: 38, scale: 9)),
        ], time: "ts", division: .days, keys: ["ts", "source"])

    private func answer(_ columns: [String], _ rows: String) throws -> QuestDBAnswer {
        let names = columns.map { "{\"name\":\"\($0)\",\"type\":\"X\"}" }.joined(separator: ",")
        return try QuestDBAnswer(
            Array("{\"columns\":[\(names)],\"timestamp\":-1,\"dataset\":[\(rows)]}".utf8))
    }

    /// A server whose table is right, but for what is changed.
    private func problem(
        _ change: (of: String, to: String) = ("", ""), ttl: Int = 0, wal: String = "false,5,7",
        mode: String = "\"sync\""
    ) throws -> String? {
        func changed(_ text: String) -> String {
            change.of.isEmpty ? text : text.replacing(change.of, with: change.to)
        }
        let tables = try answer(
            ["id", "table_name", "designatedTimestamp", "walEnabled", "dedup", "ttlValue"],
            changed("[3,\"t\",\"ts\",true,true,\(ttl)]"))
        let log = try answer(
            ["name", "suspended", "writerTxn", "sequencerTxn", "commitMode"],
            "[\"t\",\(wal),\(mode)]")
        var check = try QuestDBCheck(tables: tables, wal: log)
        let columns = """
            ["ts","TIMESTAMP_NS",true],["source","SYMBOL",true],["partition","LONG",false],\
            ["price","DECIMAL(38, 9)",false]
            """
        // What is wrong without its columns is seen without them, as after each batch.
        let early = try QuestDBCheck(tables: tables, wal: log).problemOfSettings(of: Self.table)
        try check.add(
            answer(["column", "type", "upsertKey"], changed(columns)), of: Self.table)
        #expect(check.problemOfSettings(of: Self.table) == early)
        if let early { #expect(check.problem(of: Self.table) == early) }
        #expect(check.numbers(of: [Self.table]) == (check.has(Self.table) ? ["t": 3] : [:]))
        return check.problem(of: Self.table)
    }

    @Test("a table that would keep a row twice, or lose one, is refused in one line")
    func tables() throws {
        #expect(try problem() == nil)
        #expect(try problem(("\"t\"", "\"u\"")) == "there is no table t")
        #expect(
            try problem(("true,true", "true,false"))
                == "t has no DEDUP, so a repeat would be there twice")
        #expect(try problem(("true,true", "false,false")) == "t has no WAL")
        #expect(
            try problem(("\"ts\",true,true", "\"at\",true,true"))
                == "t has the timestamp at, not ts")
        #expect(try problem(ttl: 3) == "t has a TTL, which removes rows")
        #expect(try problem(wal: "true,5,7")?.hasPrefix("t is suspended") == true)
        #expect(try problem(mode: "\"nosync\"")?.contains("commit mode nosync") == true)
        #expect(try problem(mode: "null") == nil)
        #expect(
            try problem(("\"LONG\",false", "\"LONG\",true"))
                == "t has DEDUP UPSERT KEYS(partition, source, ts), not (ts, source)")
        #expect(
            try problem(("DECIMAL(38, 9)", "DOUBLE")) == "t.price is DOUBLE, not DECIMAL(38,9)")
        #expect(
            try problem(("\"TIMESTAMP_NS\"", "\"TIMESTAMP\""))
                == "t.ts is TIMESTAMP, not TIMESTAMP_NS")
        #expect(throws: QuestDBAnswerError.self) { try problem(("true,true", "1,1")) }
    }

    @Test("a table shows what was stored before, and need not show what came since")
    func applied() throws {
        func check(_ number: Int, writer: Int, sequencer: Int) throws -> QuestDBCheck {
            try QuestDBCheck(
                tables: answer(
                    ["id", "table_name", "designatedTimestamp", "walEnabled", "dedup", "ttlValue"],
                    "[\(number),\"t\",\"ts\",true,true,0]"),
                wal: answer(
                    ["name", "suspended", "writerTxn", "sequencerTxn"],
                    "[\"t\",false,\(writer),\(sequencer)]"))
        }
        let first = try check(3, writer: 5, sequencer: 7).stored(of: [Self.table])
        #expect(first == ["t": 7])
        #expect(try check(3, writer: 6, sequencer: 8).lacking(first) == ["t"])
        #expect(try check(3, writer: 7, sequencer: 9).lacking(first) == [])
        #expect(try check(4, writer: 1, sequencer: 2).lacking(first) == [])
    }

    private func settings(
        _ version: String, edition: String = "OSS", protocols: String = "[1,2,3]"
    ) throws -> QuestDBSettings {
        try QuestDBSettings(
            Array(
                """
                {"config":{"release.type":"\(edition)","release.version":"\(version)",\
                "line.proto.support.versions":\(protocols)},"preferences":{}}
                """.utf8))
    }

    @Test(
        "the version and the commit mode decide whether an answer means that rows are kept",
        arguments: [
            ("9.2.0", "sync", true), ("9.1.9", "sync", false), ("8.10.0", "sync", false),
            ("10.0.0", "sync", true), ("9.2.0", "nosync", false), ("10.2.0", "async", false),
            ("10.2.0", "adaptive", true), ("10.2.0", "adaptive 5ms", false),
            ("10.2.0", "adaptive ?", false), ("10.1.3", "adaptive", false),
            ("11.0", "adaptive", true), ("[DEVELOPMENT]", "sync", false), ("9", "sync", false),
        ])
    func server(version: String, mode: String, isWell: Bool) throws {
        let words = mode.split(separator: " ").map { String($0) }
        var parameters = ["cairo.commit.mode": words[0], Self.logParts: "0"]
        if words.last != "?" {
            parameters["cairo.adaptive.commit.group.window"] = words.count > 1 ? words[1] : "0"
        }
        let problem = QuestDBCheck.problem(of: try settings(version), parameters: parameters)
        #expect((problem == nil) == isWell, "\(problem ?? "")")
        #expect(problem?.contains("\n") != true)
    }

    private static let logParts = "cairo.default.sequencer.part.txn.count"

    @Test("before 10.2, logs whose entries have files of their own are refused, or not to know")
    func logs() throws {
        #expect(QuestDBCheck.parametersQuestion.contains("'\(Self.logParts)'"))
        func problem(_ version: String, _ parts: String?) throws -> String? {
            var parameters = ["cairo.commit.mode": "sync"]
            parameters[Self.logParts] = parts
            return QuestDBCheck.problem(of: try settings(version), parameters: parameters)
        }
        #expect(try problem("9.3.5", "0") == nil)
        #expect(try problem("9.3.5", "5000")?.contains("is 5000, with which a power cut") == true)
        #expect(try problem("10.1.9", nil)?.contains("is not shown") == true)
        #expect(try problem("10.2.0", "5000") == nil)
    }

    @Test("other editions, older protocols and a hidden mode are refused")
    func others() throws {
        func problem(_ settings: QuestDBSettings, _ mode: String?) -> String {
            QuestDBCheck.problem(
                of: settings, parameters: mode.map { ["cairo.commit.mode": $0] } ?? [:]) ?? ""
        }
        #expect(problem(try settings("4.2.0", edition: "EE"), "sync").contains("'EE'"))
        #expect(
            problem(try settings("9.2.0", protocols: "[1,2]"), "sync").contains("version 3"))
        #expect(problem(try settings("9.2.0"), nil).contains("not shown"))
        #expect(throws: QuestDBAnswerError.self) { try QuestDBSettings(Array("{}".utf8)) }
        #expect(throws: QuestDBAnswerError.self) { try QuestDBSettings(Array("<html>".utf8)) }
    }

    @Test("a table is made with all that its check asks for")
    func creation() {
        #expect(
            Self.table.creation == """
                CREATE TABLE IF NOT EXISTS "t" (
                    "ts" TIMESTAMP_NS,
                    "source" SYMBOL,
                    "partition" LONG,
                    "price" DECIMAL(38,9)
                ) TIMESTAMP("ts") PARTITION BY DAY WAL
                DEDUP UPSERT KEYS("ts", "source")
                """)
    }
}

@Suite("What answers of QuestDB mean")
struct QuestDBVerdictTests {
    private func ofWrite(_ status: Int, _ message: String, line: Int? = nil) -> QuestDBVerdict? {
        let place = line.map { ",\"line\":\($0)" } ?? ""
        return QuestDBVerdict.ofWrite(
            status: status,
            body: Array(
                "{\"code\":\"x\",\"message\":\"\(message)\"\(place),\"errorId\":\"ab-7\"}".utf8))
    }

    @Test("rows, tables, size or server: each fault has its remedy")
    func writes() {
        #expect(QuestDBVerdict.ofWrite(status: 204, body: []) == nil)
        let bad = ofWrite(
            400,
            "failed to parse line protocol:errors encountered on line(s):"
                + "\\nerror in line 3: Could not parse entire line", line: 3)
        #expect(bad?.fault == .rows)
        #expect(bad?.message.hasSuffix("parse entire line (ab-7)") == true)
        #expect(bad?.message.contains("\n") == false)
        #expect(
            ofWrite(400, "table: t, column: c; cast error from protocol type: X", line: 1)?.fault
                == .schema)
        #expect(
            ofWrite(400, "column: c does not exist, creating new columns is disabled", line: 1)?
                .fault == .schema)
        #expect(ofWrite(400, "not supported")?.fault == .schema)
        #expect(ofWrite(403, "unauthorised")?.fault == .schema)
        #expect(ofWrite(413, "ILP line does not fit", line: 1)?.fault == .tooLarge)
        #expect(
            ofWrite(500, "commit error for table: t, errno: 28, error: no space")?.fault == .away)
        #expect(ofWrite(500, "write error: t, errno: 28, error: disk", line: 1)?.fault == .away)
        #expect(ofWrite(500, "write error: t, errno: -1, error: range", line: 2)?.fault == .rows)
        #expect(
            ofWrite(
                500, "write error: t, errno: -1, error: global RSS memory limit exceeded", line: 2)?
                .fault == .away)
        #expect(ofWrite(400, "cannot insert in non-WAL table", line: 1)?.fault == .schema)
        #expect(QuestDBVerdict.ofWrite(status: 502, body: Array("<html>".utf8))?.fault == .away)
        #expect(QuestDBVerdict.ofWrite(status: 200, body: Array("<html>".utf8))?.fault == .away)
    }

    @Test("a question fails because of its tables, or because the server is away")
    func questions() {
        func fault(_ status: Int, _ error: String) -> QuestDBVerdict.Fault? {
            QuestDBVerdict.ofQuestion(
                status: status,
                body: Array("{\"query\":\"q\",\"error\":\"\(error)\",\"position\":1}".utf8))?.fault
        }
        #expect(fault(200, "") == nil)
        #expect(fault(400, "table does not exist [table=t]") == .schema)
        #expect(fault(400, "timeout, query aborted") == .away)
        #expect(fault(401, "") == .schema)
        #expect(fault(500, "") == .away)
    }
}
