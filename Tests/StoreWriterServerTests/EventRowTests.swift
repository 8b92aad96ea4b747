import MarketModel
import PostgresClient
import Primitives
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

@Suite(
    "Ticks without a table of their own, tables that are switched off, and values that are refused")
struct EventRowTests {
    private let watermark = Timestamp(nanoseconds: 0)
    private typealias Row = SinkBench

    private func subscription(_ symbol: UInt32) -> SubscriptionRecord {
        SubscriptionRecord(
            header: Row.header(symbol), action: .switchProvider, kind: .optionComputation,
            mode: .delayedFrozen, provider: "ib", previousProvider: "a\"b", reason: "Ü")
    }

    /// Returns a packet in which the first message has another template, or is replaced.
    private func changed(
        _ packet: SealedPacket, _ change: (inout [UInt8], _ message: Int) -> Void
    ) -> [UInt8] {
        var bytes = packet.bytes
        change(&bytes, WireFormat.HeaderOffset.end)
        return PacketBuilder.checked(bytes)
    }

    @Test("subscriptions and repairs in words; what nobody knows with its bytes")
    func events() throws {
        let rows = try SinkBench("writer_se")
        var source = try rows.source()
        let all = Row.header(TickHeader.noSymbol)
        source.append { $0.append(subscription(1)) == .appended }
        let request = RepairRequest(
            header: all, from: Timestamp(nanoseconds: 0), to: .undefined, reason: .bust,
            requester: "me", note: "")
        source.append { $0.append(request) == .appended }
        try source.publish(watermark: watermark)
        // Another template with as many fields, as a later version may have.
        source.append { $0.append(subscription(TickHeader.noSymbol)) == .appended }
        let later = changed(source.seal(watermark: watermark)) { bytes, message in
            bytes[message + 2] = 0x7f
        }
        let subject = rows.bench.tape.names.ticks(source.partition, source.source)
        try TestSource.put(later, on: subject, of: rows.bench.tape)
        // A message that does not begin like a tick.
        source.append { $0.append(subscription(TickHeader.noSymbol)) == .appended }
        let foreign = changed(source.seal(watermark: watermark)) { bytes, message in
            bytes[message] = 2
            bytes[message + 2] = 0x7e
            bytes[message + 3] = 0x80
            bytes.replaceSubrange((message + 8)..., with: [0xab, 0xcd])
        }
        try TestSource.put(foreign, on: subject, of: rows.bench.tape)
        let payload = later.dropFirst(WireFormat.HeaderOffset.end).map {
            String(UInt16($0) + 256, radix: 16).dropFirst()
        }.joined()
        let bare = TickHeader(
            symbol: TickHeader.noSymbol, providerTime: .undefined, receiveTime: source.sendTime)
        try rows.expectStored(
            "events",
            """
            \(Row.head), input, to_hex(template), name,
            coalesce((detail->>'action') || (detail->>'kind') || (detail->>'mode'), 'NULL'),
            \(Row.optional("detail->>'previous_provider'", "detail->>'reason'")),
            \(Row.optional("detail->>'from'", "encode(payload, 'hex')")), \(Row.tail)
            """,
            [
                Row.head(Row.header(1))
                    + ["ticks", "831a", "subscription"]
                    + ["switch_provideroption_computationdelayed_frozen", "a\"b", "Ü", "NULL"]
                    + ["NULL"] + Row.tail(Row.header(1), 1),
                Row.head(all)
                    + ["ticks", "821c", "repair_request", "NULL", "NULL", "bust"]
                    + ["1970-01-01T00:00:00.000000000Z", "NULL"] + Row.tail(all, 2),
                Row.head(all)
                    + ["ticks", "837f", "unknown", "NULL", "NULL", "NULL", "NULL", payload]
                    + Row.tail(all, 3),
                Row.head(bare)
                    + ["ticks", "807e", "unknown", "NULL", "NULL", "NULL", "NULL"]
                    + ["02007e809e7a0100abcd"] + Row.tail(bare, 4),
            ])
        try Audit.expect("ticks_stored_once", in: rows.bench.database)
    }

    @Test("both records of an action, in words")
    func actions() throws {
        let rows = try SinkBench("writer_ac")
        var source = try rows.source()
        let all = Row.header(TickHeader.noSymbol)
        for (stage, outcome) in [(ActionStage.asked, ""), (.pending, "it \"waits\"")] {
            let record = ActionRecord(
                header: all, number: .max, stage: stage, person: "alice", origin: "::1",
                command: "member drain w", reason: "new disk", outcome: outcome)
            source.append { $0.append(record) == .appended }
        }
        let words = ["18446744073709551615", "alice", "::1", "member drain w", "new disk"]
        try rows.store(
            &source,
            "events",
            """
            \(Row.head), to_hex(template), name, detail->>'stage', detail->>'action',
            detail->>'person', detail->>'origin', detail->>'command', detail->>'reason',
            \(Row.optional("detail->>'outcome'")), \(Row.tail)
            """,
            [
                Row.head(all) + ["851e", "action", "asked"] + words + ["NULL"] + Row.tail(all, 1),
                Row.head(all) + ["851e", "action", "pending"] + words + ["it \"waits\""]
                    + Row.tail(all, 2),
            ])
    }

