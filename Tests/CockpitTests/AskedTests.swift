import Primitives
import ServiceTestSupport
import TestSupport
import Testing

@testable import Cockpit

@Suite("Questions in SQL") struct AskedTests {
    private let time = MadeSighting.time

    @Test("a person has one question at a time, all have four, and an answer is taken once")
    func book() {
        var book = AskBook()
        let first = book.submit(1, of: "alice", at: time(0))
        #expect(first == .taken(place: 0))
        let second = book.submit(2, of: "alice", at: time(1))
        #expect(second == .refused(AskBook.ownRefusal))
        var places: [AskBook.Submitted] = []
        for number in 3...6 {
            places.append(book.submit(UInt64(number), of: "\(number)", at: time(1)))
        }
        #expect(places == (1...3).map { .taken(place: $0) } + [.refused(AskBook.fullRefusal)])
        // Of others nothing is known.
        let foreign = [
            book.look(1, of: "bob", at: time(1)), book.look(9, of: "alice", at: time(1)),
        ]
        #expect(foreign == [.unknown, .unknown])
        let underWay = book.look(1, of: "alice", at: time(2))
        #expect(underWay == .underWay(nanoseconds: 2_000_000_000))
        book.put(0, [7], at: time(2))
        let looks = (0..<2).map { _ in book.look(1, of: "alice", at: time(2)) }
        #expect(looks == [.answered([7]), .unknown])
        let again = book.submit(7, of: "alice", at: time(2))
        #expect(again == .taken(place: 0))
    }

    @Test("a question whose page has left is not wanted, and its answer takes no place")
    func left() {
        var book = AskBook()
        _ = book.submit(1, of: "alice", at: time(0))
        #expect(book.isWanted(0, at: time(2.9)) && !book.isWanted(0, at: time(3)))
        _ = book.look(1, of: "alice", at: time(2))
        #expect(book.isWanted(0, at: time(4.9)))
        book.leave(1, of: "bob")
        #expect(book.isWanted(0, at: time(4)))
        book.leave(1, of: "alice")
        #expect(!book.isWanted(0, at: time(4)))
        // Its thread has not ended.
        let early = book.submit(2, of: "alice", at: time(4))
        #expect(early == .refused(AskBook.ownRefusal))
        book.put(0, [7], at: time(4))
        let found = book.look(1, of: "alice", at: time(4))
        #expect(found == .unknown)
        // An answer that nobody takes goes when its place is wanted.
        for number in 3...6 {
            _ = book.submit(UInt64(number), of: "\(number)", at: time(5))
            book.put(number - 3, [7], at: time(5))
        }
        let tooEarly = book.submit(8, of: "eve", at: time(7))
        #expect(tooEarly == .refused(AskBook.fullRefusal))
        let late = book.submit(8, of: "eve", at: time(8))
        #expect(late == .taken(place: 0))
    }

    @Test("rows, values and bytes have limits, and the answer says which one cut it")
    func limits() throws {
        var rows = AskedDocument(columns: ["a"])
        for _ in 0..<AskedDocument.rowsMax {
            let isTaken = rows.take(["1"])
            #expect(isTaken)
        }
        let beyond = rows.take(["1"])
        #expect(!beyond && rows.cut == "rows" && rows.count == AskedDocument.rowsMax)

        var values = AskedDocument(columns: ["a", "b"])
        let long = String(repeating: "é", count: AskedDocument.charactersMax)
        _ = values.take([long, long + "x"])
        _ = values.take([nil, "\"\n"])
        let json = try JSONValue.parse(values.json(seconds: 0.5, at: Timestamp(nanoseconds: 0)))
        #expect(json["cut"] == .null && json["cut_values"]?.int == 1)
        let first = json["rows"]?.array?[0].array?.map { $0.string ?? "" }
        #expect(first == [long, long + "…"])
        #expect(json["rows"]?.array?[1].array == [.null, .string("\"\n")])

        var bytes = AskedDocument(columns: ["a"])
        var count = 0
        while bytes.take([long]) { count += 1 }
        #expect(bytes.cut == "bytes")
        let size = bytes.json(seconds: 0, at: Timestamp(nanoseconds: 0)).count
        #expect(size > AskedDocument.bytesMax && size < AskedDocument.bytesMax + 20_000)
    }

    @Test("SQL is off, of this machine, or of people who are known")
    func right() throws {
        let people: [Sessions.Visitor?] = [nil, .reader, .person("alice")]
        func answers(_ right: AskRight) -> [String] {
            people.map {
                switch right.asker($0) {
                case .person(let name): "person \(name)"
                case .refused(let status, _): "\(status)"
                }
            }
        }
        #expect(answers(.off) == ["403", "403", "403"])
        #expect(answers(.machine) == ["person ", "person ", "person alice"])
        #expect(answers(.known) == ["401", "401", "person alice"])

        let folder = try TemporaryFolder()
        let digest = String(repeating: "a", count: 64)
        let list = ["COCKPIT_PEOPLE": try folder.write("alice:\(digest)\n", to: "people")]
        let sql = ["COCKPIT_SQL": "true"]
        let token = ["COCKPIT_TOKEN": "0123456789abcdef"]
        let open = ["COCKPIT_ADDRESS": "0.0.0.0", "COCKPIT_ON_HOST_LOOPBACK": "true"]
        func settings(_ all: [[String: String]]) throws -> AskRight {
            let keys = all.reduce(into: [:]) { $0.merge($1) { $1 } }
            return try CockpitSettings(TestService.configuration(Main.description, keys)).rights.sql
        }
        #expect(try settings([]) == .off && settings([open, token, list]) == .off)
        #expect(try settings([sql]) == .machine && settings([sql, list, token]) == .machine)
        #expect(try settings([sql, open, list]) == .known)
        let proxies = ["COCKPIT_PROXIES": "10.0.0.1"]
        #expect(
            try settings([sql, proxies, ["COCKPIT_PERSON_HEADER": "X-User"]]) == .known)
        // The token that all share says not who asks.
        for reached in [[open, token], [proxies, ["COCKPIT_READERS": "all"]]] {
            let keys = reached.reduce(into: sql) { $0.merge($1) { $1 } }
            let problems = TestService.problems(Main.description, keys)
            #expect(problems.count == 1 && problems[0].hasPrefix("COCKPIT_SQL: "), "\(problems)")
        }
    }

    @Test("the page names the limits that there are")
    func repeated() {
        #expect(AskedDocument.rowsMax == 10_000 && SQLAsker.statementTimeout == .seconds(5))
        #expect(WebFiles.text("sql.html").contains("At most 10,000 rows and 5 s."))
        let script = WebFiles.text("sql.js")
        #expect(AskedDocument.bytesMax == 2 << 20 && script.contains("larger than 2 MiB"))
        #expect(AskedDocument.charactersMax == 4_096 && script.contains("4,096 characters"))
    }
}
