import Primitives
import TestSupport
import Testing

@testable import TapelineTool

@Suite("Rows of a report: a table, JSON and CSV of the same columns")
struct ReportRowsTests {
    private struct Row {
        let name: String
        var count: Int?
        var time = Timestamp.undefined
    }

    private let rows = ReportRows(
        [
            Row(name: "a,b", count: 5, time: Timestamp(nanoseconds: 1_800_000_000_000_000_001)),
            Row(name: ""),
        ],
        [
            ReportColumn("NAME", "name") { .text($0.name) },
            ReportColumn("COUNT", "count", isNumber: true) {
                $0.count.map { ReportValue.number($0) } ?? .unknown
            },
            ReportColumn("", "time") { .time($0.time) },
            ReportColumn("", "rare") { $0.count == nil ? .absent : .texts(["x", "y"]) },
            .cell("LAST") { "\($0.name.count)" },
        ])

    @Test("a table has the columns with a head, and a blank for what is not there")
    func table() {
        #expect(rows.table == ["NAME  COUNT  LAST", "a,b       5  3", "-         -  0"])
        #expect(rows.first(1).table.count == 2 && rows.first(0).table.isEmpty)
    }

    @Test("JSON has the columns with a name; what is not known is null, or not there")
    func json() {
        let text = JSONWriter.made { $0.member("rows", rows: rows) }.text
        #expect(
            text == #"{"rows":[{"name":"a,b","count":5,"time":"2027-01-15T08:00:00.000000001Z","#
                + #""rare":["x","y"]},{"name":"","count":null,"time":null}]}"#)
    }

    @Test("CSV has the same columns, and objects of JSON become such rows")
    func csv() throws {
        func printed(_ print: (Terminal) -> Void) throws -> String {
            let folder = try TemporaryFolder("csv")
            let output = try OpenFile(folder.file("out"))
            var terminal = Terminal(output: output.descriptor, errors: output.descriptor)
            terminal.asCSV = true
            print(terminal)
            return output.text
        }
        let shown = try printed { $0.show([], json: "", rows: rows.fields, true) }
        #expect(
            shown == "name,count,time,rare\r\n"
                + "\"a,b\",5,2027-01-15T08:00:00.000000001Z,\"x,y\"\r\n\"\",,,\r\n")
        let objects = try printed {
            $0.show(
                objects: [#"{"a":1.50,"b":null,"c":true}"#, #"{"a":2,"b":"x","c":false}"#],
                columns: [])
        }
        #expect(objects == "a,b,c\r\n1.50,,true\r\n2,x,false\r\n")
        #expect(try printed { $0.show(objects: [], columns: ["a", "b"]) } == "a,b\r\n")
    }
}
