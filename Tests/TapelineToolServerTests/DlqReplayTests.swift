import TapeTransport
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline dlq replay: rows that are of no symbol, of a day that is gone, of no day yet")
struct DlqReplayTests {
    private func count(
        _ fate: String, of outcome: Said
    ) throws -> Int {
        try outcome.json()[fate]?.int ?? 0
    }

    @Test("a letter of a row without a symbol is stored once, however often it is tried")
    func bulletin() throws {
        let bench = try AcceptBench("dlq_bulletin")
        _ = try bench.query("ALTER TABLE news ADD CONSTRAINT no_poison CHECK (body <> 'bad')")
        var source = try bench.source(0)
        let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000)
        let header = TickHeader(
            symbol: TickHeader.noSymbol, providerTime: time, receiveTime: time)
        for text in ["fine", "bad", "bad"] {
            source.append {
                $0.append(NewsBulletin(header: header, kind: .regular, text: text)) == .appended
            }
        }
        try source.publish(watermark: .undefined)
        let writer = try bench.startWriter()
        let books = "SELECT written, dead_lettered, replayed, missing FROM sink_audit"
        try bench.expect("1|2|0|0") { try bench.query(books) }
        _ = try bench.query("ALTER TABLE news DROP CONSTRAINT no_poison")
        let tools = DlqTools(environment: bench.environment)
        let first = try tools.dlq("replay", "ticks/0/test/2/1", "--json")
        #expect(try count("stored", of: first) == 1)
        #expect(try tools.review() == ["present", "tried"])
        // The books would allow a second one.
        let second = try tools.dlq("replay", "ticks/0/test/2/1", "--json")
        #expect(try count("present", of: second) == 1)
        #expect(try bench.query("SELECT count(*), count(DISTINCT ordinal) FROM news") == "2|2")
        #expect(try count("stored", of: try tools.dlq("replay", "--all", "--json")) == 1)
        #expect(try bench.query(books) == "1|2|2|0")
        try bench.expectCleanAudit()
        #expect(try writer.stop() == .success)
    }

    /// A trade of another day that the writer has set aside. The day no longer exists.
    @Test("a letter of a gateway is listed and shown, cannot be replayed, and can be dropped")
    func future() throws {
        let bench = try AcceptBench("dlq_future")
        let client = bench.tape.client
        _ = try client.jetStream.createStream(
            StreamConfiguration(
                name: bench.tape.names.deadLetterStream, subjects: [bench.tape.names.deadLetters],
                maxBytes: 1_048_576))
        let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000)
        let letter = DeadLetter(
            service: "provider-gateway", namespace: bench.tape.names.namespace, owner: "gateway",
            sink: "trades", reason: .future,
            refusal: DeadLetter.Refusal(message: "stamped an hour ahead"),
            place: DeadLetter.Place(
                input: DeadLetter.Place.provider, partition: Partition(0),
                source: try #require(SourceName("synthetic")), epoch: 0, ordinal: 17, stream: "",
                streamCreated: .undefined, sequence: 0),
            symbol: "AAPL", eventTime: time, notedAt: time, payload: [1, 2, 3])
        let (outcomes, _) = client.jetStream.publish(
            [IdentifiedMessage(payload: letter.json, id: letter.messageID)],
            to: bench.tape.names.deadLetters(of: "gateway"))
        try #require(outcomes.count == 1)
        let tools = DlqTools(environment: bench.environment)
        #expect(try tools.dlq("list").output.contains("future  trades  -      1        1"))
        let shown = try tools.dlq("show", "provider/0/synthetic/17/0").output
        #expect(shown.contains("on the tape never") && shown.contains("reason      future"))
        #expect(try tools.review() == ["untaped"])
        let replayed = try tools.dlq("replay", "--reason", "future")
        #expect(replayed.code == .failure)
        #expect(
            replayed.output.contains("17/0  never was on the tape")
                && replayed.output.hasSuffix("1 dead letter: 1 untaped\n"), "\(replayed.output)")
        #expect(try tools.dlq("export", "-").output.contains("\"reason\":\"future\""))
        #expect(try tools.dlq("drop", "--reason", "future", "--yes").code == .success)
        #expect(try tools.dlq("list").output == "no dead letters\n")
    }

    private func setAside(_ name: String) throws -> (bench: AcceptBench, tools: DlqTools) {
        let bench = try AcceptBench(name)
        _ = try bench.query("ALTER TABLE trade_rows ADD CONSTRAINT no_poison CHECK (price < 600)")
        var source = try bench.source(0)
        // As the tape's time, so that the database has the tape up to now.
        source.sendTime = SystemClock().now()
        for (price, day) in [(1, 0), (666, 5)] as [(Int64, Int64)] {
            let time = Timestamp(
                nanoseconds: 1_700_000_000_000_000_000 + day * 86_400_000_000_000)
            source.append(
                Trade(
                    header: TickHeader(symbol: 0, providerTime: time, receiveTime: time),
                    price: Price(raw: price * 1_000_000_000), size: Quantity(raw: 1)))
        }
        try source.publish(watermark: .undefined)
        let writer = try bench.startWriter()
        try bench.expect("1") { try bench.query("SELECT dead_lettered FROM sink_audit") }
        #expect(try writer.stop() == .success)
        _ = try bench.query(
            """
            ALTER TABLE trade_rows DROP CONSTRAINT no_poison;
            DROP TABLE IF EXISTS trade_rows_p20231119
            """)
        return (bench, DlqTools(environment: bench.environment))
    }

    private let days = "SELECT count(*) FROM time_partitions('trades') WHERE name ~ '20231119'"

    @Test("a row of a letter is known from its replay on, and then questions are answered again")
    func known() throws {
        let (bench, tools) = try setAside("dlq_known")
        let range = "'{S0}', '2023-11-14', '2023-11-21'"
        func asked(_ what: String, _ more: String = "") -> String {
            "SELECT count(*) FROM md_market.\(what)_as_of(now(), \(range)\(more))"
        }
        for what in ["trades", "trades_effective", "gaps"] {
            let error = #expect(throws: (any Error).self) { try bench.query(asked(what)) }
            #expect("\(error as Any)".contains("is not all stored: set_aside"), "\(what)")
        }
        #expect(
            try bench.query(
                "SELECT source, first_ordinal, last_ordinal, letters FROM version_losses")
                == "test|1|2|1")
        let before = try bench.query("SELECT clock_timestamp()")
        #expect(try count("stored", of: try tools.dlq("replay", "--all", "--json")) == 1)
        #expect(
            try ["trades", "trades_effective", "gaps"].map { try bench.query(asked($0)) }
                == ["2", "2", "0"])
        #expect(try bench.query("SELECT count(*) FROM version_losses") == "0")
        #expect(
            try bench.query(
                "SELECT price, known_at > '\(before)' FROM md_market.trades ORDER BY price")
                == "1|f\n666|t")
        let then = asked("trades", ", true").replacing("now()", with: "'\(before)'")
        #expect(try bench.query(then) == "1")
    }

    @Test("a dry run makes no day either")
    func dryRun() throws {
        let (bench, tools) = try setAside("dlq_dryday")
        let dry = try tools.dlq("replay", "--all", "--dry-run", "--json")
        #expect(try count("storable", of: dry) == 1)
        #expect(try bench.query(days) == "0")
        #expect(try count("stored", of: try tools.dlq("replay", "--all", "--json")) == 1)
        #expect(try bench.query(days) == "1")
    }

    @Test("what retention has dropped is not stored again")
    func retired() throws {
        let (bench, tools) = try setAside("dlq_retired")
        #expect(try count("stored", of: try tools.dlq("replay", "--all", "--json")) == 1)
        _ = try bench.query(
            """
            INSERT INTO retention_least VALUES ('trades', '30 days');
            SELECT apply_retention('trades', '30 days')
            """)
        #expect(try bench.query("SELECT count(*) FROM trades") == "0")
        #expect(try tools.review() == ["retired"])
        for words in [["--dry-run"], []] {
            let again = try tools.dlq(["replay", "--all", "--json"] + words)
            #expect(try count("retired", of: again) == 1)
            #expect(again.code == .failure)
        }
        #expect(try bench.query("SELECT count(*) FROM trades") == "0")
        try bench.expectCleanAudit()
    }
}