    @Test("what a person did to a trade, with the trade's address")
    func tradeChanges() throws {
        let rows = try SinkBench("writer_tc")
        var source = try rows.source()
        var change = TradeChange(
            header: Row.header(1), source: try #require(SourceName("ibkr")), ordinal: 141,
            change: .correct, values: (Price(raw: -5), Quantity(raw: 7)))
        change.requester = "me@desk"
        change.note = "it's wrong"
        source.append { $0.append(change) == .appended }
        change = TradeChange(header: Row.header(0), source: .manual, ordinal: 2, change: .cancel)
        change.change = 77
        source.append { $0.append(change) == .appended }
        try rows.store(
            &source,
            "trade_changes",
            """
            \(Row.head), of_source, of_ordinal, change, \(Row.raw("price", 9)),
            \(Row.raw("size", 8)), requester, note, \(Row.tail)
            """,
            [
                Row.head(Row.header(1)) + ["ibkr", "141", "correct", "-5", "7", "me@desk"]
                    + ["it's wrong"] + Row.tail(Row.header(1), 1),
                Row.head(Row.header(0)) + ["manual", "2", "77", "NULL", "NULL", "", ""]
                    + Row.tail(Row.header(0), 2),
            ])
        try Audit.expect("ticks_stored_once", in: rows.bench.database)
    }

    @Test(
        "of a table that is switched off nothing is written; its ticks are counted, and no others")
    func switchedOff() throws {
        let rows = try SinkBench("writer_sx")
        var source = try rows.source()
        for _ in 0..<3 {
            source.append { $0.append(subscription(0)) == .appended }
            source.append(
                Trade(header: Row.header(0), price: Price(raw: 1), size: Quantity(raw: 1)))
            source.append { $0.append(DepthReset(header: Row.header(0), reason: .reset)) }
        }
        try source.publish(watermark: watermark)
        let running = try rows.bench.start(["STORE_TABLES": "trades,quotes,bars"])
        try rows.bench.database.expectSoon(
            "SELECT written, skipped, missing FROM sink_audit WHERE input = 'ticks'", "3|6|0")
        try rows.bench.database.expect(
            """
            SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM depth),
                (SELECT count(*) FROM events)
            """, "3|0|0")
        for (sink, count) in [("depth", 3.0), ("events", 3), ("trades", 0), ("news", 0)] {
            let name = "mds_writer_ticks_skipped_total{sink=\"\(sink)\"}"
            #expect(eventually { running.service.metric(name) == count }, "\(name)")
        }
        try running.stop()
    }

    @Test("the tables of STORE_TABLES exist, each once; every problem is told")
    func sinkNames() {
        let problems = TestService.problems(
            Main.description, ["STORE_TABLES": "trades,quots,bars,Depth", "WRITER_THREADS": "0"])
        #expect(problems.contains { $0.hasPrefix("WRITER_THREADS") }, "\(problems)")
        let names = TestService.problems(
            Main.description, ["STORE_TABLES": "trades,quots,bars,Depth"])
        #expect(names.count == 1)
        #expect(names.first?.hasPrefix("STORE_TABLES names quots, Depth: the tables are ") == true)
        #expect(
            TestService.problems(Main.description, ["STORE_TABLES": "bars,trades,bars"])
                == ["STORE_TABLES names bars more than once"])
        #expect(TestService.problems(Main.description, ["STORE_TABLES": "trades"]).isEmpty)
    }

    @Test("a NUL in a text is a data error of its row and leaves the session whole")
    func nul() throws {
        let database = try TestDatabase.migrated("writer_snul")
        try database.takeAllTimes()
        let session = try database.connectWriter()
        for text in ["a\0b", "fine"] {
            var builder = PacketBuilder(
                kind: .ticks, partition: Partition(0), source: try #require(SourceName("s")))
            let header = Row.header(TickHeader.noSymbol)
            let outcomes = [
                builder.append(NewsBulletin(header: header, kind: .regular, text: text)),
                builder.append(
                    SubscriptionRecord(
                        header: header, action: .start, kind: .trade, mode: .live, provider: "ib",
                        reason: text)),
            ]
            #expect(outcomes.allSatisfy { $0 == .appended })
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: 1, watermark: watermark, sendTime: watermark))
            for sink in SinkCatalogue([.news, .events]).sinks {
                let error = sessionFailure { () throws(PostgresError) in
                    try session.copyIn(sink.copy, after: "BEGIN", timeout: patience) {
                        row throws(PostgresError) in
                        try sink.write(packet, to: &row)
                    }
                }
                if text == "fine" {
                    #expect(error == nil)
                } else {
                    #expect(error?.category == .data, "\(sink.name)")
                    #expect(session.isUsable && session.isInTransaction)
                }
                try session.script("ROLLBACK")
            }
        }
    }
}
